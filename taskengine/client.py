"""A client of the REST API, as the commands and the demo use it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final, TypeVar

import httpx
import trio

from taskengine.api_keys import wrong_key, wrong_name
from taskengine.model import Json, JsonObject, Misconfigured, TaskEngineError

ENDED: Final = frozenset({"completed", "broken"})  # states of a job that it does not leave
POLL_INTERVAL: Final = 0.2  # seconds between looks at a job that is watched
AWAY_DEADLINE: Final = 60.0  # seconds for an engine that is away while a job is watched
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})  # never by a proxy
PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

T = TypeVar("T")

Query = Mapping[str, str | int]


class Unreachable(TaskEngineError):
    """There is no engine at this address, or it does not answer in time."""


class Unavailable(TaskEngineError):
    """The engine cannot serve the request now (503)."""


class RequestRefused(TaskEngineError):
    """The engine answered with an error, which is the message."""


@asynccontextmanager
async def open_client(url: str, client: str = "", api_key: str = "") -> AsyncIterator[RestClient]:
    """A client of the engine at `url`; without a key it can do what needs none. Raises
    Misconfigured, and Unreachable for what is no URL."""
    async with _http(url, _headers(client.strip(), api_key.strip())) as http:
        yield RestClient(http)


def _headers(client: str, api_key: str) -> list[tuple[bytes, bytes]]:
    """In UTF-8, as the engine reads them; a key read from a file may end with a line feed."""
    if api_key and (problem := wrong_key(api_key)):
        raise Misconfigured(f"TASKENGINE_API_KEY or --api-key: {problem}")
    if client and (problem := wrong_name(client)):
        raise Misconfigured(f"TASKENGINE_CLIENT or --client: {problem}")
    given = [(b"client", client.encode()), (b"api-key", api_key.encode())]
    return [(name, value) for name, value in given if value]


def _http(url: str, headers: list[tuple[bytes, bytes]]) -> httpx.AsyncClient:
    """Proxies and certificates are those of the environment, where the engine needs any."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise Unreachable(f"{url}: {error}") from None
    try:
        return httpx.AsyncClient(
            base_url=parsed,
            headers=headers,
            timeout=30,
            verify=parsed.scheme == "https",
            trust_env=parsed.host not in LOOPBACK,
        )
    except OSError as error:  # of the certificates: the variables that name them
        raise Misconfigured(f"SSL_CERT_FILE or SSL_CERT_DIR: {error.strerror or error}") from None
    except (httpx.InvalidURL, ValueError, ImportError) as error:
        raise Misconfigured(f"{', '.join(PROXIES)}: {error}") from None


