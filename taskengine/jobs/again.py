"""Jobs that run again by the definition in force."""

from __future__ import annotations

import json

from taskengine.jobs.submission import Reader, Received
from taskengine.model import BadInput, Client, JsonObject, Submission


def still_there(client: Client | None, name: str) -> Client:
    """The owner of a job that runs again. Raises BadInput if it was removed."""
    if client is None:
        raise BadInput(f"definition: the client {name} was removed")
    return client


def read_again(
    reader: Reader, owner: Client, origin: JsonObject, workflow: str, submitted: str
) -> Submission:
    """What the workflow in force makes of the parameters that were submitted once. Raises BadInput
    if it refuses them."""
    body = {"job": {"workflow": workflow}, "parameters": json.loads(submitted)}
    submission = reader.read(Received(body, owner, origin))
    if submission.refusal is not None:
        raise BadInput(f"definition: {submission.refusal}")
    return submission
