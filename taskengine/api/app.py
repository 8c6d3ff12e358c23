"""The Quart app: every resource file registered, errors and limits set."""

from __future__ import annotations

from quart_trio import QuartTrio

from taskengine.api import (
    dashboard,
    health,
    job,
    jobs,
    logs,
    schedules,
    settings,
    status,
    workflows,
)
from taskengine.api.documents import MAX_BODY
from taskengine.api.errors import App, on_error
from taskengine.api.services import Services

RESOURCES = (status, health, dashboard, job, jobs, logs, schedules, settings, workflows)
BODY_TIMEOUT = 30  # seconds for a body to arrive


def create_app(services: Services) -> QuartTrio:
    """The REST API on top of these services."""
    app = App("taskengine", static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY,
        BODY_TIMEOUT=BODY_TIMEOUT,
        PROPAGATE_EXCEPTIONS=False,
        PROVIDE_AUTOMATIC_OPTIONS=False,  # Quart's own answer calls itself HTML
    )
    # No redirects to tidier paths: they would be HTML.
    app.url_map.strict_slashes = app.url_map.merge_slashes = False
    app.register_error_handler(Exception, on_error)
    for resource in RESOURCES:
        for route in resource.routes(services):
            endpoint = f"{route.method} {route.path}".replace(".", "_")
            app.add_url_rule(route.path, endpoint, route.handler, methods=[route.method])
    return app
