"""Commands of the host, those that the configuration lists."""

from __future__ import annotations

from typing import Final

from taskengine.actions.context import Context
from taskengine.actions.registry import action
from taskengine.model import JsonObject, PermanentFailure

OUTPUT_LIMIT: Final = 64 << 10  # bytes of standard output that are kept


@action("process.run")
async def run_command(
    context: Context, *, command: str, arguments: list[str] | None = None
) -> JsonObject:
    """Run a command that the configuration lists; `output` is the end of what it printed."""
    leading = context.commands.get(command)
    if leading is None:
        listed = ", ".join(sorted(context.commands)) or "none"
        raise PermanentFailure(f"unknown command {command!r}, the configuration lists: {listed}")
    output = await context.run([*leading, *(arguments or [])])
    return {"output": _end(output)}


def _end(output: str) -> str:
    """What is kept of it, without NUL, which cannot be stored."""
    kept = output.encode()[-OUTPUT_LIMIT:].decode(errors="ignore")
    return kept.replace("\0", "\N{REPLACEMENT CHARACTER}")
