"""The plan of a workflow as a picture: tasks in columns, each behind those that it needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from taskengine.workflows.workflow import Workflow

MOST = 200  # tasks; a larger plan is a list
WIDTH, HEIGHT = 190, 44  # of a task's box
GAP_X, GAP_Y = 44, 16
PAD = 8
LONGEST = 24  # characters of a name


@dataclass(frozen=True, slots=True)
class PlanBox:
    """A task and its place in the picture."""

    name: str
    action: str
    x: int
    y: int
    conditional: bool = False

    @property
    def label(self) -> str:
        return self.name if len(self.name) <= LONGEST else f"{self.name[: LONGEST - 1]}…"


@dataclass(frozen=True, slots=True)
class PlanPicture:
    width: int
    height: int
    boxes: Sequence[PlanBox]
    lines: Sequence[str]  # as paths


def drawn(workflow: Workflow) -> PlanPicture | None:
    """None: it has too many tasks for a picture."""
    if len(workflow.tasks) > MOST:
        return None
    needs = {task.name: workflow.needs(place) for place, task in enumerate(workflow.tasks)}
    columns = _columns(needs)
    rows: dict[int, int] = {}
    boxes: dict[str, PlanBox] = {}
    for task in workflow.tasks:
        column = columns[task.name]
        row = rows.get(column, 0)
        rows[column] = row + 1
        boxes[task.name] = PlanBox(
            task.name,
            task.action,
            PAD + column * (WIDTH + GAP_X),
            PAD + row * (HEIGHT + GAP_Y),
            task.when is not True,
        )
    lines = [_line(boxes[need], boxes[name]) for name in needs for need in needs[name]]
    width = 2 * PAD + (max(columns.values(), default=0) + 1) * (WIDTH + GAP_X) - GAP_X
    height = 2 * PAD + max(rows.values(), default=1) * (HEIGHT + GAP_Y) - GAP_Y
    return PlanPicture(width, height, [*boxes.values()], lines)


def _columns(needs: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Of each task, how many go before it, one behind the other. Tasks may stand before those that
    they need."""
    columns = dict.fromkeys(needs, 0)
    for _ in needs:
        after = {
            name: 1 + max((columns[need] for need in before), default=-1)
            for name, before in needs.items()
        }
        if after == columns:
            break
        columns = after
    return columns


def _line(start: PlanBox, end: PlanBox) -> str:
    x1, y1 = start.x + WIDTH, start.y + HEIGHT // 2
    x2, y2 = end.x, end.y + HEIGHT // 2
    bend = max(GAP_X // 2, (x2 - x1) // 2)
    return f"M{x1} {y1} C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
