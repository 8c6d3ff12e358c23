"""Requests are counted for each client or, without credentials, for each address."""

from __future__ import annotations

import pytest
import trio

from taskengine.api.limits import MAX_BUCKETS, Buckets, RequestLimits
from taskengine.configuration import Configuration


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def taken(buckets, name, times):
    return [buckets.take(name) for _ in range(times)]


def test_twice_the_rate_may_come_at_once(clock):
    assert taken(Buckets(10, clock), "a", 20) == [0] * 20


def test_whoever_has_used_up_the_burst_waits_for_a_token(clock):
    buckets = Buckets(10, clock)
    taken(buckets, "a", 20)
    assert buckets.take("a") == pytest.approx(0.1)
    assert buckets.take("a") == pytest.approx(0.1)  # a refusal takes nothing
    clock.now += 0.1
    assert taken(buckets, "a", 2) == [0, pytest.approx(0.1)]


def test_the_rate_holds_in_the_long_run(clock):
    buckets, passed = Buckets(10, clock), 0
    for _ in range(10_000):
        clock.now += 0.01
        passed += not buckets.take("a")
    assert passed == pytest.approx(100 * 10 + 20, abs=1)


def test_names_do_not_share(clock):
    buckets = Buckets(1, clock)
    taken(buckets, "a", 3)
    assert buckets.take("a")
    assert not buckets.take("b")


def test_a_slow_rate_lets_one_through(clock):
    buckets = Buckets(0.1, clock)
    assert taken(buckets, "a", 2) == [0, pytest.approx(10)]


def test_zero_is_no_limit(clock):
    buckets = Buckets(0, clock)
    assert taken(buckets, "a", 10_000) == [0] * 10_000
    assert len(buckets) == 0


def test_a_flood_of_names_is_bounded(clock):
    buckets = Buckets(1, clock)
    for number in range(MAX_BUCKETS + 100):
        buckets.take(str(number))
    assert len(buckets) == MAX_BUCKETS
    clock.now += 10
    buckets.take("a")
    assert len(buckets) == 1  # the others are full again


def limited(api, rate, **settings):
    configuration = Configuration(requests_per_second=rate, **settings)
    return api.with_(configuration=configuration, limits=RequestLimits(rate))


async def statuses(api, times, path="/schedules", **options):
    return [(await api.get(path, **options)).status_code for _ in range(times)]


async def test_a_client_is_told_when_to_come_back(api, autojump_clock):
    limits = limited(api, 0.5)
    assert await statuses(limits, 1) == [200]
    answer = await limits.get("/schedules")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "2"
    assert await answer.get_json() == {"error": "too many requests"}
    await trio.sleep(2)
    assert await statuses(limits, 1) == [200]


async def test_clients_do_not_share(api, autojump_clock):
    limits = limited(api, 1)
    assert await statuses(limits, 3) == [200, 200, 429]
    assert await statuses(limits, 1, client="other") == [200]


async def test_nobody_uses_up_what_is_another_s(api, autojump_clock):
    limits = limited(api, 1)
    assert await statuses(limits, 4, key="wrong") == [401, 401, 429, 429]
    assert await statuses(limits, 2) == [200, 200]


async def test_without_credentials_addresses_are_counted(api, autojump_clock):
    limits = limited(api, 1)

    async def read(address):
        return await limits.request("GET", "/jobs", scope_base={"client": (address, 1)})

    assert [(await read("192.0.2.1")).status_code for _ in range(3)] == [200, 200, 429]
    assert (await read("192.0.2.2")).status_code == 200
    assert (await read("2001:db8::1")).status_code == 200
    assert (await read("2001:db8::2")).status_code == 200
    assert (await read("2001:db8::3")).status_code == 429  # a network of one subscriber
    assert (await read("2001:db8:0:1::1")).status_code == 200


async def test_closed_reads_count_for_the_client(api, autojump_clock):
    limits = limited(api, 1, public_reads=False)
    assert await statuses(limits, 3, path="/jobs") == [200, 200, 429]
    assert await statuses(limits, 1, path="/jobs", client="other") == [200]


async def test_what_is_not_there_counts_as_well(api, autojump_clock):
    limits = limited(api, 1)
    assert await statuses(limits, 3, path="/nowhere") == [404, 404, 429]


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz"])
async def test_probes_are_always_answered(api, autojump_clock, path):
    limits = limited(api, 1)
    assert await statuses(limits, 5, path=path) == [200] * 5


async def test_submissions_are_counted(api, body, autojump_clock):
    limits = limited(api, 1)
    answers = [await limits.post("/job", body()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert len(api.store.tables.jobs) == 2
