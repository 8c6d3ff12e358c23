"""The order of a workflow's tasks: who always goes before whom."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from graphlib import CycleError, TopologicalSorter

from taskengine.texts import like
from taskengine.workflows.templates import Found, Path
from taskengine.workflows.workflow import Workflow


def ordered(workflow: Workflow) -> Generator[tuple[Path, str], None, dict[str, int]]:
    """Names and needs of tasks. Returns for each task those that always go before it, as the bits
    of a number: of thousands of tasks, sets would take a gigabyte."""
    wrong = list(_wrong_names(workflow))
    yield from wrong
    if wrong:
        return {}
    names = workflow.names
    place = {name: index for index, name in enumerate(names)}
    graph = {name: workflow.needs(index) for index, name in enumerate(names)}
    before: dict[str, int] = {}
    try:
        for name in TopologicalSorter(graph).static_order():
            before[name] = 0
            for need in graph[name]:
                before[name] |= before[need] | 1 << place[need]
    except CycleError as error:
        circle = error.args[1]
        named = next(name for name in circle if workflow.tasks[place[name]].needs)
        text = f"needs: a circle: {' → '.join(circle)}"
        yield ("tasks", place[named], "needs"), text
    return before


def _wrong_names(workflow: Workflow) -> Found:
    names, seen = {*workflow.names}, set()
    for index, task in enumerate(workflow.tasks):
        if task.name in seen:
            yield ("tasks", index, "name"), f"there is another task {task.name!r}"
        seen.add(task.name)
        yield from _wrong_needs(task.needs or (), names, ("tasks", index, "needs"))


def _wrong_needs(needs: Sequence[str], names: set[str], where: Path) -> Found:
    seen = set()
    for place, need in enumerate(needs):
        if need not in names:
            yield (*where, place), f"needs: there is no task {need!r}{like(need, names)}"
        elif need in seen:
            yield (*where, place), f"needs: {need!r} is named twice"
        seen.add(need)


def names_of(workflow: Workflow, before: int | None) -> set[str] | None:
    """The names of those that go before a task; None: that is not known."""
    if before is None:
        return None
    return {name for place, name in enumerate(workflow.names) if before >> place & 1}
