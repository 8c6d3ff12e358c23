"""What a file of pages hands to the app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from quart import Response
from werkzeug.exceptions import Forbidden

from taskengine.api.unread import check_query
from taskengine.ui.visit import Visit


@dataclass(frozen=True, slots=True)
class PageRoute:
    """A page or an action. `watchers`: an action for those too who may only look. `query`: the
    parameters that it reads."""

    method: str
    path: str
    handler: Callable[..., Awaitable[Response]]
    watchers: bool = False
    query: Collection[str] = ()

    def check(self, visit: Visit) -> None:
        """Raises Forbidden, and BadInput for a query parameter that the page does not read."""
        if self.method != "GET" and not self.watchers and not visit.may_change:
            raise Forbidden("this session is read only")
        check_query(self.query)
