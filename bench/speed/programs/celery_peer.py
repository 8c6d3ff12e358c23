"""Celery on Valkey in memory, with its solo pool. Messages are acknowledged before they are run, as
by default: a crash of either loses what the others keep."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from celery import Celery
from program import main

app = Celery("bench", broker=os.environ.get("BROKER", "redis://"))
app.conf.update(
    task_ignore_result=True,
    broker_connection_retry_on_startup=True,
    worker_redirect_stdouts=False,
)
done = wanted = 0


@app.task(name="noop")
def noop() -> None:
    global done
    done += 1
    if done == wanted:
        os.kill(os.getpid(), signal.SIGTERM)


def enqueue(url: str, jobs: int) -> None:
    app.conf.broker_url = url
    for _ in range(jobs):
        noop.delay()


def drain(url: str, jobs: int) -> int:
    global wanted
    app.conf.broker_url, wanted = url, jobs
    options = ["--pool=solo", "--loglevel=ERROR", "--without-gossip", "--without-mingle"]
    with suppress(SystemExit):
        app.worker_main(["worker", *options])
    return done


if __name__ == "__main__":
    main(lambda url: None, enqueue, drain)
