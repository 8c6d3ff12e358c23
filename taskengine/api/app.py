"""The Quart app: every resource file registered, errors and limits set."""

from __future__ import annotations

from collections.abc import Sequence

from quart import Response, request
from quart_trio import QuartTrio

from taskengine.api.connections import close_after
from taskengine.api.errors import App, on_error
from taskengine.api.limits import limit
from taskengine.api.openapi.document import with_document
from taskengine.api.openapi.operation import CallerAccess
from taskengine.api.resources import (
    batch,
    callbacks,
    changes,
    dashboard,
    docs,
    events,
    explain,
    health,
    jobs,
    logs,
    metrics,
    operations,
    pauses,
    schedules,
    settings,
    status,
    submissions,
    workflows,
)
from taskengine.api.routes import Route
from taskengine.api.services import Services
from taskengine.api.sizes import MAX_BODY
from taskengine.api.unread import check_queries

RESOURCES = (
    status,
    health,
    metrics,
    dashboard,
    submissions,
    batch,
    jobs,
    explain,
    changes,
    operations,
    callbacks,
    logs,
    events,
    schedules,
    pauses,
    settings,
    workflows,
    docs,
)
BODY_TIMEOUT = 30  # seconds for a body to arrive


def create_app(services: Services) -> QuartTrio:
    """The REST API on top of these services."""
    app = App("taskengine", static_folder=None)
    app.meters = services.meters
    app.logs_requests = services.configuration.access_log
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY,
        BODY_TIMEOUT=BODY_TIMEOUT,
        PROXIES=services.configuration.proxies,
        PROPAGATE_EXCEPTIONS=False,
        PROVIDE_AUTOMATIC_OPTIONS=False,  # Quart's own answer calls itself HTML
    )
    # No redirects to tidier paths: they would be HTML.
    app.url_map.strict_slashes = app.url_map.merge_slashes = False
    app.register_error_handler(Exception, on_error)
    routes = with_document(
        services, [route for resource in RESOURCES for route in resource.routes(services)]
    )
    for route in routes:
        app.add_url_rule(route.path, _endpoint(route), route.handler, methods=[route.method])
    _limit(app, services, routes)
    check_queries(app, {_endpoint(one): _query(one) for one in routes if _is_strict(one)})
    _retire_connections(app, services)
    return app


def _limit(app: App, services: Services, routes: Sequence[Route]) -> None:
    """Who asks for credentials counts the client; probes are always answered."""
    public_reads = services.configuration.public_reads
    about = {_endpoint(route): route.about.access for route in routes if route.about}
    closed = {name for name, access in about.items() if access.closed(public_reads=public_reads)}
    probes = {name for name, access in about.items() if access is CallerAccess.PROBE}
    limit(app, services.limits, closed, probes)


def _retire_connections(app: App, services: Services) -> None:
    """A stopping engine ends each connection with an answer: one that it closed by itself, while
    a request is on its way, would fail that request."""

    @app.after_request
    async def retire(response: Response) -> Response:
        if services.leaving():
            close_after(request, response)
        return response


def _is_strict(route: Route) -> bool:
    """Probes are answered whatever else is asked, and pages are seen by people."""
    about = route.about
    return about is not None and about.access is not CallerAccess.PROBE and not about.lenient


def _query(route: Route) -> list[str]:
    return [one.name for one in route.about.parameters if one.place == "query"]  # type: ignore[union-attr]


def _endpoint(route: Route) -> str:
    return f"{route.method} {route.path}".replace(".", "_")
