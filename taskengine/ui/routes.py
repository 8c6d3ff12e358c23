"""What a file of pages hands to the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from quart import Response
from werkzeug.exceptions import Forbidden

from taskengine.ui.visit import Visit


@dataclass(frozen=True, slots=True)
class PageRoute:
    """A page or an action. `watchers`: an action for those too who may only look."""

    method: str
    path: str
    handler: Callable[..., Awaitable[Response]]
    watchers: bool = False

    def check(self, visit: Visit) -> None:
        """Raises Forbidden."""
        if self.method != "GET" and not self.watchers and not visit.may_change:
            raise Forbidden("this session is read only")
