"""Jobs that run again by the definition in force."""

from __future__ import annotations

import json

from taskengine.jobs.submission import Reader, Received
from taskengine.model import Client, JsonObject, Submission


def read_again(
    reader: Reader, owner: Client, origin: JsonObject, workflow: str, submitted: str
) -> Submission:
    """What the workflow in force makes of the parameters that were submitted once."""
    body = {"job": {"workflow": workflow}, "parameters": json.loads(submitted)}
    return reader.read(Received(body, owner, origin))