@dataclass(frozen=True, slots=True)
class RestClient:
    """Calls of the contract. All raise Unreachable, Unavailable and RequestRefused."""

    http: httpx.AsyncClient

    async def alive(self) -> None:
        await self._call("GET", "/")

    async def submit(self, body: Json) -> int:
        """The id of the job that was made of this body."""
        return int((await self._call("POST", "/job", body=body))["id"])

    async def job(self, job_id: int) -> JsonObject:
        found: JsonObject = await self._call("GET", f"/jobs/{job_id}")
        return found

    async def jobs(self, query: Query, *, whole: bool = False) -> list[JsonObject]:
        """The first page of a list, or all its pages."""
        found: list[JsonObject] = []
        answer = await self._send("GET", "/jobs", query=query)
        found += _content(answer)
        while whole and (link := answer.links.get("next")):
            answer = await self._send("GET", str(answer.url.join(link["url"])))
            found += _content(answer)
        return found

    async def log(self, job_id: int, *, show_all: bool = False, after: int = 0) -> list[JsonObject]:
        query: Query = {"show_all": int(show_all), "after": after}
        found: list[JsonObject] = await self._call("GET", f"/logs/{job_id}", query=query)
        return found

    async def change(self, job_id: int, changes: JsonObject) -> JsonObject:
        done: JsonObject = await self._call("PUT", f"/jobs/{job_id}", body=changes)
        return done

    async def warnings(self, job_id: int) -> list[str]:
        """What the engine did not look at when the job was submitted."""
        log = await self.log(job_id)
        of_submission = [line for line in log if line["progname"] == "api"]
        return [line["message"] for line in of_submission if line["severity_description"] == "WARN"]

    async def again(self, job_id: int, how: str, definition: str) -> JsonObject:
        """Have a `rerun` or a `retry`; the answer, with the id of the new job."""
        query = {"definition": definition} if definition != "original" else None
        told: JsonObject = await self._call("POST", f"/jobs/{job_id}/{how}", query=query)
        return told

    async def operate(self, action: str, query: Query, body: JsonObject) -> JsonObject:
        """Begin a bulk operation."""
        begun: JsonObject = await self._call("POST", f"/jobs/bulk/{action}", body=body, query=query)
        return begun

    async def watch_operation(self, number: int, show: Callable[[JsonObject], None]) -> JsonObject:
        """Show a bulk operation until it is over."""
        while True:
            one: JsonObject = await patiently(partial(self.get, f"/operations/{number}"))
            show(one)
            if one["state"] not in ("counting", "running", "undoing"):
                return one
            await trio.sleep(POLL_INTERVAL)

    async def get(self, path: str, query: Query | None = None) -> Json:
        return await self._call("GET", path, query=query)

    async def post(self, path: str, body: Json = None) -> Json:
        return await self._call("POST", path, body=body)

    async def put(self, path: str, body: Json = None) -> Json:
        return await self._call("PUT", path, body=body)

    async def delete(self, path: str) -> Json:
        return await self._call("DELETE", path)

    async def events(self) -> AsyncIterator[str]:
        """The data of each event of /events, as it comes. Raises Unreachable at its end."""
        try:
            async with self.http.stream("GET", "/events", timeout=None) as answer:
                if not answer.is_success:
                    await answer.aread()
                    _content(answer)
                async for line in answer.aiter_lines():
                    if line.startswith("data:"):
                        yield line.removeprefix("data:").strip()
        except httpx.TransportError as error:
            raise Unreachable(f"the engine at {self.http.base_url} is gone: {error}") from None

    async def watch(
        self,
        job_id: int,
        show: Callable[[JsonObject], None],
        away: Callable[[Exception], None] = lambda _: None,
    ) -> JsonObject:
        """Show a job until it has ended, also across a restart of the engine."""
        while True:
            job = await patiently(partial(self.job, job_id), away)
            show(job)
            if job["queue_state"] in ENDED:
                return job
            await trio.sleep(POLL_INTERVAL)

    async def _call(
        self, method: str, path: str, *, body: Json = None, query: Query | None = None
    ) -> Json:
        return _content(await self._send(method, path, body=body, query=query))

    async def _send(
        self, method: str, path: str, *, body: Json = None, query: Query | None = None
    ) -> httpx.Response:
        sent = {} if body is None else {"json": body}
        try:
            return await self.http.request(method, path, params=query, **sent)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            why = str(error) or type(error).__name__
            raise Unreachable(f"no engine answers at {self.http.base_url}: {why}") from None


def is_over(job: JsonObject) -> bool:
    """Whether a job has ended and nothing of it is still being stopped."""
    working = any(task["state"] == "working" for task in job["tasks"])
    return job["queue_state"] in ENDED and not working


async def patiently(
    call: Callable[[], Awaitable[T]], away: Callable[[Exception], None] = lambda _: None
) -> T:
    """Repeat a read while the engine is away, which is told once; after AWAY_DEADLINE seconds its
    error is raised."""
    deadline, told = trio.current_time() + AWAY_DEADLINE, False
    while True:
        try:
            return await call()
        except (Unreachable, Unavailable) as error:
            if trio.current_time() > deadline:
                raise
            if not told:
                away(error)
            told = True
        await trio.sleep(1)


def _content(response: httpx.Response) -> Json:
    """The JSON of an answer; its `error` as an exception."""
    try:
        content = response.json()
    except ValueError:
        content = None
    if response.is_success and content is not None:
        return content
    told = content.get("error") if isinstance(content, dict) else None
    message = f"{told or response.reason_phrase or 'no answer of a Task Engine'}"
    error = (
        Unavailable if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE else RequestRefused
    )
    number = f"job {content['id']}: " if isinstance(content, dict) and "id" in content else ""
    raise error(f"{number}{message} ({response.status_code})")
