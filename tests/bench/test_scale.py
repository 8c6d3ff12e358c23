"""The database that is measured is like one that real jobs filled, and all is measured on it."""

import asyncpg
import pytest
from click.testing import CliRunner
from trio_asyncio import aio_as_trio

from bench.pages import MARKS, write
from bench.scale.block import BACKLOG, HISTORY, make_block, serving_bench
from bench.scale.fill import IDS, Filler, of_jobs, read_block
from bench.scale.methods import STEPS, measure_methods
from bench.scale.report import Figures
from bench.scale.requests import measure_requests
from bench.scale.run import bench_definition
from bench.scale.samples import Timing
from taskengine.cli import main
from tests.contract.recount import assert_counters_are_true, fetch

BLOCK = HISTORY + BACKLOG
STATES = "select state, failed, count(*) from jobs where id {} group by state, failed order by 1, 2"


async def patterns(store, table, condition):
    """Which columns are null together, in the rows of some jobs."""
    names = await fetch(
        store,
        "select column_name from information_schema.columns "
        "where table_schema = 'public' and table_name = $1 order by ordinal_position",
        table,
    )
    nulls = ", ".join(f"{name} is null" for (name,) in names)
    where = of_jobs(table, condition)
    return set(await fetch(store, f"select distinct {nulls} from {table} where {where}"))


async def test_copies_are_like_what_real_jobs_leave_and_all_is_measured_on_them(
    postgres_store, database_url, tmp_path
):
    await make_block(tmp_path, database_url)
    connection = await aio_as_trio(asyncpg.connect)(database_url)
    block = await aio_as_trio(read_block)(connection)
    filler = Filler(connection, block, print, most=10)
    await aio_as_trio(filler.grow)(5 * HISTORY, 3 * BACKLOG)
    await aio_as_trio(filler.grow)(10 * HISTORY, 10 * BACKLOG)
    await aio_as_trio(connection.close)()
    own = dict.fromkeys(await fetch(postgres_store, STATES.format(f"<= {BLOCK}")))
    copied = await fetch(postgres_store, STATES.format(f"> {BLOCK}"))
    assert [(*kind, 9 * number) for *kind, number in own] == copied
    for table in IDS:
        real = await patterns(postgres_store, table, f"<= {BLOCK}")
        assert real == await patterns(postgres_store, table, f"> {BLOCK}"), table
        assert real or table == "results", table
    await assert_counters_are_true(postgres_store)
    [(lines,)] = await fetch(postgres_store, "select count(*) from logs where job_id = 7")
    assert 10 <= lines <= 20
    async with serving_bench(tmp_path, database_url) as served:
        timings = await measure_requests([served.http], 1, [10 * HISTORY])
        assert served.memory() > 0
    assert "GET /jobs state=5" in timings
    timings = await measure_methods([postgres_store], bench_definition(), 1)
    assert list(timings) == [f"Store.{step}" for step in STEPS]


@pytest.mark.parametrize(
    ("large", "found"),
    [
        (Timing(3.9, 50), []),
        (Timing(4.1, 50), ["Store.beat: p50"]),
        (Timing(1, 99), ["Store.beat: p95"]),
    ],
)
def test_what_grows_is_told(large, found):
    figures = Figures((1, 9), (1, 9), (10, 11), {"Store.beat": [Timing(1, 10), large]})
    assert figures.offenders == found


def test_memory_that_grows_is_told():
    assert Figures((1, 9), (1, 9), (100 << 20, 140 << 20), {}).offenders == ["memory"]


def test_the_page_gets_the_figures(tmp_path):
    page = tmp_path / "scale.md"
    page.write_text("before\n\n{}\nold\n{}\n\nafter\n".format(*MARKS))
    write(page, "| new |")
    assert page.read_text() == "before\n\n{}\n| new |\n{}\n\nafter\n".format(*MARKS)


def test_the_command_finds_its_measurements():
    said = CliRunner().invoke(main, ["bench", "--help"]).output
    assert "scale" in said
    said = CliRunner().invoke(main, ["bench", "scale", "--help"]).output
    assert "--jobs" in said
