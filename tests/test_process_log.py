"""The process's log, for people and for programs."""

import io
import json
import logging

import pytest

from taskengine.process_log import request_id, set_up_log


@pytest.fixture
def written():
    """What a log says of a line, set up anew."""
    root = logging.getLogger()
    before = root.handlers[:], root.level

    def lines(form, level="info"):
        stream = io.StringIO()
        set_up_log(level, form, stream)
        return stream

    yield lines
    root.handlers[:], root.level = before[0], before[1]


def test_a_line_for_people_has_its_time_level_logger_and_request(written):
    stream = written("text")
    token = request_id.set("r-1")
    logging.getLogger("taskengine.test").warning("to %s", "http://u:password@host/x")
    request_id.reset(token)
    line = stream.getvalue().rstrip()
    assert line.endswith("Z WARNING taskengine.test: to http://u:********@host/x [r-1]")


def test_a_line_for_programs_is_an_object(written):
    stream = written("json")
    logging.getLogger("taskengine.test").info("job %d", 7, extra={"figures": {"job": 7}})
    entry = json.loads(stream.getvalue())
    assert entry.pop("time").endswith("Z")
    assert entry == {"level": "info", "logger": "taskengine.test", "message": "job 7", "job": 7}


def test_an_error_has_its_traceback_on_the_same_line(written):
    stream = written("json")
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("taskengine.test").exception("failed")
    [line] = stream.getvalue().splitlines()
    assert json.loads(line)["error"].endswith("ValueError: no")


def test_what_is_less_severe_than_wanted_is_not_written(written):
    stream = written("text", "warning")
    logging.getLogger("taskengine.test").info("no")
    assert stream.getvalue() == ""


def test_what_others_say_begins_no_line_and_moves_no_cursor(written):
    stream = written("text")
    said = "no\n2031-01-01T00:00:00.000Z ERROR   forged\r\x1b[2J\u202e"
    logging.getLogger("taskengine.test").warning("a receiver: %s", said)
    first, second = stream.getvalue().splitlines()
    assert first.endswith("a receiver: no")
    assert second == "  2031-01-01T00:00:00.000Z ERROR   forged\ufffd\ufffd[2J\ufffd"
