"""An action that holds up the loop is named while it does; by real threads and a real clock."""

import logging
import threading

from taskengine.actors.containment import contained
from taskengine.actors.loop_watch import Standstill


class Told(logging.Handler):
    """The line that names the task, once it is there."""

    def __init__(self):
        super().__init__()
        self.line = ""
        self.is_there = threading.Event()

    def emit(self, record):
        if "task 7" in record.getMessage():  # not what may have been slow before it
            self.line = record.getMessage()
            self.is_there.set()


async def test_a_blocking_call_is_named_while_it_lasts():
    told = Told()
    watcher = logging.getLogger("taskengine.actors.loop_watch")
    watcher.addHandler(told)

    async def blocking():
        standstill.turned()
        assert told.is_there.wait(60)  # as long as it is not told, the loop stands still

    try:
        with Standstill(after=0.2).watched() as standstill:
            await contained(blocking, "task 7")
    finally:
        watcher.removeHandler(told)
    assert told.line.startswith("the loop stands still: task 7 has held it up for ")
    assert f"{__file__}:" in told.line
    assert "in blocking" in told.line
