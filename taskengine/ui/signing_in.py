"""Signing in: with a client's name and its key, which is looked at and forgotten."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from math import ceil

from quart import Response, request
from werkzeug.exceptions import TooManyRequests

from taskengine.api.limits import Buckets
from taskengine.api.request_log import remote_address
from taskengine.api.services import Services
from taskengine.api_keys import opens
from taskengine.httpd.places import network_of
from taskengine.ui.rendering import Renderer
from taskengine.ui.session import COOKIE, LASTS, new_ticket, signed
from taskengine.ui.visit import check_origin, form_fields, local_place, redirect, set_cookie

logger = logging.getLogger("taskengine.audit")

TRIES_PER_SECOND = 0.2  # of each address, after the first TRIES
TRIES = 10


@dataclass(frozen=True)
class SigningIn:
    services: Services
    renderer: Renderer
    tries: Buckets = field(
        default_factory=lambda: Buckets(TRIES_PER_SECOND, burst=TRIES / TRIES_PER_SECOND)
    )

    async def ask(self) -> Response:
        return self._form(request.args.get("next", ""))

    def _form(self, place: str, name: str = "", problem: str = "", status: int = 200) -> Response:
        return self.renderer.page(
            "sign_in.html", status, visit=None, name=name, problem=problem, place=place
        )

    async def sign_in(self) -> Response:
        check_origin()
        if wait := self.tries.take(network_of(remote_address())):
            raise TooManyRequests("too many tries to sign in", retry_after=ceil(wait))
        raw = await request.get_data(cache=False, as_text=False, parse_form_data=False)
        fields = form_fields(raw)
        name, place = fields.get("client", "").strip(), fields.get("next", "")
        client = await self.services.store.client(name)
        now = self.services.now()
        known = opens(fields.get("key", "").strip(), client, now)
        if client is None or not known:
            self.services.meters.refused.inc()
            self.services.refusals.tell(name)
            return self._form(place, name, "There is no such client, or its key is another.", 401)
        ticket = new_ticket(client, now, read_only="read_only" in fields)
        logger.info("%.100r signs in from %s", client.name, remote_address())
        response = redirect(local_place(place) or "./")
        cookie = signed(ticket, client, self.services.configuration.session_secret)
        set_cookie(response, COOKIE, cookie, int(LASTS.total_seconds()))
        return response
