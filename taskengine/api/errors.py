"""Errors as answers: always JSON, but for the one plain text of POST /job."""

from __future__ import annotations

import logging
import re
import uuid
from typing import Any

import trio
from quart import Request, Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from taskengine.api.connections import AsgiConnection, read_the_rest
from taskengine.api.heavy import Busy
from taskengine.api.responses import reply
from taskengine.api.sizes import max_body, told_size
from taskengine.masking import masked_text
from taskengine.meters import Meters
from taskengine.model import BadInput, NotFound, StoreUnavailable, TaskEngineError, TooSlow
from taskengine.process_log import ACCESS, request_id
from taskengine.runtime.aside import WorkerEnded
from taskengine.runtime.mailbox import ActorGone

logger = logging.getLogger(__name__)

RETRY_AFTER = {"Retry-After": "5"}  # seconds
NO_JOB = '"Unable to create job request"'  # as the contract has it
TOO_SLOW = "the database took longer than its time limit: ask for less at once, or later"
TOO_BUSY = "the engine is busy with large documents: later, or with smaller ones"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MESSAGES = {
    404: "there is no such path",
    405: "the path does not have this method",
}


REQUEST_ID = "X-Request-Id"
GIVEN_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
access_log = logging.getLogger(ACCESS)


class Draining(TaskEngineError):
    """The instance is stopping and takes no submission any more."""


class App(QuartTrio):
    """Quart, but that a nursery's group of errors is answered as a whole, any query read, and any
    connection left in order."""

    asgi_http_class = AsgiConnection
    meters = Meters()  # the engine's own take its place
    logs_requests = False

    async def handle_request(self, request: Request) -> Any:
        # Quart decodes the query where no error handler is: other bytes than UTF-8 end the request.
        request.query_string = request.query_string.decode("utf-8", "replace").encode()
        start, number = trio.current_time(), id_of_request(request)
        request_id.set(number)
        response = await super().handle_request(request)
        response.headers[REQUEST_ID] = number
        self._count(request, response.status_code, trio.current_time() - start)
        await read_the_rest(request, response)
        return response

    def _count(self, request: Request, status: int, seconds: float) -> None:
        """By route, not by path: of these there is no end."""
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in METHODS else "other"
        self.meters.requests.labels(method, route, status).observe(seconds)
        if self.logs_requests:
            figures = {"method": method, "path": request.path[:200], "status": status}
            figures |= {"milliseconds": round(1_000 * seconds, 1)}
            told = "%(method)s %(path)s %(status)d %(milliseconds)g ms"
            access_log.info(told, figures, extra={"figures": figures})

    async def handle_user_exception(self, error: Exception | BaseExceptionGroup[Any]) -> Any:
        if isinstance(error, BaseExceptionGroup):
            _, failed = error.split(trio.Cancelled)
            if not isinstance(failed, ExceptionGroup):
                raise error
            return answer(failed)
        return await super().handle_user_exception(error)


def id_of_request(request: Request) -> str:
    """The one that came with it, or a new one."""
    given = request.headers.get(REQUEST_ID, "")
    return given if GIVEN_ID.fullmatch(given) else uuid.uuid4().hex


async def on_error(error: Exception) -> Response:
    """The handler of everything that is raised."""
    return answer(error)


def answer(error: Exception) -> Response:
    """What a client is told of an error; only what nobody foresaw is logged."""
    match _alike(error):
        case HTTPException() as known:
            return _http_error(known)
        case BadInput() as refusal:
            return reply({"error": masked_text(str(refusal))}, 400)
        case NotFound() as missing:
            return reply({"error": masked_text(str(missing))}, 404)
        case Draining():
            return reply({"error": "the engine is stopping"}, 503, RETRY_AFTER)
        case Busy():
            return reply({"error": TOO_BUSY}, 503, RETRY_AFTER)
        case WorkerEnded():
            return reply({"error": f"the answer cannot be made: {error}"}, 503, RETRY_AFTER)
        case TooSlow():
            return reply({"error": TOO_SLOW}, 503, RETRY_AFTER)
        case StoreUnavailable() | ActorGone() | trio.TooSlowError():
            return reply({"error": "the database is not available"}, 503, RETRY_AFTER)
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return _unforeseen()


def _alike(error: Exception) -> Exception:
    """The one error of a group whose members are all of a kind."""
    if not isinstance(error, ExceptionGroup):
        return error
    members = [_alike(member) for member in error.exceptions]
    return members[0] if len({type(member) for member in members}) == 1 else error


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if status == 500:
        return _unforeseen()
    told = vars(error).get("description") or MESSAGES.get(status) or error.name
    if status == 413:
        told = f"the body is larger than {told_size(max_body(request.path))}"
    headers = {key: value for key, value in error.get_headers() if key != "Content-Type"}
    # The contract knows no code for a body that does not come: it is a bad request.
    return reply({"error": told}, 400 if status == 408 else status, headers)


def _unforeseen() -> Response:
    if request.method == "POST" and request.path.rstrip("/") in ("/job", "/jobs"):
        return Response(NO_JOB, 500, content_type="text/plain; charset=utf-8")
    return reply({"error": "internal error"}, 500)
