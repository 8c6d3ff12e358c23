"""An action of one's own: an async function with typed keyword arguments, found by its name."""

from taskengine.actions import Context, action
from taskengine.model import JsonObject, PermanentFailure


@action("greeting.greet")
async def greet(context: Context, *, name: str, polite: bool = False) -> JsonObject:
    """Say hello in the job's log.

    What it returns, later tasks and the callback see as `tasks.<name>.greeting`. Another exception
    than PermanentFailure would be tried again.
    """
    if not name.strip():
        raise PermanentFailure("name: expected a name, got blanks")
    greeting = f"Good day, {name}" if polite else f"Hello {name}"
    await context.info(greeting)
    return {"greeting": greeting}
