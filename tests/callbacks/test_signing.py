import base64
import hashlib
import hmac
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from taskengine.callbacks.signing import headers, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_example_of_the_specification():
    assert signature(SECRET, *MESSAGE) == SIGNED


def test_the_prefix_may_be_left_out():
    assert signature(SECRET.removeprefix("whsec_"), *MESSAGE) == SIGNED


@pytest.mark.parametrize("secret", [SECRET, SECRET.removeprefix("whsec_"), "secret12"])
def test_a_library_of_standard_webhooks_verifies_what_is_signed(secret):
    now, body = int(time.time()), b'{"event": "gr\xc3\xbc\xc3\x9fe"}'
    signed = headers(secret, "msg_1", now, body)
    assert Webhook(secret).verify(body, signed) == {"event": "grüße"}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", signed)


def test_a_secret_that_is_no_base64_is_the_key_itself():
    digest = hmac.new("grüße".encode(), b"msg_1.5.body", hashlib.sha256).digest()
    assert signature("grüße", "msg_1", 5, b"body") == f"v1,{base64.b64encode(digest).decode()}"


def test_padding_may_be_left_out():
    padded = "whsec_" + base64.b64encode(b"four").decode()
    assert signature(padded.rstrip("="), *MESSAGE) == signature(padded, *MESSAGE)


@pytest.mark.parametrize("secret", ["whsec_no base64!", "whsec_A", "whsec_grüße"])
def test_a_broken_secret_is_named_and_not_shown(secret):
    with pytest.raises(ValueError, match=r"^webhook secret: expected base64 after whsec_$"):
        signature(secret, *MESSAGE)


def test_headers_of_a_signed_callback():
    assert headers(SECRET, *MESSAGE) == {
        "webhook-id": MESSAGE[0],
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNED,
    }


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_there_is_no_signature(secret):
    assert set(headers(secret, *MESSAGE)) == {"webhook-id", "webhook-timestamp"}
