"""What nobody may read, by one rule: names that name secrets, and credentials in URLs.

What is stored stays whole, so that callbacks reach their receivers; whatever is shown, in answers,
logs and messages, goes through here first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

from taskengine.model import Json

STARS: Final = "*" * 8
SHOWN_FROM: Final = 17  # characters from which a secret's last four are shown, as in the contract
SECRET_LENGTH: Final = 6  # shorter ones are no secrets, and would mask half a log
LONGEST_NAME: Final = 200  # characters of a name that are looked at

ALWAYS_SECRET: Final = frozenset({"content_key", "key_id", "seed", "playready_key"})  # A8
SECRET_WORDS: Final = (
    "secret secrets password passwords passwd passphrase passcode pwd pw token tokens credential "
    "credentials creds auth oauth authorization authentication bearer cookie cookies signature "
    "signatures sig sas jwt otp totp session sessionid sid csrf xsrf hmac hdnts hdnea hdntl dsn"
)
# Parts of names that people write without a separator, such as `userpassword` and `AUTHTOKEN`.
SECRET_PARTS: Final = re.compile(
    "secret|passw|passphrase|credential|cookie|signature|authoriz|jwt|token$|sessionid"
    "|(api|access|private|account|shared|auth|content|license|encryption|signing|master)keys?$"
    "|connection.?string"
)
KEYS: Final = frozenset({"key", "keys", "pass"})  # the last word of a name; secret as a rule
HARMLESS: Final = (  # words before it that say what else it is: a sort key, a two-pass
    "primary foreign sort root object partition cache storage public hot row map group index two "
    "multi first second single"
)
HINTS: Final = (  # one of which is in each name of a secret, and in each text that has one
    *("//", "=", "seed", "key", "pass", "connection", "authoriz"),
    *SECRET_WORDS.split(),
)
WORDS: Final = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
NAMERS: Final = ("name", "key", "header")  # of objects such as {"name": "password", "value": …}

# user:password@ of a URL, then what a careless one has there: / ? # in the password.
USERINFO: Final = re.compile(r"//([^/?#\s\"'<>\\@]*@)+")
CARELESS: Final = re.compile(r"//[^/?#\s\"'<>\\@:\[]*:(?!\d*(?:[/?#\\]|$)|[^/?#\s\"'<>\\@]*@)")
RUN: Final = re.compile(r"[^\s\"'<>]+")
QUERY: Final = re.compile(r"([?&;#]|&amp;|^--?)([^?&;#=\s\"'<>]{1,200})=([^&;#\s\"'<>]+)")


def is_secret(name: str) -> bool:
    """Whether what bears this name is a secret."""
    return _is_secret(name[-LONGEST_NAME:])


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    words = [word.lower() for word in WORDS.findall(name)]
    *_, before, last = ["", "", *words]
    return (
        name.lower() in ALWAYS_SECRET
        or not set(SECRET_WORDS.split()).isdisjoint(words)
        or SECRET_PARTS.search(name.lower()) is not None
        or (before, last) == ("key", "id")
        or (last in KEYS and before not in HARMLESS.split())
    )


def masked(
    value: Json,
    secrets: frozenset[str] = frozenset(),
    keep: Callable[[str], bool] = lambda text: False,
) -> Json:
    """The value as it may be shown: what stands under a secret name is masked, at any depth and in
    any case of letters (what is misspelt is secret all the same), and so are credentials in URLs.
    `secrets` are names besides those that is_secret() knows, `keep` says what is none anywhere."""
    return _Mask(frozenset(name.lower() for name in secrets), keep).of(value)


@dataclass(frozen=True, slots=True)
class _Mask:
    secrets: frozenset[str]
    keep: Callable[[str], bool]

    def of(self, value: Json, *, hide: bool = False) -> Json:
        if isinstance(value, dict):
            named = _hidden_keys(value, self.secrets)
            return {key: self.of(one, hide=hide or key in named) for key, one in value.items()}
        if isinstance(value, list):
            return self._words(value, hide=hide)
        if isinstance(value, str) and (not hide or self.keep(value)):
            return masked_text(value)
        return stars(_text(value)) if hide and value is not None else value

    def _words(self, values: list[Json], *, hide: bool) -> list[Json]:
        """A list may be the words of a command: `--password`, then what is secret."""
        named = [False, *(isinstance(one, str) and _is_option(one) for one in values)]
        return [self.of(value, hide=hide or named[place]) for place, value in enumerate(values)]


def _is_option(word: str) -> bool:
    return word.startswith("-") and "=" not in word and is_secret(word[:LONGEST_NAME])


def _hidden_keys(value: dict[str, Json], secrets: frozenset[str]) -> set[str]:
    """The keys with a secret below: `password`, and the `value` of a pair that names one."""
    hidden = {key for key in value if key.lower() in secrets or is_secret(key)}
    if "value" in value:
        names = {key: value[key] for key in NAMERS if isinstance(value.get(key), str)}
        hidden -= names.keys()
        if any(name.lower() in secrets or is_secret(name) for name in names.values()):
            hidden.add("value")
    return hidden


def masked_text(text: str) -> str:
    """The text without the credentials of URLs in it: user:password@, and secret query values."""
    if "//" in text and "@" in text:
        text = RUN.sub(lambda run: _without_userinfo(run[0]), text)
    return QUERY.sub(_masked_pair, text) if "=" in text else text


def _without_userinfo(run: str) -> str:
    """In an unbroken run of characters."""
    if (start := CARELESS.search(run)) and (end := run.rfind("@")) > start.end():
        run = f"{run[: start.end()]}{STARS}{run[end:]}"
    return USERINFO.sub(lambda found: f"{_user(found[0])}{STARS}@", run)


def _user(userinfo: str) -> str:
    """What is shown of it: the name, unless there is nothing else."""
    name, colon, _ = userinfo.partition(":")
    return name + colon if colon else "//"


def _masked_pair(pair: re.Match[str]) -> str:
    return f"{pair[1]}{pair[2]}={STARS}" if is_secret(unquote_plus(pair[2])) else pair[0]


def without(value: Json, texts: Iterable[str]) -> Json:
    """The value with these texts masked, wherever in it they are."""
    if isinstance(value, dict):
        return {key: without(one, texts) for key, one in value.items()}
    if isinstance(value, list):
        return [without(one, texts) for one in value]
    if isinstance(value, str):
        for text in texts:
            value = value.replace(text, STARS)
    return value


def stars(text: str) -> str:
    end = text[-4:] if len(text) >= SHOWN_FROM else ""
    return "*" * (len(text) - len(end)) + end


def secret_values(value: Json, secrets: frozenset[str]) -> Iterator[str]:
    """The texts that masked() would hide, but for short ones."""
    found = _secrets(value, frozenset(name.lower() for name in secrets), secret=False)
    return (text for text in found if len(text) >= SECRET_LENGTH)


def _secrets(value: Json, names: frozenset[str], *, secret: bool) -> Iterator[str]:
    if isinstance(value, dict):
        named = _hidden_keys(value, names)
        for key, item in value.items():
            yield from _secrets(item, names, secret=secret or key in named)
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(item, names, secret=secret)
    elif secret and value is not None:
        yield _text(value)
    elif isinstance(value, str) and ("//" in value or "=" in value):
        yield from _of_url(value)


def _of_url(text: str) -> Iterator[str]:
    """Credentials, as they stand there and as they are meant."""
    found = [one[0][2:-1].partition(":")[2] for one in USERINFO.finditer(text)]
    found += [one[3] for one in QUERY.finditer(text) if is_secret(unquote_plus(one[2]))]
    for one in found:
        yield one
        yield unquote_plus(one)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)
