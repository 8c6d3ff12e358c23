"""A plug-in whose one action does what no action should, each kind of it by name."""

from __future__ import annotations

import inspect
from pathlib import Path

from taskengine.actions import Context, action
from taskengine.model import JsonObject
from tests.actors.poisons import RAISED, WRONG

ROOT = Path(__file__).parent.parent.parent
ENTRY = "[taskengine.actions]\npoisonous = tests.e2e.poisonous\n"
METADATA = "Metadata-Version: 2.1\nName: poisonous\nVersion: 1\n"
KINDS = sorted({*RAISED, *(name for name in WRONG if name not in ("plain", "yields"))})
WORKFLOW = """
workflow: poison
parameters:
  type: object
  required: [kind]
  properties: {kind: {type: string}}
tasks:
  - {name: only, action: test.poison, with: {kind: "{{ kind }}"}, retry: {limit: 0}}
"""


@action("test.poison")
async def poison(context: Context, *, kind: str) -> JsonObject:
    """Raise, return or leave behind what is named."""
    if make := RAISED.get(kind):
        error = make()
        raise error
    result = WRONG[kind][0](context)
    return await result if inspect.isawaitable(result) else result


def install(folder: Path) -> tuple[str, str]:
    """Lay it out as an installed package; gives the PYTHONPATH and the folder of its workflow."""
    package = folder / "site" / "poisonous-1.dist-info"
    common = folder / "workflows" / "common"
    for each in (package, common):
        each.mkdir(parents=True)
    (package / "METADATA").write_text(METADATA)
    (package / "entry_points.txt").write_text(ENTRY)
    (common / "poison.yaml").write_text(WORKFLOW)
    return f"{ROOT}:{package.parent}", str(common.parent)
