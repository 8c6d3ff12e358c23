"""What a client wants of its callbacks: the `callback` part of its options (A26)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from taskengine.callbacks import signing
from taskengine.callbacks.bodies import COMPLETE, END, FAIL, START
from taskengine.masking import masked
from taskengine.model import BadInput, Json, JsonObject
from taskengine.workflows.templates import evaluate, problems

HEADERS: Final = frozenset({"headers"})  # what they are for is mostly to prove who calls
EVENTS: Final = (START, COMPLETE, FAIL, END)
TEMPLATE_NAMES: Final = {"event", "body"}
NAME: Final = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")  # RFC 9110, as is VALUE
VALUE: Final = re.compile(r"([!-~]([\t -~]*[!-~])?)?")


@dataclass(frozen=True, slots=True)
class CallbackOptions:
    """`events` are those it wants to hear of; empty, of all. `body` is a template of what is sent
    instead of the contract's body; the template sees that one as `body`, and the `event`."""

    secret: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    verify: bool = True  # the receiver's TLS certificate
    events: tuple[str, ...] = ()
    body: Json = None

    @classmethod
    def of(cls, options: JsonObject) -> CallbackOptions:
        """From a client's options. Raises BadInput, which names the option."""
        given = options.get("callback", {})
        if given == {}:
            return NO_OPTIONS
        if not isinstance(given, dict):
            raise BadInput("callback: expected a key below it, as in callback.KEY=VALUE")
        if unknown := sorted(given.keys() - cls.__slots__):
            raise BadInput(f"callback.{unknown[0]}: expected one of {', '.join(cls.__slots__)}")
        _check(given)
        return cls(**{**given, "events": tuple(given.get("events", ()))})

    def content(self, event: str, body: JsonObject) -> Json:
        """What is sent instead of the contract's body. Raises TemplateError."""
        return body if self.body is None else evaluate(self.body, {"event": event, "body": body})

    def signed(self, webhook_id: str, timestamp: int, content: bytes) -> dict[str, str]:
        """The headers of a delivery, their names in lower case: those of Standard Webhooks go
        before the client's own."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        headers["content-type"] = "application/json"
        return headers | signing.headers(self.secret, webhook_id, timestamp, content)


NO_OPTIONS: Final = CallbackOptions()  # as most clients have it, for each submission and lane


def shown_options(options: JsonObject) -> JsonObject:
    """All options of a client as they may be shown."""
    roots = {"roots": options["roots"]} if "roots" in options else {}  # whose keys are folders
    shown: JsonObject = masked(options, HEADERS)
    return shown | roots


def _check(given: JsonObject) -> None:
    headers = given.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(one, str) for one in headers.values()):
        raise BadInput("callback.headers: expected a header, as in callback.headers.NAME=VALUE")
    for name, value in headers.items():
        if not (NAME.fullmatch(name) and VALUE.fullmatch(value)):  # the error would show it
            raise BadInput(f"callback.headers.{name}: expected printable ASCII")
    if not isinstance(given.get("secret", ""), str):
        raise BadInput("callback.secret: expected a text")
    try:
        signing.headers(given.get("secret"), "", 0, b"")
    except ValueError as error:
        raise BadInput(f"callback.secret: {error}") from None
    if not isinstance(given.get("verify", True), bool):
        raise BadInput("callback.verify: expected true or false")
    events = given.get("events", [])
    if not isinstance(events, list) or not all(event in EVENTS for event in events):
        raise BadInput(f"callback.events: expected a list of {', '.join(EVENTS)}")
    for _, problem in problems(given.get("body"), TEMPLATE_NAMES, None, ()):
        raise BadInput(f"callback.body: {problem}")
