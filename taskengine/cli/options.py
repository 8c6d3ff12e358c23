"""Options of a client, changed by dotted keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy

from taskengine.callbacks.options import CallbackOptions
from taskengine.model import BadInput, Json, JsonObject, Misconfigured
from taskengine.policy import NUMBERS
from taskengine.storage_tables import STORAGES, storage_label
from taskengine.texts import like
from taskengine.workflows.formats import is_http_url

TEXTS = (  # they and what is below
    *("roots", "storage", "cpix_url"),
    *("callback.secret", "callback.headers"),
)
KNOWN = (
    *("roots.KEY", "roots.STORAGE.KEY", "storage", "read_only"),
    *("track_properties", "cpix_url"),
    *(f"callback.{name}" for name in CallbackOptions.__slots__),
)
ELSEWHERE = {  # what people look for here → the right door
    **dict.fromkeys(("api-key", "api_key", "key"), "`taskengine client key NAME` makes a new one"),
    "admin": "`taskengine client set NAME --admin` or `--no-admin`",
    **dict.fromkeys(NUMBERS, "POST /settings, as the client or for it"),
    "weight": "an admin's `taskengine settings --of NAME weight=3`",
}


def changed(options: JsonObject, changes: Sequence[str]) -> JsonObject:
    """The options with changes such as `callback.secret=…` made. Raises Misconfigured."""
    try:
        return _changed(deepcopy(options), changes)
    except BadInput as error:
        raise Misconfigured(str(error)) from None


def _changed(options: JsonObject, changes: Sequence[str]) -> JsonObject:
    for change in changes:
        key, found, text = change.partition("=")
        parts = key.split(".")
        if not found or not all(parts):
            raise BadInput(f"{key}: expected KEY=VALUE")  # what is behind it may be a secret
        value = _value(key, text)
        if value is not None:  # what nobody knows may always be removed
            _check_name(key, parts)
        _put(options, parts, value)
    _check(options)
    return options


def _value(key: str, text: str) -> Json:
    """None: to be removed."""
    if any(key == name or key.startswith(f"{name}.") for name in TEXTS):
        return text or None
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _check_name(key: str, parts: Sequence[str]) -> None:
    """Raises BadInput for an option that would have no effect."""
    known = [name.split(".") for name in KNOWN]
    deep = 3 if parts[:2] == ["callback", "headers"] else 2
    if parts[0] == "roots" or (len(parts) <= deep and [*parts[:2]] in known):
        return  # what is wrong with roots is told by _check()
    if door := ELSEWHERE.get(key.lower()):
        raise BadInput(f"{key}: no option of a client: {door}")
    raise BadInput(
        f"{key}: there is no such option; there are {', '.join(KNOWN)}{like(key, KNOWN)}"
    )


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


def _check_roots(roots: Json) -> None:
    """Local folders by key, and tables of them by the label of another storage."""
    if not isinstance(roots, dict):
        raise BadInput("roots: expected a key below it, as in roots.KEY=FOLDER")
    elsewhere = [label for label in STORAGES if label != "local"]
    for label, own in ((name, one) for name, one in roots.items() if not isinstance(one, str)):
        if label not in elsewhere:
            raise BadInput(
                f"roots.{label}: expected a folder, or keys below one of {', '.join(elsewhere)}"
            )
        if not all(isinstance(one, str) for one in own.values()):
            raise BadInput(
                f"roots.{label}: expected a key below it, as in roots.{label}.KEY=FOLDER"
            )


def _check(options: JsonObject) -> None:
    """Whether the engine can use what it reads of them."""
    _check_roots(options.get("roots", {}))
    if "storage" in options:
        try:
            options["storage"] = storage_label(options["storage"])
        except ValueError as error:
            raise BadInput(f"storage: {error}") from None
    if not isinstance(options.get("track_properties", {}), dict):
        raise BadInput("track_properties: expected a JSON object, as jobs have it")
    if "cpix_url" in options and not is_http_url(str(options["cpix_url"]).replace("{", "")):
        raise BadInput("cpix_url: expected an http or https URL; {content_id} may stand in it")
    if not isinstance(options.get("read_only", False), bool):
        raise BadInput(f"read_only: expected true or false, got {str(options['read_only'])[:40]!r}")
    CallbackOptions.of(options)
