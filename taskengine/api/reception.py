"""The order in which a request with a body is taken in: first who sends it, then what.

Nothing of a body is looked at for a stranger, however large it is and whatever is in it. Where no
header names the client (A7), a small part is read to find its name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import trio
from quart import request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from taskengine.api.arrival import arriving
from taskengine.api.auth import caller, given_key, header, unauthorized
from taskengine.api.heavy import Heavy
from taskengine.api.json_body import Document, decoded, is_heavy, loaded, parse
from taskengine.api.request_log import origin
from taskengine.api.services import Services
from taskengine.api.sizes import SMALL_BODY, max_body
from taskengine.model import BadInput, Client, JsonObject
from taskengine.runtime.aside import WorkerEnded
from taskengine.texts import clean_text

T = TypeVar("T")

# Seconds for credentials to be verified and for an answer, not counting the body.
REQUEST_DEADLINE = 5
NAMELESS: Final = "the header client is missing, and %s: send the client header"
_TYPES = ("", "application/json", "text/json")  # no type at all is taken for JSON
_looking = trio.CapacityLimiter(1)  # threads for the bodies of strangers


@dataclass(slots=True)
class Patience:
    """How much longer the sender waits for the database."""

    left: float = REQUEST_DEADLINE

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Raises TooSlowError when it is over."""
        start = trio.current_time()
        with trio.fail_after(self.left):
            yield
        # A process that was stopped may have taken longer, and its answer all the same.
        self.left = max(0.0, self.left - (trio.current_time() - start))


@dataclass(frozen=True, slots=True)
class Sent:
    """A body, and the client whose key came with it. `told` is how it came, where not a request of
    the API brought it."""

    client: Client
    raw: bytes
    patience: Patience
    heavy: Heavy
    told: JsonObject | None = None

    @property
    def origin(self) -> JsonObject:
        """How it came, as the first line of its job's log tells it."""
        return origin() if self.told is None else self.told

    async def aside(self, function: Callable[..., T], *args: Any) -> T:
        """What the function makes of the body: here if that is small, else by a worker."""
        if not is_heavy(self.raw):
            return function(*args)
        try:
            return await self.heavy.run(self.client.name, function, *args)
        except WorkerEnded as error:
            raise BadInput(f"the body cannot be read: {error}") from None

    async def document(self) -> Document:
        """The body as a JSON object. Raises BadInput where it is none."""
        return await self.aside(parse, self.raw)

    async def value(self) -> JsonObject:
        """The same, where no record is kept of a body that has a part left out."""
        document = await self.document()
        if document.problem is not None:
            raise BadInput(document.problem)
        return document.value


@asynccontextmanager
async def received(
    services: Services, *, any_type: bool = False, may_be_recent: bool = False
) -> AsyncIterator[Sent]:
    """Who sent the request, with a key that is right, and only then its body; for the length of the
    block there is room for it. With `any_type` JSON may come under any name. See auth.caller for
    `may_be_recent`."""
    given_key()
    patience, name = Patience(), header("client")
    if not name:
        services.limits.count_address()
        name = await _name_in_body()
    with patience.counted():
        client = await caller(services, name, may_be_recent=may_be_recent)
    if not any_type:
        _check_type()
    limit, length = max_body(request.path), request.content_length
    size = min(limit, limit if length is None else length)
    room = services.heavy.room(client.name, size) if size > SMALL_BODY else nullcontext()
    async with room:
        raw = await request.get_data(cache=False, as_text=False, parse_form_data=False)
        yield Sent(client, raw, patience, services.heavy)


async def _name_in_body() -> str:
    """The client that a small body names. Raises Unauthorized if there is none."""
    body, limit = arriving(request), max_body(request.path)
    if (request.content_length or 0) > SMALL_BODY:
        raise unauthorized(NAMELESS % "the body is larger than 64 KiB")
    body.narrow(SMALL_BODY)
    try:
        raw = await request.get_data(cache=True, as_text=False, parse_form_data=False)
    except RequestEntityTooLarge:
        raise unauthorized(NAMELESS % "the body is larger than 64 KiB") from None
    body.narrow(limit)
    name = await trio.to_thread.run_sync(_name_in, raw, limiter=_looking)
    if not name:
        raise unauthorized(NAMELESS % "the body names none")
    return name


def _name_in(raw: bytes) -> str:
    try:
        value = loaded(decoded(raw))
    except BadInput:
        return ""
    name = value.get("client") if isinstance(value, dict) else None
    return clean_text(name.strip()) if isinstance(name, str) else ""


def _check_type() -> None:
    """Raises UnsupportedMediaType for what is not said to be JSON, or is packed."""
    kind = request.mimetype
    if kind not in _TYPES and not kind.endswith("+json"):
        raise UnsupportedMediaType(f"Content-Type: expected application/json, got {kind[:80]}")
    if (coding := request.headers.get("Content-Encoding", "identity").lower()) != "identity":
        raise UnsupportedMediaType(f"Content-Encoding: expected none, got {coding[:80]}")
