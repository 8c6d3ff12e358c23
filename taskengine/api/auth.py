"""Who calls: the client and its key (A7), and what it may see (A8)."""

from __future__ import annotations

from quart import request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from taskengine.api.documents import named
from taskengine.api.routes import no_job
from taskengine.api.services import Services
from taskengine.api_keys import hash_key, new_key, verify
from taskengine.model import BadInput, Client, JobDetails, JsonObject
from taskengine.texts import clean_text

KEY_HEADERS = ("api-key", "x-api-key", "x-auth-key")
NOBODY = hash_key(new_key())  # verified for unknown clients, so that they take the same time


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


async def caller(services: Services, name: str | None = None) -> Client:
    """Who sent the request; `name` is what the body says where no `client` header does."""
    key = given_key()
    name = header("client") or name
    if not name:
        raise unauthorized("the header client is missing")
    client = await services.store.client(name)
    known = verify(key, client.key_hash if client else NOBODY)
    if client is None or not known:
        raise unauthorized("unknown client or wrong api-key")
    services.limits.count_client(client.name)
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
    return None if services.configuration.public_reads else reach(await caller(services))


def reach(client: Client) -> str | None:
    """The one client whose jobs this one may change: itself; None: an admin, those of all."""
    return None if client.admin else client.name


async def find_job(services: Services, number: int, only: str | None) -> JobDetails:
    """A job without its documents, if it is that client's. Raises NotFound, Forbidden."""
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
