"""What the engine says to somebody who meets it for the first time."""

import logging
import socket

import pytest
import trio

from taskengine.actions import find_actions
from taskengine.actors.counter_publisher import PUBLISH_INTERVAL, CounterPublisher
from taskengine.actors.instance_state import InstanceState
from taskengine.addresses import Allowed
from taskengine.api_keys import hash_key
from taskengine.cli.serving import check_address
from taskengine.configuration import Configuration
from taskengine.counters import CountersUnavailable
from taskengine.main import _tell_stop, bootstrap
from taskengine.model import Client
from taskengine.store.memory import MemoryStore
from taskengine.workflows.library import CurrentLibrary
from tests.conftest import NOON

KEY = "a-key-for-the-tests"


class Store(MemoryStore):
    """One that waits for nothing, and tells its time."""

    @property
    def patient(self):
        return self

    async def time(self):
        await trio.lowlevel.checkpoint()
        return NOON


@pytest.mark.parametrize(
    ("given", "there", "told"),
    [
        (None, None, "there is no client yet: `taskengine client add NAME` makes one"),
        (None, "acme", ""),
        (f"acme:{KEY}", None, ""),
        (f"acme:{KEY}", "acme", ""),
        ("acme:other", "acme", "there are clients already, and acme has another key: bootstrap_"),
        (f"zoo:{KEY}", "acme", "there are clients already, and zoo is not one of them: bootstrap_"),
    ],
)
async def test_who_cannot_call_finds_the_reason_in_the_log(caplog, given, there, told):
    store = Store()
    if there:
        await store.put_client(Client(there, hash_key(KEY)))
    await bootstrap(store, Configuration(bootstrap_client=given))
    assert caplog.text.count("WARNING") == bool(told)
    assert told in caplog.text
    assert "other" not in caplog.text.replace("another", "")
    assert KEY not in caplog.text


def test_a_workflow_file_that_nobody_reads_is_told(caplog, tmp_path):
    for name in ("common/good", "greet", "comon/greet", "clients/greet", "clients/a/b/c", ".x"):
        file = tmp_path / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("workflow: good\ntasks:\n  - {name: a, action: core.noop}\n")
    (tmp_path / "empty").mkdir()
    library = CurrentLibrary([tmp_path, tmp_path / "empty"], find_actions())
    assert [workflow.name for workflow in library.current.all()] == ["good"]
    told = [record.message.replace(str(tmp_path), "") for record in caplog.records]
    where = "not read: expected in common/*.yaml or clients/<client>/*.yaml"
    assert told == [
        f"workflow files: /greet.yaml:1: {where}",
        f"workflow files: /clients/greet.yaml:1: {where}",
        f"workflow files: /comon/greet.yaml:1: {where}",
        "workflow files: /empty:1: holds neither common/*.yaml nor clients/<client>/*.yaml",
    ]


class Comes:
    """A mirror that is away from second 2 to second 5."""

    async def publish(self, instance, counts):
        await trio.lowlevel.checkpoint()
        if 2 <= trio.current_time() < 5:
            raise CountersUnavailable("Connection refused")

    async def withdraw(self, instance):
        await trio.lowlevel.checkpoint()


async def test_a_mirror_that_is_away_is_told_once_and_so_is_its_return(caplog, autojump_clock):
    caplog.set_level(logging.INFO)
    mirror = CounterPublisher(Comes(), InstanceState(1, 15.0), dict)
    with trio.move_on_after(10 * PUBLISH_INTERVAL):
        await mirror.run()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "the mirror of the queue counters (redis_url) is away: Connection refused"),
        ("INFO", "the mirror of the queue counters is back"),
    ]


@pytest.mark.parametrize(("tasks", "told"), [(0, "stopping"), (3, "(3) have 20 s to end")])
def test_whoever_stops_the_engine_is_told_what_it_waits_for(caplog, tasks, told):
    caplog.set_level(logging.INFO)
    _tell_stop(tasks, 20.0)
    assert told in caplog.text


def test_an_address_that_is_taken_is_told_before_anything_is_made():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            check_address(f"127.0.0.1:{port}")
    check_address(f"127.0.0.1:{port}")
    check_address("127.0.0.1:0")


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("http://10.1.2.3/hook", True),
        ("http://[::1]:9000/", True),
        ("http://localhost/", True),
        ("http://LocalHost./", True),
        ("http://169.254.169.254/", True),
        ("http://192.168.1.9/", False),
        ("https://93.184.215.14/", False),
        ("http://receiver.example/", False),
    ],
)
def test_an_address_that_no_callback_reaches_is_known_from_its_url(url, refused):
    assert Allowed.parse(["192.168.0.0/16"]).refuses(url) is refused
