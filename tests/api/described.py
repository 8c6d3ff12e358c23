"""The app's routes and document without anything behind them, for tests that go through all."""

from __future__ import annotations

from taskengine.actions import find_actions
from taskengine.api.app import RESOURCES, create_app
from taskengine.api.openapi.document import Documentation, with_document
from taskengine.api.services import Services
from taskengine.configuration import Configuration, builtin_workflows
from taskengine.library import load

BUILT_IN = load([builtin_workflows()], find_actions())


def idle_services(**settings):
    """Nobody may be asked anything: there is neither store nor intake."""
    return Services(
        configuration=Configuration(**settings),
        store=None,
        counters=None,
        intake=None,
        library=lambda: BUILT_IN,
        now=lambda: None,
        draining=lambda: False,
        version="1.0",
    )


def routes(services=None):
    services = services or idle_services()
    return with_document(services, [r for each in RESOURCES for r in each.routes(services)])


def document(**settings):
    services = idle_services(**settings)
    return Documentation(services, routes(services)).content(BUILT_IN)


def url_map(**settings):
    return create_app(idle_services(**settings)).url_map
