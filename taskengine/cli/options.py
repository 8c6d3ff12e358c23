"""Options of a client: changed by dotted keys, shown without their secrets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy

from taskengine.callbacks.options import CallbackOptions
from taskengine.masking import masked
from taskengine.model import BadInput, Json, JsonObject

TEXTS = ("roots", "storage", "callback.secret", "callback.headers")  # they and what is below
HEADERS = frozenset({"headers"})  # of callbacks: what they are for is mostly to prove who calls


def changed(options: JsonObject, changes: Sequence[str]) -> JsonObject:
    """The options with changes such as `callback.secret=…` made. Raises BadInput."""
    options = deepcopy(options)
    for change in changes:
        key, found, text = change.partition("=")
        parts = key.split(".")
        if not found or not all(parts):
            raise BadInput(f"{change}: expected KEY=VALUE")
        _put(options, parts, _value(key, text))
    _check(options)
    return options


def hidden(options: JsonObject) -> Json:
    """The options as they may be shown."""
    roots = {"roots": options["roots"]} if "roots" in options else {}  # whose keys are folders
    shown: JsonObject = masked(options, HEADERS)
    return shown | roots


def _value(key: str, text: str) -> Json:
    """None: to be removed."""
    if any(key == name or key.startswith(f"{name}.") for name in TEXTS):
        return text or None
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _put(options: JsonObject, parts: Sequence[str], value: Json) -> None:
    for number, part in enumerate(parts[:-1], 1):
        inner = options.setdefault(part, {})
        if not isinstance(inner, dict):
            raise BadInput(f"{'.'.join(parts[:number])}: holds a value, not further keys")
        options = inner
    if value is None:
        options.pop(parts[-1], None)
    else:
        options[parts[-1]] = value


def _check(options: JsonObject) -> None:
    """Whether the engine can use what it reads of them."""
    if not isinstance(options.get("roots", {}), dict):
        raise BadInput("roots: expected a key below it, as in roots.KEY=VALUE")
    CallbackOptions.of(options)
