import pytest

from taskengine.callbacks.options import CallbackOptions
from taskengine.model import BadInput


def test_without_options_everything_is_as_the_contract_has_it():
    options = CallbackOptions.of({})
    assert options == CallbackOptions()
    assert options.content("end", {"job_id": "1"}) == {"job_id": "1"}


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        ("text", "callback: expected a key below it, as in callback.KEY=VALUE"),
        (
            {"secrets": "x"},
            "callback.secrets: expected one of secret, headers, verify, events, body",
        ),
        ({"headers": "x"}, "callback.headers: expected a header"),
        ({"headers": {"x": 1}}, "callback.headers: expected a header"),
        ({"headers": {"X-Pass": "se\ncret"}}, "callback.headers.X-Pass: expected printable ASCII"),
        ({"headers": {"X-Pass": "secret "}}, "callback.headers.X-Pass: expected printable ASCII"),
        ({"headers": {"X-Pass": "gehe\xefm"}}, "callback.headers.X-Pass: expected printable ASCII"),
        ({"headers": {"X Pass": "x"}}, "callback.headers.X Pass: expected printable ASCII"),
        ({"secret": "whsec_no base64"}, "callback.secret: webhook secret: expected base64"),
        ({"secret": 7}, "callback.secret: expected a text"),
        ({"verify": "no"}, "callback.verify: expected true or false"),
        ({"events": "end"}, "callback.events: expected a list of start, complete, fail, end"),
        ({"events": ["stop"]}, "callback.events: expected a list of start, complete, fail, end"),
        ({"body": "{{ job }}"}, "callback.body: {{ job }}: there is no parameter 'job'"),
        ({"body": {"a": "{{ event"}}, "callback.body: {{ event: unexpected end"),
    ],
)
def test_an_option_that_is_wrong_is_named(callback, message):
    with pytest.raises(BadInput) as raised:
        CallbackOptions.of({"callback": callback})
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("value", ["", "x", "Bearer a.b~c=", "a\tb"])
def test_a_header_may_be_whatever_http_takes(value):
    options = CallbackOptions.of({"callback": {"headers": {"X-Pass": value}}})
    assert options.signed("msg", 1, b"")["x-pass"] == value
