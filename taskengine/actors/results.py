"""What an action returned, as later tasks and the store can take it."""

from __future__ import annotations

import json

from taskengine.model import JsonObject, PermanentFailure

LIMIT = 1 << 20  # characters of JSON


def checked(result: object) -> JsonObject:
    """Made of plain values: an object of a class of its own may say something else the next time
    that it is asked. Raises PermanentFailure for what is no JSON object."""
    if result is None:
        return {}
    try:
        text = json.dumps(result, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise PermanentFailure(f"the action's result is no JSON object: {error}") from None
    if not issubclass(type(result), dict) or len(text) > LIMIT:
        raise PermanentFailure(f"the action's result is no JSON object of {LIMIT} characters")
    plain: JsonObject = json.loads(text)
    return plain
