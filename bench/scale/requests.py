"""What clients ask, measured through HTTP, one request after the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import httpx

from bench.scale.block import BACKLOG, FAR, HISTORY, NOBODY, submit
from bench.scale.samples import BUDGET, Timings, timed
from bench.serving import CLIENT, KEY

ORDERS = (
    *("id", "client", "workflow", "priority", "position"),
    *("created_at", "updated_at", "queue_state", "failed", "run_at"),
)
FILTERS = {
    **{f"state={number}": {"state": number} for number in range(7)},
    "failed=1": {"failed": 1},
    "client": {"client": CLIENT},
    "from, to": {"from": "2020-01-01", "to": "2999-01-01"},
    "search=<id>": {"search": "7"},
    "search=<content id>": {"search": "film"},
    "search=<nothing>": {"search": "no-such-content"},
    "items=1000": {"items": 1000},
}
PAGES = (
    *("", "jobs", "jobs?state=queued", "jobs?failed=1", "jobs?search=film", "jobs?from=2020-01-01"),
    *("operations", "schedules", "clients", "settings"),
)


async def measure_requests(
    clients: Sequence[httpx.AsyncClient], samples: int, sizes: Sequence[int]
) -> Timings:
    """The times of each request, for engines whose databases hold so many jobs of history."""
    paths = [dict(_paths(size)) for size in sizes]
    found: Timings = {}
    for http in clients:  # for the pages
        signed_in = await http.post("/ui/sign-in", data={"client": CLIENT, "key": KEY})
        assert signed_in.status_code == 303, signed_in.text
    for name in paths[0]:
        actions = [partial(_get, http, own[name]) for http, own in zip(clients, paths, strict=True)]
        found[f"GET {name}"] = await timed(samples, actions, BUDGET)
    actions = [partial(submit, http, NOBODY, {"run_at": FAR}) for http in clients]
    found["POST /job"] = await timed(samples, actions, BUDGET)
    return found


def _paths(history: int) -> Iterator[tuple[str, Callable[[], str]]]:
    """By name, what makes a path; a new one each time where there are many."""
    chosen = random.Random(7)

    def old() -> int:
        """A completed job, of any copy."""
        return 7 + chosen.randrange(history // HISTORY) * (HISTORY + BACKLOG)

    yield "/health", lambda: "/health"
    yield "/dashboard", lambda: "/dashboard"
    yield "/jobs/<id>", lambda: f"/jobs/{old()}"
    yield "/logs/<id>", lambda: f"/logs/{old()}"
    yield "/jobs/<id>/callbacks", lambda: f"/jobs/{old()}/callbacks"
    yield "/jobs/<queued>/explain", lambda: f"/jobs/{HISTORY + BACKLOG}/explain"
    yield "/jobs", lambda: "/jobs"
    for name, query in FILTERS.items():
        yield f"/jobs {name}", partial(_path, "/jobs", query)
    for order in ORDERS:
        for asc in (0, 1):
            query = {"order_by": order, "asc": asc}
            yield f"/jobs order_by={order} asc={asc}", partial(_path, "/jobs", query)
    for page in PAGES:
        yield f"/ui/{page}", partial("/ui/{}".format, page)
    yield "/ui/jobs/<id>", lambda: f"/ui/jobs/{old()}"
    yield "/ui/jobs/<queued>", lambda: f"/ui/jobs/{HISTORY + BACKLOG}"


def _path(path: str, query: dict[str, object]) -> str:
    return str(httpx.URL(path, params=query))


async def _get(http: httpx.AsyncClient, path: Callable[[], str]) -> None:
    answer = await http.get(path())
    answer.raise_for_status()
