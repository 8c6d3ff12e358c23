"""URLs of databases that cannot be used: one clear line, without the password in it."""

from __future__ import annotations

import pytest
import trio_asyncio
from click.testing import CliRunner

from taskengine.cli import main
from taskengine.configuration import read_configuration
from taskengine.model import Misconfigured, StoreUnavailable
from taskengine.server_urls import check_database_url, check_redis_url, hosts_of
from taskengine.store.postgres.migrate import upgrade

PASSWORDS = ["sec/ret9", "sec?ret9", "sec#ret9", "s[ec9", "s]ec9", "12/ret9", "se:c/ret9", "9?x"]
BAD = [f"postgresql://te:{password}@127.0.0.1:5999/db" for password in PASSWORDS]
BAD += [
    "postgresql://te:ret9@127.0.0.1:notaport/db",
    "postgresql://te:ret9@127.0.0.1:99999/db",
    "postgresql://te:p@ss#w/ret9?x@127.0.0.1/db",
    "mysql://te:ret9@127.0.0.1/db",
    "te:ret9@127.0.0.1",
    "postgresql:te:ret9@127.0.0.1/db",
]
GOOD = [
    "postgresql://te:p%40ss%2Fw%3Frd%23%25%5Bx%5D@127.0.0.1:5999/db",
    "postgres://te@localhost",
    "postgresql://te:p@ss@127.0.0.1/db",
    "postgresql://te:x@one:5432,two:5433,three/db?target_session_attrs=any",
    "postgresql://te:x@[::1]:5432/db",
    "postgresql:///db?host=/var/run/postgresql&user=te@server",
    "postgresql://te:x@db/te?sslmode=require",
]


def refused(url, *command):
    """What a command says of it."""
    done = CliRunner(env={"TASKENGINE_DATABASE_URL": url}).invoke(main, command)
    assert done.exit_code == 2, done.output
    [line] = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("url", BAD)
def test_what_is_no_url_is_told_in_one_line_that_shows_none_of_it(url):
    for command in (("db", "upgrade"), ("serve",), ("client", "list")):
        line = refused(url, *command)
        assert line.startswith(
            "Error: TASKENGINE_DATABASE_URL: expected a URL such as postgresql://host:5432/database"
        )
        assert "ret9" not in line
        assert "127.0.0.1" not in line


@pytest.mark.parametrize("url", BAD[:8])
def test_that_the_password_has_to_be_encoded_is_said(url):
    assert "have to be percent-encoded" in refused(url, "db", "upgrade")


@pytest.mark.parametrize("url", GOOD)
def test_what_the_driver_reads_is_taken(url):
    check_database_url(url)


def test_a_file_that_is_missing_is_named():
    for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl"):
        url = f"postgresql://te:ret9@127.0.0.1/db?sslmode=verify-full&{name}=/nope"
        line = refused(url, "db", "upgrade")
        assert line == f"Error: TASKENGINE_DATABASE_URL: {name}: no such file: /nope"


def test_what_only_the_driver_refuses_is_a_misuse_too():
    line = refused("postgresql://te:ret9@127.0.0.1:1/db?sslmode=sometimes", "db", "upgrade")
    assert line.startswith("Error: database_url: ")
    assert "ret9" not in line


def test_an_unknown_host_is_named():
    async def ask():
        with pytest.raises(StoreUnavailable, match=r"unknown host no-such-host\.invalid") as caught:
            await upgrade("postgresql://te:ret9@no-such-host.invalid/db")
        assert "ret9" not in str(caught.value)

    trio_asyncio.run(ask)
    assert hosts_of("postgresql://u:p@one:1,[::1]:2/db") == "one, ::1"
    assert hosts_of("postgresql:///db") == "the default host"


def test_an_empty_variable_is_as_good_as_none(monkeypatch):
    for name in ("DATABASE_URL", "REDIS_URL", "BOOTSTRAP_CLIENT", "DATA_DIR", "OUTBOUND_ALLOW"):
        monkeypatch.setenv(f"TASKENGINE_{name}", "")
    read = read_configuration()
    assert (read.database_url, read.redis_url, read.bootstrap_client) == (None, None, None)
    assert read.embedded_database


@pytest.mark.parametrize(
    "url",
    ["redis://:p/ret9@h", "redis://:pret9@h:port", "http://h", "redis:h", "redis://:a#ret9@h"],
)
def test_a_url_of_redis_is_checked_alike(url, monkeypatch):
    with pytest.raises(ValueError, match="expected a URL such as redis://") as caught:
        check_redis_url(url)
    assert "ret9" not in str(caught.value)
    monkeypatch.setenv("TASKENGINE_REDIS_URL", url)
    with pytest.raises(Misconfigured, match=r"^TASKENGINE_REDIS_URL: expected a URL"):
        read_configuration()


@pytest.mark.parametrize(
    "url", ["redis://h", "rediss://u:p%2F@h:6380/1", "unix:///run/r.sock?db=1"]
)
def test_urls_of_redis(url):
    check_redis_url(url)
    assert read_configuration(redis_url=url).redis_url == url
    assert read_configuration(redis_url="none").redis_url == "none"
