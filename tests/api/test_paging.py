"""GET /jobs page by page: the Link header, `before`, cursors, and what is refused."""

from __future__ import annotations

import base64
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx
import pytest

from taskengine.api.query import Query
from taskengine.api.resources.jobs import job_filter
from taskengine.client import RestClient
from taskengine.model import StoreUnavailable, TooSlow
from taskengine.store import Page
from tests.api.test_errors import Away, check_error

ORDERS = (
    "id",
    "client",
    "workflow",
    "priority",
    "position",
    "created_at",
    "updated_at",
    "queue_state",
    "failed",
    "run_at",
)


def target(answer):
    """What the Link header of an answer names, or None."""
    link = answer.headers.get("Link")
    if link is None:
        return None
    assert link.startswith("<")
    assert link.endswith('>; rel="next"')
    return link[1:].partition(">")[0]


async def followed(api, url):
    """The ids of all pages, and how many there were; links are resolved as RFC 3986 says."""
    found, number = [], 0
    while url is not None:
        answer = await api.request("GET", url)
        assert answer.status_code == 200
        found += [row["id"] for row in await answer.get_json()]
        number += 1
        link = target(answer)
        url = None if link is None else urljoin(url, link)
    return found, number


async def submitted(api, body, number):
    return [
        await api.accepted(body(job={"priority": 1 + n % 3, "position": n % 2}))
        for n in range(number)
    ]


@pytest.mark.parametrize("ascending", [0, 1])
@pytest.mark.parametrize("order", ORDERS)
async def test_links_lead_through_the_whole_list(api, body, order, ascending):
    ids = await submitted(api, body, 7)
    url = f"/jobs?items=2&order_by={order}&asc={ascending}"
    found, number = await followed(api, url)
    assert found == (await followed(api, f"{url}&items=100"))[0]
    assert (sorted(found), number) == (ids, 4)


async def test_a_link_keeps_all_that_was_asked(api, body):
    await submitted(api, body, 3)
    asked = [
        ("limit", "1"),
        ("client", "demo-client"),
        ("state", "0,1"),
        ("state", "2"),
        ("from", "2020-09-24T10:00:00.000+02:00"),
        ("order_by", "Priority"),
        ("_", "a&b=c ü"),
    ]
    answer = await api.request("GET", "/jobs", query_string=dict_of(asked))
    path, _, query = target(answer).partition("?")
    assert path == "jobs"
    *kept, (name, _) = parse_qsl(query)
    assert (kept, name) == (asked, "cursor")
    answer = await api.request("GET", urljoin("/jobs", target(answer)))
    *kept, (name, _) = parse_qsl(target(answer).partition("?")[2])
    assert (kept, name) == (asked, "cursor")


def dict_of(pairs):
    values = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


async def test_a_link_holds_behind_a_prefix(api, body):
    """A reverse proxy may have put the API anywhere: the reference is relative to the request."""
    await submitted(api, body, 2)
    link = target(await api.request("GET", "/jobs?items=1"))
    asked = "https://example.test/engine/v1/jobs?items=1"
    assert urlsplit(urljoin(asked, link)).path == "/engine/v1/jobs"
    assert "//" not in link


async def test_the_newest_first_go_on_with_before(api, body):
    await submitted(api, body, 5)
    answer = await api.request("GET", "/jobs?items=2")
    assert target(answer) == "jobs?items=2&before=4"
    answer = await api.request("GET", "/jobs?items=2&before=4")
    assert [row["id"] for row in await answer.get_json()] == [3, 2]
    assert target(answer) == "jobs?items=2&before=2"
    answer = await api.request("GET", "/jobs?items=2&before=2&cursor=")
    assert [row["id"] for row in await answer.get_json()] == [1]
    assert target(answer) is None
    for query in ("before=3&order_by=created_at", "before=3&asc=1&order_by=id"):
        answer = await api.request("GET", f"/jobs?{query}")
        assert sorted(row["id"] for row in await answer.get_json()) == [1, 2]


async def test_an_empty_page_may_have_a_next_one(api, body):
    class Short:
        """A store that gives up looking at once."""

        async def jobs(self, wanted):
            page = Page()
            page.next = wanted.cursor((await api.store.jobs(wanted))[0])
            return page

    await submitted(api, body, 1)
    answer = await api.with_(store=Short()).request("GET", "/jobs?order_by=priority")
    assert await answer.get_json() == []
    assert target(answer).startswith("jobs?order_by=priority&cursor=")


async def test_times_alone_are_read_in_the_order_of_creation():
    def order(**query):
        return job_filter(Query({name: [value] for name, value in query.items()})).order_by

    given = {"from": "2020-09-24"}
    assert (order(), order(**given), order(to="2020-09-24")) == ("id", "created_at", "created_at")
    assert order(order_by="id", **given) == "id"


async def cursor_of(api, query="order_by=priority"):
    answer = await api.request("GET", f"/jobs?items=1&{query}")
    return dict(parse_qsl(urlsplit(target(answer)).query))["cursor"]


async def test_other_cursors_are_refused(api, body):
    await submitted(api, body, 3)
    cursor = await cursor_of(api)
    read = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    read[-2] ^= 1
    tampered = base64.urlsafe_b64encode(bytes(read)).decode().rstrip("=")
    for query in (
        f"order_by=position&cursor={cursor}",
        f"order_by=priority&asc=1&cursor={cursor}",
        f"cursor={cursor}",
        f"order_by=priority&cursor={tampered}",
        f"order_by=priority&cursor={cursor[:-3]}",
        "cursor=x",
        "cursor=%00%C3%BC",
        "cursor=W10",
        f"cursor={'A' * 3000}",
    ):
        answer = await api.request("GET", f"/jobs?{query}")
        await check_error(answer, 400)
        assert (await answer.get_json())["error"].startswith("cursor: expected")


@pytest.mark.parametrize("query", ["before=x", "before=-1", "before=5&order_by=priority"])
async def test_before_is_a_number_in_two_orders(api, query):
    answer = await api.request("GET", f"/jobs?{query}")
    await check_error(answer, 400)
    assert (await answer.get_json())["error"].startswith("before: expected")


@pytest.mark.parametrize("path", ["/jobs?search=x", "/dashboard"])
async def test_what_takes_too_long_says_so(api, path):
    away = api.with_(store=Away(api.store, "client", "settings", error=TooSlow))
    answer = await away.request("GET", path)
    await check_error(answer, 503)
    assert "time limit" in (await answer.get_json())["error"]
    assert answer.headers["Retry-After"] == "5"
    away = api.with_(store=Away(api.store, "client", "settings", error=StoreUnavailable))
    told = (await (await away.request("GET", path)).get_json())["error"]
    assert told == "the database is not available"


async def test_a_client_reads_all_pages():
    asked = []

    def answer(request):
        asked.append(str(request.url))
        if "before" in request.url.params:
            return httpx.Response(200, json=[{"id": 1}])
        link = {"Link": '<jobs?limit=2&before=2>; rel="next"'}
        return httpx.Response(200, json=[{"id": 3}, {"id": 2}], headers=link)

    base = "https://example.test/engine/v1"
    async with httpx.AsyncClient(base_url=base, transport=httpx.MockTransport(answer)) as http:
        rest = RestClient(http)
        assert [job["id"] for job in await rest.jobs({"limit": 2})] == [3, 2]
        assert [job["id"] for job in await rest.jobs({"limit": 2}, whole=True)] == [3, 2, 1]
    assert asked[1:] == [f"{base}/jobs?limit=2", f"{base}/jobs?limit=2&before=2"]
