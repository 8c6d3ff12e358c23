"""DBOS: a queue without a limit, a workflow of one step."""

from __future__ import annotations

import time

from dbos import DBOS, DBOSClient
from program import main


@DBOS.step()
def noop() -> None:
    """Do nothing."""


@DBOS.workflow(name="job")
def job() -> None:
    noop()


def open_client(url: str) -> DBOSClient:
    return DBOSClient(system_database_url=url)


def launch(url: str) -> None:
    DBOS(
        config={
            "name": "bench",
            "system_database_url": url,
            "application_version": "bench",
            "log_level": "ERROR",
        }
    )
    DBOS.launch()
    DBOS.register_queue("bench")


def prepare(url: str) -> None:
    launch(url)
    DBOS.destroy()


def enqueue(url: str, jobs: int) -> None:
    client = open_client(url)
    for _ in range(jobs):
        client.enqueue({"workflow_name": "job", "queue_name": "bench", "app_version": "bench"})


def drain(url: str, jobs: int) -> int:
    launch(url)
    done = 0
    while done < jobs:
        time.sleep(0.1)
        done = len(DBOS.list_workflows(status="SUCCESS", load_input=False, load_output=False))
    DBOS.destroy()
    return done


if __name__ == "__main__":
    main(prepare, enqueue, drain)
