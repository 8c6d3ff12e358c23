"""What is a secret by its name, and what of a URL is one."""

from __future__ import annotations

import time

import pytest

from taskengine.masking import is_secret, masked, masked_text, secret_values

SECRETS = """
password Password db_password smtpPass userPassword PASSWD pwd passphrase token id_token accessToken
AUTHTOKEN X-Amz-Security-Token X-Amz-Signature X-Amz-Credential sig signature jwt x-jwt X-Session-Id
sessionid x-credential x-passwd Cookie Set-Cookie Authorization Proxy-Authorization auth oauth key
KEY api_key apikey x-api-key private_key signing_keys AWSAccessKeyId key_id seed content_key
PLAYREADY_KEY client_secret my-secret2 password1 connectionString dsn auth[password] hdnts
"""
PLAIN = """
content_id source_folder output_root author passes two_pass bypass compass monkey keyframe_interval
sort_key primary_key public_key accept user-agent host x-forwarded-for client priority signal
designation keynote keyboard tokio sequence
"""
SHOWN = {
    "http://user:pw@h/x": "http://user:********@h/x",
    "http://pw@h": "http://********@h",
    "http://u:@h": "http://u:********@h",
    "http://u:p@w@h/": "http://u:********@h/",
    "http://u%3Apw@h": "http://********@h",
    "HTTP://U:PW@H": "HTTP://U:********@H",
    "http://u:p/w?x#@h:80/y": "http://u:********@h:80/y",
    "http://a:b@c,http://d:e@f": "http://a:********@c,http://d:********@f",
    "postgresql://te:sec/ret9@h:5432/db": "postgresql://te:********@h:5432/db",
    '{"url": "redis://:pw@h"}': '{"url": "redis://:********@h"}',
    "//u:pw@h": "//u:********@h",
    "see http://u:pw@h/a\nand b": "see http://u:********@h/a\nand b",
    "http://h/?token=abc": "http://h/?token=********",
    "http://h/?a=1&X-Amz-Signature=abc&b=2#x": "http://h/?a=1&X-Amz-Signature=********&b=2#x",
    "http://h/#access_token=abc": "http://h/#access_token=********",
    "http://h/?api%5Fkey=abc;sig=d%2Fe": "http://h/?api%5Fkey=********;sig=********",
}
UNTOUCHED = [
    "http://h:8080/x@y",
    "http://[::1]:80/a@b",
    "http://h:/p@x",
    "s3://bucket/key@version",
    "a@b.example, //, x=1",
    "http://h/?q=token&page=2",
    "1 // 2 @ 3",
]


@pytest.mark.parametrize("name", SECRETS.split())
def test_names_of_secrets(name):
    assert is_secret(name)


@pytest.mark.parametrize("name", PLAIN.split())
def test_names_of_other_things(name):
    assert not is_secret(name)


@pytest.mark.parametrize(("text", "shown"), SHOWN.items())
def test_credentials_of_urls_are_masked(text, shown):
    assert masked_text(text) == shown
    assert masked({"a": [text]}) == {"a": [shown]}


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_is_no_credential_is_shown(text):
    assert masked_text(text) == text


def test_a_pair_that_names_a_secret_hides_its_value():
    pairs = [{"name": "X-Password", "value": "hunter2"}, {"key": "colour", "value": "red"}]
    assert masked(pairs) == [{"name": "X-Password", "value": "*******"}, pairs[1]]


def test_the_values_that_tools_may_repeat_are_known():
    value = {"urls": ["http://u:p%40ssw0rd@h/?sig=abcdefg"], "pin": "short", "api_key": ["k" * 9]}
    assert set(secret_values(value, frozenset({"pin"}))) == {
        *("p%40ssw0rd", "p@ssw0rd", "abcdefg", "k" * 9)
    }


@pytest.mark.parametrize(
    "text",
    [
        "//a:x" * 200_000 + " @",
        "@//a:" * 200_000,
        "//@" * 300_000,
        "&" * 1_000_000 + "=//@",
        "//" + "@" * 1_000_000,
        "&a" * 500_000 + "=",
    ],
)
def test_a_megabyte_made_to_be_slow_is_not(text):
    start = time.process_time()
    masked_text(text)
    assert time.process_time() - start < 1


def test_the_words_of_a_command_are_masked():
    words = ["tool", "--password", "hunter2", "--api-key=abc", "-v", "--out", "file"]
    assert masked(words) == [
        *("tool", "--password", "*******", "--api-key=********", "-v", "--out", "file")
    ]
