"""The app's routes and document without anything behind them, for tests that go through all."""

from __future__ import annotations

from functools import cache

from jsonschema import Draft202012Validator, FormatChecker
from werkzeug.exceptions import HTTPException

from taskengine.actions import find_actions
from taskengine.api.app import RESOURCES, create_app
from taskengine.api.openapi.document import Documentation, document_path, with_document
from taskengine.api.services import Services
from taskengine.configuration import Configuration, builtin_workflows
from taskengine.workflows.library import load

BUILT_IN = load([builtin_workflows()], find_actions())


def idle_services(**settings):
    """Nobody may be asked anything: there is neither store nor intake."""
    return Services(
        configuration=Configuration(**settings),
        store=None,
        definitions=None,
        counters=None,
        intake=None,
        library=lambda: BUILT_IN,
        now=lambda: None,
        leaving=lambda: False,
        draining=lambda: False,
        changed=lambda: None,
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


@cache
def _known(public_reads):
    return document(public_reads=public_reads), url_map().bind("localhost")


async def check_answer(method, path, answer, *, public_reads):
    """An answer of the app is one that its document knows, in status, media type and content."""
    content, urls = _known(public_reads)
    try:
        rule, _ = urls.match(path.partition("?")[0], method, return_rule=True)
    except HTTPException:
        return  # no such path or method
    route = document_path(rule.rule)
    known = content["paths"][route][method.lower()]["responses"]
    assert str(answer.status_code) in known, f"{method} {route} answers {answer.status_code}"
    said = known[str(answer.status_code)]["content"][answer.mimetype]
    for header, about in known[str(answer.status_code)].get("headers", {}).items():
        assert header in answer.headers or not about.get("required")
    if answer.mimetype == "application/json":
        schema = {**said["schema"], "components": content["components"]}
        Draft202012Validator(schema, format_checker=FormatChecker()).validate(
            await answer.get_json()
        )
