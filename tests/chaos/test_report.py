"""What the command tells: the times of recovery, the figures, the page, the exit code."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio_asyncio
from trio_asyncio import aio_as_trio

from tests.chaos.audit import connection_to, watch
from tests.chaos.experiment import Findings, Options
from tests.chaos.faults import DATABASE_KILLED, END, KILL, KILLED, PAUSE, STOPPED, Fault
from tests.chaos.instances import Instance
from tests.chaos.place import Place
from tests.chaos.recovery import Recoveries, recoveries
from tests.chaos.report import report
from tests.chaos.servers import Outage
from tests.chaos.verdict import Verdict

KILLED_AT = 1000.0

FAULTS = (
    Fault(KILLED, KILLED_AT, KILL, ["a1"], KILLED_AT),
    Fault(STOPPED, KILLED_AT, PAUSE, ["b1"], KILLED_AT + 20),
    Fault("SIGTERM, restart", KILLED_AT, END, ["c1"], KILLED_AT + 3),
    Fault(DATABASE_KILLED, KILLED_AT, None, [], KILLED_AT + 40),
)


def at(seconds):
    return datetime.fromtimestamp(KILLED_AT + seconds, UTC)


async def seen(url, claims, ends=(), outages=(), absences=(), resumed=()):
    """`resumed` are jobs by their ids, and when; each claim is of the job with the task's id."""
    insert = "insert into audit.{} values ($1, $2, $3, $4)"
    async with trio_asyncio.open_loop():
        await watch(url, {})
        async with connection_to(url) as connection:
            await aio_as_trio(connection.executemany)(insert.format("claims"), claims)
            await aio_as_trio(connection.execute)("update audit.claims set job_id = task_id")
            await aio_as_trio(connection.executemany)(insert.format("ends"), ends)
            await aio_as_trio(connection.executemany)(
                "insert into audit.moves (job_id, before, after, at) values ($1, 6, 1, $2)", resumed
            )
        return await recoveries(url, FAULTS, outages, absences)


async def test_recovery_is_from_the_kill_to_the_next_attempt(database_url):
    claims = [
        (1, 1, "a1", at(-5)),
        (1, 2, "b1", at(16)),
        (2, 1, "a1", at(-5)),  # it had ended
        (3, 1, "b1", at(-5)),  # another's
        (3, 2, "b1", at(30)),
        (5, 1, "a1", at(-40)),  # it was taken over before
        (5, 2, "b1", at(-15)),
        (4, 1, "a1", at(-5)),  # of a job that was stopped: it never runs again
    ]
    found = await seen(database_url, claims, ends=[(2, 1, "a1", at(-1)), (5, 1, "b1", at(-20))])
    assert found.tasks == {0: [16.0]}
    assert found.outages == []


async def test_a_job_that_clients_had_paused_meanwhile_tells_nothing(database_url):
    claims = [(task, 1, "a1", at(-5)) for task in (1, 2, 3)]
    claims += [(task, 2, "b1", at(8)) for task in (1, 2, 3)]
    resumed = [(1, at(7)), (2, at(-1)), (3, at(9))]
    found = await seen(database_url, claims, resumed=resumed)
    assert found.tasks == {0: [8.0, 8.0]}


async def test_time_without_anybody_who_watched_does_not_count(database_url):
    claims = [(1, 1, "a1", at(-5)), (1, 2, "b1", at(26))]
    away = [[(0, 12)], [(-30, -20), (5, 10)], [(-1, 30)]]
    absences = [[(KILLED_AT + since, KILLED_AT + until) for since, until in own] for own in away]
    found = await seen(database_url, claims, absences=absences)
    assert found.tasks == {0: [16.0]}


async def test_who_does_it_before_anybody_is_seen_to_be_back_takes_no_time(database_url):
    claims = [(1, 1, "a1", at(-5)), (1, 2, "b1", at(26))]
    absences = [[(KILLED_AT, KILLED_AT + until)] for until in (30, 40)]
    found = await seen(database_url, claims, absences=absences)
    assert found.tasks == {0: [0.0]}


async def test_time_without_the_database_does_not_count(database_url):
    claims = [(1, 1, "a1", at(-5)), (1, 2, "b1", at(36)), (9, 1, "b1", at(42))]
    outages = [Outage(KILLED_AT + 10, KILLED_AT + 20), Outage(KILLED_AT + 39, KILLED_AT + 40)]
    found = await seen(database_url, claims, outages=outages)
    assert found.tasks == {0: [16.0]}
    assert found.outages == [16.0, 2.0]
    assert found.steps[3] == 2.0


def findings(**fields):
    well = Findings(
        options=Options(Path("/nowhere")),
        verdict=Verdict(),
        recoveries=Recoveries({0: [0.25, 0.5, 1.0], 4: [3.0]}, {3: 0.5}, [0.5]),
        faults=FAULTS,
        receivers=Counter({"500": 3}),
        jobs=4000,
        tasks=10_000,
        callbacks=30_000,
        tries=9000,
        database_restarts=1,
        taken_over={1: 4},
    )
    return replace(well, **fields)


def test_the_figures_are_those_that_a_run_is_judged_by():
    assert findings().figures == {
        "jobs": 4000,
        "kills": 1,
        "pauses": 1,
        "database_restarts": 1,
        "lost": 0,
        "admitted_twice": 0,
        "slot_violations": 0,
        "stale_writes": 0,
        "callbacks_missing": 0,
        "callbacks_out_of_order": 0,
        "recovery_p50_s": 0.5,
        "recovery_p99_s": 1.0,
        "recovery_max_s": 1.0,
    }


def test_the_page_names_each_fault_and_what_was_seen():
    page = report(findings())
    for line in (
        f"| {KILLED} | 1 | 3 tasks were held, worked again after 0.5 s (p50), 1.0 s (longest) |",
        f"| {STOPPED} | 1 | 4 of their tasks were taken over by others |",
        f"| {DATABASE_KILLED} | 1 | work went on after 0.5 s (p50), 0.5 s (longest) |",
        "| receiver of callbacks: 500 | 3 | tried again, in order |",
    ):
        assert line in page
    assert "What went wrong" not in page


@pytest.mark.parametrize("name", Verdict.__dataclass_fields__)
def test_a_single_case_of_any_kind_fails_the_run_and_is_told(name):
    assert findings().holds
    bad = findings(verdict=Verdict(**{name: ["job 7: so"]}))
    assert not bad.holds
    assert bad.figures[name] == 1
    assert f"- {name}: job 7: so" in report(bad)


def test_a_run_that_failed_tells_what_its_instances_logged_as_errors(tmp_path):
    place = Place(tmp_path, lease=3)
    place.log("a").write_text(
        "2026-11-29T05:00:00.000Z INFO    taskengine.engine: started\n"
        "2026-11-29T05:00:01.000Z ERROR   taskengine.api.errors: POST /job failed [1]\n"
        "Traceback (most recent call last):\nValueError: odd\n"
        "2026-11-29T05:00:02.000Z WARNING taskengine.engine: slow\n"
    )
    [entry] = logged = Instance("a", 0, place, "", "").logged_errors()
    assert entry.startswith("2026-11-29T05:00:01.000Z ERROR")
    assert entry.endswith("ValueError: odd")
    assert entry in report(findings(troubles=["POST /job: 500"], logged_errors=logged))
    assert entry not in report(findings(logged_errors=logged))


def test_an_instance_that_ended_by_itself_fails_a_run():
    assert not findings(troubles=["a1 ended by itself with 1"]).holds
