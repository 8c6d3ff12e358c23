"""What tasks do. An action is an async function with typed keyword arguments, found by name.

    @action("storage.list")
    async def list_files(context: Context, *, storage: str, folder: str) -> JsonObject: ...

It returns a JSON object, which later tasks see as `tasks.<name>.<key>`. An exception fails the
attempt; PermanentFailure says that another try would fail as well. Modules of this package are
found by themselves; other packages add theirs through the entry-point group `taskengine.actions`.
"""

from taskengine.actions.context import Context
from taskengine.actions.registry import (
    Action,
    Actions,
    action,
    action_of,
    find_actions,
)

__all__ = ["Action", "Actions", "Context", "action", "action_of", "find_actions"]
