"""The routes of the pages, who may use which, and how their errors look."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from quart import Response, request
from quart_trio import QuartTrio

from taskengine.api.errors import answer
from taskengine.api.services import Services
from taskengine.model import NotFound
from taskengine.texts import clean_text
from taskengine.ui import (
    clients,
    events,
    files,
    job,
    job_actions,
    jobs,
    now,
    operations,
    schedules,
    settings,
    static,
    workflows,
)
from taskengine.ui.rendering import Renderer
from taskengine.ui.routes import PageRoute
from taskengine.ui.session import COOKIE, holds, split
from taskengine.ui.signing_in import SigningIn
from taskengine.ui.visit import Visit, local_place, redirect

MODULES = (
    now, jobs, job, job_actions, files, events, schedules, workflows, clients, settings,
    operations,
)  # fmt: skip
PREFIX = "/ui"


def add_pages(app: QuartTrio, services: Services) -> None:
    """Put the pages on top of the REST API."""
    pages = Pages(services, Renderer(services.now, services.version))
    for module in MODULES:
        for route in module.ROUTES:
            pages.add(app, route.method, route.path, partial(pages.seen_by_visitor, route))
    signing_in = SigningIn(services, pages.renderer)
    pages.add(app, "GET", "/sign-in", pages.shown(signing_in.ask))
    pages.add(app, "POST", "/sign-in", pages.shown(signing_in.sign_in))
    pages.add(app, "POST", "/sign-out", partial(pages.seen_by_visitor, SIGN_OUT))
    pages.add(app, "GET", "/static/<name>", static.file)
    pages.add(app, "GET", "/<path:rest>", pages.shown(no_page))


async def no_page(rest: str) -> Response:
    raise NotFound("there is no such page")


async def sign_out(visit: Visit) -> Response:
    await visit.form()
    response = redirect("sign-in", "You are signed out.")
    response.delete_cookie(COOKIE, path=None)
    return response


SIGN_OUT = PageRoute("POST", "/sign-out", sign_out, watchers=True)


@dataclass(frozen=True)
class Pages:
    """Finds who asks, and turns errors into pages."""

    services: Services
    renderer: Renderer

    def add(
        self, app: QuartTrio, method: str, path: str, handler: Callable[..., Awaitable[Response]]
    ) -> None:
        """Also below the path with a slash, where there is nothing else."""
        for place in (PREFIX, f"{PREFIX}/") if path == "/" else (f"{PREFIX}{path}",):
            app.add_url_rule(
                place, f"{method} {place}".replace(".", "_"), handler, methods=[method]
            )

    async def seen_by_visitor(self, route: PageRoute, **path: str) -> Response:
        """The page, for whoever is signed in; anybody else is asked to."""
        visit = None
        try:
            visit = await self._visit()
            if visit is None:
                return self._ask_in()
            route.check(visit)
            return await route.handler(visit, **{name: clean_text(path[name]) for name in path})
        except Exception as error:
            return await self._failed(error, visit)

    def shown(self, handler: Callable[..., Awaitable[Response]]) -> Callable[..., Any]:
        """The same for what everybody may see."""

        async def endpoint(**path: str) -> Response:
            try:
                return await handler(**path)
            except Exception as error:
                return await self._failed(error, None)

        return endpoint

    async def _visit(self) -> Visit | None:
        ticket, signature = split(request.cookies.get(COOKIE, ""))
        if ticket is None:
            return None
        client = await self.services.store.client(ticket.client)
        secret = self.services.configuration.session_secret
        if client is None or not holds(ticket, signature, client, secret, self.services.now()):
            return None
        self.services.limits.count_client(client.name)
        return Visit(self.services, self.renderer, client, ticket)

    def _ask_in(self) -> Response:
        """Back to where somebody wanted to go, once they are signed in."""
        place = request.path.removeprefix(PREFIX).lstrip("/")
        wanted = local_place(place) if request.method == "GET" else None
        query = f"?next={wanted}" if wanted and "?" not in wanted else ""
        return redirect(f"{self.renderer.up()}sign-in{query}")

    async def _failed(self, error: Exception, visit: Visit | None) -> Response:
        """The API's own words and status, as a page."""
        told = answer(error)
        message = (await told.get_json())["error"]
        said = self.renderer.page("error.html", told.status_code, visit=visit, message=message)
        for name in ("Retry-After", "Allow"):
            if name in told.headers:
                said.headers[name] = told.headers[name]
        return said
