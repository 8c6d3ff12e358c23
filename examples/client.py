"""A client in Python: submit a job, wait for its end, print its log.

    python client.py welcome '{"name": "Zoë"}'

TASKENGINE_URL, TASKENGINE_CLIENT and TASKENGINE_API_KEY say where and who. Exit code 0: the job
completed.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from typing import Any

import httpx

TRIES = 10
OVER = ("completed", "broken")


def submit(api: httpx.Client, workflow: str, parameters: dict[str, Any]) -> str:
    """The id of the new job. The key makes it one job, however often it has to be sent."""
    body = {
        "client": api.headers["client"],
        "job": {"workflow": workflow},
        "parameters": parameters,
    }
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    for number in range(TRIES):
        try:
            answer = api.post("/job", json=body, headers=headers)
        except httpx.TransportError:  # nobody knows whether it arrived
            time.sleep(1)
            continue
        if answer.status_code in (429, 503) and number < TRIES - 1:
            time.sleep(float(answer.headers.get("Retry-After", 1)))
            continue
        if answer.is_error:
            raise SystemExit(f"{answer.status_code}: {answer.text}")
        return str(answer.json()["id"])
    raise SystemExit("the engine does not answer")


def ended(api: httpx.Client, job_id: str) -> dict[str, Any]:
    """The job, once it is over. A callback or /events would tell; this asks each second."""
    while True:
        job: dict[str, Any] = api.get(f"/jobs/{job_id}").raise_for_status().json()
        if job["queue_state"] in OVER:
            return job
        time.sleep(1)


def main() -> int:
    workflow, parameters = sys.argv[1], json.loads(sys.argv[2])
    headers = {
        name: os.environ[f"TASKENGINE_{name.upper().replace('-', '_')}"]
        for name in ("client", "api-key")
    }
    with httpx.Client(base_url=os.environ["TASKENGINE_URL"], headers=headers, timeout=30) as api:
        job_id = submit(api, workflow, parameters)
        job = ended(api, job_id)
        for line in api.get(f"/logs/{job_id}").raise_for_status().json():
            print(line["message"])
        print(f"job {job_id} {job['queue_state']}")
    return 0 if job["queue_state"] == "completed" and not job["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
