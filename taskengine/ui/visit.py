"""One request of somebody who is signed in, and the answers that a page may give."""

from __future__ import annotations

import hmac
import json
import logging
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from quart import Response, request
from werkzeug.exceptions import Forbidden

from taskengine.api.auth import check_owner, find_job, reach
from taskengine.api.query import Query
from taskengine.api.reception import Patience, Sent
from taskengine.api.request_log import header_text, remote_address
from taskengine.api.services import Services
from taskengine.model import BadInput, Client, JobDetails, JsonObject
from taskengine.texts import clean_text
from taskengine.ui.rendering import NOTICE, Renderer
from taskengine.ui.session import Ticket, form_token

logger = logging.getLogger("taskengine.audit")

LONGEST_NOTICE = 600  # characters
SAME_SITE = ("same-origin", "none")  # of Sec-Fetch-Site: by a page of ours, or typed in
MAX_FIELDS = 500  # of a form


@dataclass(frozen=True)
class Visit:
    """Who asks, and what for."""

    services: Services
    renderer: Renderer
    client: Client
    ticket: Ticket

    @property
    def admin(self) -> bool:
        return self.client.admin

    @property
    def may_change(self) -> bool:
        return not (self.ticket.read_only or self.client.read_only)

    @property
    def role(self) -> str:
        kind = "admin" if self.admin else "client"
        return kind if self.may_change else f"{kind}, read only"

    @property
    def only(self) -> str | None:
        """The one client whose jobs are shown; None: those of all."""
        return reach(self.client)

    @cached_property
    def query(self) -> Query:
        return Query.of_request()

    @cached_property
    def token(self) -> str:
        return form_token(self.ticket, self.client, self.services.configuration.session_secret)

    async def job(self, number: int) -> JobDetails:
        """A job that may be shown, without what may be large. Raises NotFound, Forbidden."""
        return await find_job(self.services, number, self.only)

    def check_owner(self, client: str) -> None:
        check_owner(self.only, client)

    async def form(self) -> dict[str, str]:
        """The fields of a form that one of our pages has sent; of equal names the last one.
        Raises Forbidden for any other form."""
        check_origin()
        raw = await request.get_data(cache=False, as_text=False, parse_form_data=False)
        fields = form_fields(raw)
        if not hmac.compare_digest(fields.pop("token", "").encode(), self.token.encode()):
            raise Forbidden("the form is not one of this session: open the page again")
        return fields

    def sent(self, body: JsonObject) -> Sent:
        """A body as if the client had sent it to the REST API."""
        return Sent(
            self.client, json.dumps(body).encode(), Patience(), self.services.heavy, self.origin
        )

    @property
    def origin(self) -> JsonObject:
        """How an action came, for the log of its job: never with the cookie."""
        return {
            "path": f"{request.method} {request.path}",
            "remote_addr": remote_address(),
            "headers": {
                "HTTP_CLIENT": self.client.name,
                "HTTP_USER_AGENT": header_text("User-Agent")[:200],
            },
        }

    def audit(self, what: str) -> None:
        """A line of the engine's log about what was done."""
        logger.info("%.100r: %s, from %s", self.client.name, what, remote_address())

    def page(self, template: str, status: int = 200, **context: Any) -> Response:
        return self.renderer.page(template, status, visit=self, **context)

    def back(self, fields: Mapping[str, str], otherwise: str, said: str) -> Response:
        """To the page that the form stood on, which then says what was done."""
        place = local_place(fields.get("back", "")) or otherwise
        return redirect(self.renderer.up() + place, said)


def form_fields(raw: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            raw.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS
        )
    except ValueError:
        raise BadInput(f"the form has more than {MAX_FIELDS} fields") from None
    return {name: clean_text(value) for name, value in pairs}


def check_origin() -> None:
    """Raises Forbidden for what a page of another site has sent."""
    site, source = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None and site not in SAME_SITE:
        raise Forbidden("a form of another site")
    if source not in (None, "null") and not _is_ours(source):
        raise Forbidden("a form of another site")


def _is_ours(origin: str) -> bool:
    try:
        return urlsplit(origin).netloc == request.host
    except ValueError:
        return False


def local_place(text: str) -> str | None:
    """A page of ours below /ui, as it is named relative to that; None for anything else."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    outside = parts.scheme or parts.netloc or text.startswith(("/", "\\", ".")) or ":" in parts.path
    return None if outside or not text.isprintable() or "\\" in text else text[:2_000]


def redirect(target: str, said: str = "") -> Response:
    response = Response(b"", 303, {"Location": target, "Cache-Control": "no-store"})
    if said:
        content = urlsafe_b64encode(said[:LONGEST_NOTICE].encode()).decode()
        set_cookie(response, NOTICE, content, 60, path="/")
    return response


def set_cookie(
    response: Response, name: str, value: str, seconds: int, path: str | None = None
) -> None:
    """Without a path it is for pages beside and below the one that was asked for: nobody here knows
    the prefix that a proxy may have put before them."""
    response.set_cookie(
        name, value, seconds, path=path, secure=is_secure(), httponly=True, samesite="Strict"
    )


def is_secure() -> bool:
    """Whether the browser came by HTTPS, to us or to a proxy on this host."""
    forwarded = header_text("X-Forwarded-Proto").rpartition(",")[2].strip()
    return request.scheme == "https" or forwarded == "https"
