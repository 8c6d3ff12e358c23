"""GET /events: what a reader of the stream sees."""

import json
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio
from quart.testing.connections import HTTPDisconnectError

from taskengine.actors.event_feed import MAX_CLIENT_STREAMS
from taskengine.api.app import create_app
from taskengine.api.resources.events import HEARTBEAT
from taskengine.configuration import Configuration
from taskengine.model import JobState
from tests.api.conftest import KEY


class Stream:
    def __init__(self, connection):
        self.connection, self.text = connection, ""

    async def part(self):
        """The next text between two blank lines, as its fields."""
        while "\n\n" not in self.text:
            self.text += (await self.connection.receive()).decode()
        part, _, self.text = self.text.partition("\n\n")
        return dict(line.split(": ", 1) for line in part.splitlines() if line != ":")

    async def job(self):
        """The next event's job; all that leads to it has to be known."""
        while "data" not in (part := await self.part()):
            assert part.keys() <= {"retry", "id"}
        assert part["event"] == "job"
        return json.loads(part["data"]), part.get("id")


@asynccontextmanager
async def opened(api, query="", client="demo-client", **headers):
    headers = {"client": client, "api-key": KEY, **headers}
    client = create_app(api.services).test_client(use_cookies=False)
    async with client.request(f"/events{query}", headers=headers) as connection:
        await connection.send_complete()
        yield Stream(connection)
        await connection.disconnect()
        connection._client_receive.close()  # else it waits for the end of what has none


@asynccontextmanager
async def reading(api, query="", **given):
    """A stream that tells whatever changes from now on."""
    async with opened(api, query, **given) as stream:
        assert await stream.part() == {"retry": "2000"}
        assert stream.connection.status_code == 200
        assert stream.connection.headers["content-type"] == "text/event-stream"
        stream.first = (await stream.part())["id"]
        yield stream


async def test_what_changes_is_told_with_the_row_of_a_list(api, body, autojump_clock):
    async with reading(api) as stream:
        job_id = await api.accepted(body())
        job, mark = await stream.job()
        [row] = await (await api.get("/jobs")).get_json()
        assert job == {**row, "progress": 0}
        assert mark != stream.first
        await api.store.change(job_id, {"queue_state": JobState.PAUSED}, [], api.services.now())
        assert (await stream.job())[0]["queue_state"] == "paused"


async def test_reading_goes_on_behind_the_last_event(api, body, autojump_clock):
    async with reading(api) as stream:
        await api.accepted(body())
        _, mark = await stream.job()
    missed = [await api.accepted(body()) for _ in range(2)]
    async with opened(api, **{"Last-Event-ID": mark}) as stream:
        assert [(await stream.job())[0]["id"] for _ in missed] == missed
        new = await api.accepted(body())
        assert (await stream.job())[0]["id"] == new


async def test_filters_are_those_of_the_list(api, body, autojump_clock):
    async with reading(api, "?client=other") as one, reading(api, "?job_ids=2,3") as two:
        for client in ("demo-client", "other", "demo-client"):
            await api.accepted({**body(), "client": client}, client=client)
        assert (await one.job())[0]["id"] == 2
        assert [(await two.job())[0]["id"] for _ in range(2)] == [2, 3]


async def test_a_refused_job_is_told_to_those_that_ask_for_it(api, body, autojump_clock):
    async with reading(api) as all_, reading(api, "?job_ids=1") as own:
        await api.refused(body(job={"workflow": "nope"}))
        await api.accepted(body())
        assert (await all_.job())[0]["id"] == 2
        assert (await own.job())[0]["queue_state"] == "broken"


async def test_without_public_reads_a_client_hears_of_its_own(api, body, autojump_clock):
    closed = api.with_(configuration=Configuration(public_reads=False))
    async with reading(closed) as own, reading(closed, client="root") as all_:
        await closed.accepted({**body(), "client": "other"}, client="other")
        await closed.accepted(body())
        assert (await own.job())[0]["id"] == 2
        assert (await all_.job())[0]["id"] == 1
    assert (await closed.get("/events?client=other")).status_code == 403


async def test_silence_is_broken_by_signs_of_life(api, autojump_clock):
    async with reading(api) as stream:
        start = trio.current_time()
        assert (await stream.part()).keys() == {"id"}
        assert trio.current_time() == start + HEARTBEAT


async def test_streams_end_when_the_engine_stops(api):
    async with reading(api) as stream:
        api.services.event_feed.close()
        with pytest.raises((HTTPDisconnectError, trio.EndOfChannel)):
            await stream.part()
    assert (await api.get("/events")).status_code == 503


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/events", {"api-key": "wrong"}, 401),
        ("/events?job_ids=x", {}, 400),
        ("/events", {"Last-Event-ID": "x"}, 400),
    ],
)
async def test_what_cannot_be_served_is_refused(api, path, headers, status):
    assert (await api.get(path, headers=headers)).status_code == status


async def test_a_client_has_so_many_streams(api):
    async with AsyncExitStack() as stack:
        for _ in range(MAX_CLIENT_STREAMS):
            await stack.enter_async_context(reading(api))
        answer = await api.get("/events")
        assert answer.status_code == 429
        assert answer.headers["Retry-After"] == "60"


async def test_streams_that_ask_at_once_are_no_more(api):
    statuses = []

    async def ask(streams):
        async with opened(api) as stream:
            await stream.connection.receive()
            statuses.append(stream.connection.status_code)
            await streams.wait()

    async with trio.open_nursery() as nursery:
        end = trio.Event()
        for _ in range(MAX_CLIENT_STREAMS * 3):
            nursery.start_soon(ask, end)
        while len(statuses) < MAX_CLIENT_STREAMS * 3:
            await trio.sleep(0.01)
        assert api.services.event_feed.streams == MAX_CLIENT_STREAMS
        end.set()
    assert sorted(statuses) == [200] * MAX_CLIENT_STREAMS + [429] * MAX_CLIENT_STREAMS * 2
    assert api.services.event_feed.streams == 0
