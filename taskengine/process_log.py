"""The process's log: lines for people, or an object of JSON a line for programs.

Neither has a credential of a URL in it. Lines that a request causes carry its id.
"""

from __future__ import annotations

import json
import logging
import os
import re
import select
import sys
import time
from contextlib import suppress
from contextvars import ContextVar
from typing import TextIO

from taskengine.masking import masked_text
from taskengine.texts import clean_text

QUIET = ("httpx", "httpcore", "hypercorn.error", "asyncio")  # loggers: warnings alone
ACCESS = "taskengine.access"  # the logger of requests

AT_ONCE = select.PIPE_BUF  # bytes that are written in one piece
# What a terminal obeys: control characters but for ends of lines and tabs, and those that turn the
# direction of a text.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

request_id: ContextVar[str] = ContextVar("request_id", default="")


class TextFormatter(logging.Formatter):
    """Time, level, logger, message, and the id of the request that it is about."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self.converter = time.gmtime
        self.default_time_format = "%Y-%m-%dT%H:%M:%S"
        self.default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        number = request_id.get()
        told = OBEYED.sub("\N{REPLACEMENT CHARACTER}", super().format(record))
        return masked_text(f"{told} [{number}]" if number else told)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """What others say is part of messages: no line of theirs looks like one of the log."""
        return super().formatMessage(record).replace("\n", "\n  ")


class JsonFormatter(TextFormatter):
    """An object with `time`, `level`, `logger` and `message`; `request_id`, `error` (a traceback)
    and the figures of the line where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": masked_text(record.getMessage()),
        }
        if number := request_id.get():
            entry["request_id"] = number
        if record.exc_info:
            entry["error"] = masked_text(self.formatException(record.exc_info))
        entry |= getattr(record, "figures", {})
        return clean_text(json.dumps(entry, ensure_ascii=False, default=str))


class HurriedHandler(logging.StreamHandler[TextIO]):
    """Writes lines, and waits for nobody who does not take them: the loop of the engine would stand
    still with it. What is left out is counted, and told when there is room again."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._left_out = 0  # lines
        self._is_torn = False  # the last line that was begun has no end

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line, if there is room for its beginning."""
        try:
            self._emit(record)
        except Exception:  # of a line that cannot be formatted
            self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        if not self._has_room():
            self._left_out += 1
            return
        if left_out := self._left_out:
            self._left_out = 0
            said = (f"{left_out} lines were left out: nobody took them", None, None)
            self._write(logging.LogRecord(__name__, logging.WARNING, __file__, 0, *said))
        self._write(record)

    def _write(self, record: logging.LogRecord) -> None:
        text = f"{self.terminator * self._is_torn}{self.format(record)}{self.terminator}"
        data = text.encode(errors="backslashreplace")
        for start in range(0, len(data), AT_ONCE):
            self._is_torn = not self._has_room()
            if self._is_torn:
                return
            with suppress(OSError):  # the reader has left
                os.write(self.stream.fileno(), data[start : start + AT_ONCE])

    def _has_room(self) -> bool:
        """Whether so much can be written without waiting: a pipe has a page, or is full."""
        watched = select.poll()
        watched.register(self.stream.fileno(), select.POLLOUT)
        return bool(watched.poll(0))


def set_up_log(level: str = "info", form: str = "text", stream: TextIO | None = None) -> None:
    """One handler for all, on standard error."""
    handler: logging.Handler = logging.NullHandler()  # a process may have no standard error
    if stream or sys.stderr:
        handler = logging.StreamHandler(stream) if stream else HurriedHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
