"""The process's log, for people and for programs."""

import fcntl
import io
import json
import logging
import os
import select

import pytest

from taskengine.process_log import HurriedHandler, request_id, set_up_log


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


@pytest.fixture
def pipe():
    """A pipe that holds few lines, and a logger that writes into it."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4 * select.PIPE_BUF)
    os.set_blocking(reader, False)
    logger = logging.getLogger("taskengine.test.pipe")
    logger.propagate = False
    with open(writer, "w") as stream:
        handler = HurriedHandler(stream)
        logger.addHandler(handler)
        yield reader, logger
        logger.removeHandler(handler)
    os.close(reader)


def test_a_log_that_nobody_reads_holds_up_nobody(pipe):
    reader, logger = pipe
    for number in range(100):
        logger.warning("%d %s", number, "x" * 1_000)
    first = os.read(reader, 1 << 20).decode().splitlines()
    assert [line.split()[0] for line in first] == [str(number) for number in range(len(first))]
    logger.warning("again")
    told = os.read(reader, 1 << 20).decode().splitlines()
    assert told == [f"{100 - len(first)} lines were left out: nobody took them", "again"]


def test_a_long_line_of_a_full_log_is_cut_and_the_next_one_stands_alone(pipe):
    reader, logger = pipe
    logger.warning("a" * 100_000)
    assert {*os.read(reader, 1 << 20)} == {ord("a")}
    logger.warning("b")
    assert os.read(reader, 1 << 20) == b"\nb\n"


def test_a_reader_that_has_left_is_no_matter(pipe):
    reader, logger = pipe
    with open(os.open(os.devnull, os.O_RDONLY)) as nothing:
        os.dup2(nothing.fileno(), reader)
    logger.warning("a")
