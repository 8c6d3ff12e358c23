"""Who calls: the client and its key (A7), and what it may see (A8)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from quart import request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, HTTPException, Unauthorized

from taskengine.api.json_body import named
from taskengine.api.request_log import is_loopback, peer
from taskengine.api.routes import no_job
from taskengine.api.services import Services
from taskengine.api_keys import opens
from taskengine.model import BadInput, Client, JobDetails, JsonObject
from taskengine.texts import clean_text

# A name with dots in it that is no address: one that somebody else may own.
OF_THE_WEB = re.compile(r"\.(?!localhost$)[^.]*[a-z-][^.]*$")
READING = ("GET", "HEAD", "OPTIONS")  # methods that change nothing
KEY_HEADERS = ("api-key", "x-api-key", "x-auth-key")


def header(name: str) -> str:
    """A header's text, which is UTF-8 where it is not ASCII; "" if it is absent."""
    raw: str = request.headers.get(name, "")
    return clean_text(raw.encode("latin-1", "replace").decode("utf-8", "replace").strip())


def given_key() -> str:
    """The key of the request. Raises Unauthorized if there is none."""
    for name in KEY_HEADERS:
        if key := header(name):
            return key
    raise unauthorized("the header api-key is missing")


async def caller(
    services: Services, name: str | None = None, *, may_be_recent: bool = False
) -> Client:
    """Who sent the request; `name` is what the body says where no `client` header does. One that
    `may_be_recent` is as it was a moment ago: who goes on from there has to make sure of it."""
    key = given_key()
    name = header("client") or name
    if not name:
        raise unauthorized("the header client is missing")
    client = services.recent.of(name) if may_be_recent else None
    known = client is not None and opens(key, client, services.now())
    if not known:
        client = await services.recent.read(services.store, name)
        known = opens(key, client, services.now())
    if client is None or not known:
        services.meters.refused.inc()
        services.refusals.tell(name)
        raise unauthorized("unknown client or wrong api-key")
    services.limits.count_client(client.name)
    if client.read_only and request.method not in READING:
        raise Forbidden(f"client {client.name} may only read")
    return client


async def owner(services: Services, client: Client, body: JsonObject) -> Client:
    """Whose the body is: the caller's, unless an admin names another client."""
    return await owner_named(services, client, named(body))


async def owner_named(services: Services, client: Client, name: str) -> Client:
    """The caller, or the client of that name if the caller is an admin. Raises Forbidden, and
    BadInput for an unknown one."""
    if name in ("", client.name):
        return client
    if not client.admin:
        raise Forbidden("client: the header and the body disagree")
    other = await services.store.client(name)
    if other is None:
        raise BadInput("client: there is no such client")
    return other


async def only_client(services: Services) -> str | None:
    """The one client whose jobs the caller may read; None: all of them."""
    if not services.configuration.public_reads:
        return reach(await caller(services))
    if strange := _strange_host(services.configuration.hosts):
        if not any(map(header, KEY_HEADERS)):
            raise MisdirectedRequest(f"without a key: the setting hosts does not list {strange}")
        await caller(services)
    return None


class MisdirectedRequest(HTTPException):
    code = 421


def _strange_host(known: Sequence[str]) -> str:
    """The name under which the request came, if that may be somebody else's: a page may have made a
    browser of this machine take such a name for the engine's (DNS rebinding). Else ""."""
    host = re.sub(r":[0-9]*$", "", header("Host")).lower().removesuffix(".")
    if not known and not is_loopback(peer()):
        return ""
    return "" if host in known or "*" in known or not OF_THE_WEB.search(host) else host[:100]


def reach(client: Client) -> str | None:
    """The one client whose jobs this one may change: itself; None: an admin, those of all."""
    return None if client.admin else client.name


async def find_job(services: Services, number: int, only: str | None) -> JobDetails:
    """A job without its documents and tasks, if it is that client's. Raises NotFound, Forbidden."""
    details = await services.store.outline(number)
    if details is None:
        raise no_job(number)
    check_owner(only, details.job.client)
    return details


def check_owner(only: str | None, name: str) -> None:
    """Raises Forbidden for what belongs to another client."""
    if only not in (None, name):
        raise Forbidden("this belongs to another client")


def unauthorized(message: str) -> Unauthorized:
    return Unauthorized(message, www_authenticate=WWWAuthenticate("ApiKey", {"realm": "api"}))
