"""The embedded servers start, are shared, survive kills and leave no process behind."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio
import trio

from taskengine.embedded import postgres
from taskengine.embedded.locks import SHARED, is_free
from taskengine.embedded.postgres import embedded_postgres
from taskengine.embedded.server import START_SECONDS, EmbeddedServerFailed
from taskengine.embedded.valkey import embedded_valkey
from tests.e2e.owners import (
    family,
    gone,
    kill,
    owner_process,
    ping,
    processes_with,
    query,
    status,
    status_or_none,
    until,
    until_answers,
    url_of,
)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a database in it, made once: initdb takes most of a first start."""
    folder = tmp_path_factory.mktemp("template")

    async def make() -> None:
        async with embedded_postgres(folder) as url:
            await query(url, "CREATE TABLE kept AS SELECT 42 AS answer")

    trio.run(make)
    return folder


@pytest.fixture
def data_dir(tmp_path: Path, template: Path) -> Iterator[Path]:
    """A copy of the template; afterwards no process may be left that knows of it."""
    folder = tmp_path / "var"
    shutil.copytree(template, folder)
    yield folder
    assert processes_with(str(folder)) == []


async def test_first_start_makes_a_durable_utf8_database(tmp_path: Path) -> None:
    async with embedded_postgres(tmp_path) as url:
        assert url.startswith("postgresql://taskengine:")
        assert url.endswith("/taskengine")
        settings = "fsync synchronous_commit full_page_writes data_checksums server_encoding"
        sql = "SELECT string_agg(current_setting(name), ' ') FROM unnest('{{{}}}'::text[]) name"
        values = await query(url, sql.format(settings.replace(" ", ",")))
        assert values == "on on on on UTF8"
        password = (tmp_path / "postgres/password").read_text()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await query(url.replace(password, "wrong"), "SELECT 1")
    assert processes_with(str(tmp_path)) == []


async def test_valkey_answers_and_stops(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as url:
        assert await ping(url) is True
        server = status(tmp_path, "valkey")
        password = url.split(":")[2].partition("@")[0]
        assert processes_with(password) == []
        with pytest.raises(redis.exceptions.AuthenticationError):
            await ping(url.replace(password, "wrong"))
    await until(lambda: gone({server["pid"], server["guard"]}))


ODD = [" blanks in it ", "it's", 'say "x"', "back\\slash", "ü-日本", "#%$,=", "a\u2028b"]


@pytest.mark.parametrize("name", ODD)
async def test_a_path_may_have_any_characters(tmp_path: Path, template: Path, name: str) -> None:
    folder = tmp_path / name
    shutil.copytree(template, folder)
    for _ in range(2):  # the second one finds what the first has left
        async with embedded_postgres(folder) as url, embedded_valkey(folder) as cache:
            assert await query(url, "SELECT answer FROM kept") == 42
            assert await ping(cache) is True
            server = Path(f"/proc/{status(folder, 'valkey')['pid']}/cwd")
            assert server.readlink() == folder / "valkey"
    assert processes_with(str(folder)) == []


async def test_second_start_keeps_data_and_password_out_of_sight(data_dir: Path) -> None:
    async with embedded_postgres(data_dir) as url:
        assert await query(url, "SELECT answer FROM kept") == 42
        assert processes_with((data_dir / "postgres/password").read_text()) == []
        running = family(status(data_dir)["guard"])
        assert len(running) > 3
    await until(lambda: gone(running))
    assert (data_dir / "postgres/password").stat().st_mode & 0o777 == 0o600
    assert (data_dir / "postgres/data").stat().st_mode & 0o777 == 0o700


async def test_owners_share_a_server_and_the_last_stops_it(data_dir: Path) -> None:
    async with owner_process(data_dir) as other:
        theirs = await url_of(other)
        async with embedded_postgres(data_dir) as ours, embedded_postgres(data_dir) as again:
            assert ours == again == theirs
            running = family(status(data_dir)["guard"])
            other.terminate()
            await other.wait()
            await until_answers(ours)
    await until(lambda: gone(running))


async def test_a_killed_owner_leaves_no_server(data_dir: Path) -> None:
    for kind in ("postgres", "valkey"):
        async with owner_process(data_dir, kind) as owner:
            await url_of(owner)
            running = family(status(data_dir, kind)["guard"])
            owner.kill()
            await until(lambda pids=running: gone(pids))  # type: ignore[misc]


async def test_an_owner_that_comes_while_the_server_stops_starts_anew(data_dir: Path) -> None:
    async with owner_process(data_dir) as owner:
        await url_of(owner)
        before = status(data_dir)
        owner.kill()
        owners = data_dir / "postgres/owners.lock"
        await until(lambda: not is_free(owners, SHARED) or gone({before["guard"]}))
        async with embedded_postgres(data_dir) as url:
            assert gone({before["guard"], before["pid"]})
            await until_answers(url)


async def test_a_killed_server_is_restarted_in_place(data_dir: Path) -> None:
    async with embedded_postgres(data_dir) as url:
        before = status(data_dir)
        os.kill(before["guard"], signal.SIGTERM)  # a guard goes after its owners, not before
        os.kill(before["pid"], signal.SIGKILL)
        await until(lambda: status(data_dir)["pid"] != before["pid"])
        assert status(data_dir) | {"pid": 0} == before | {"pid": 0}
        await until_answers(url)


async def test_a_killed_guard_takes_its_server_along(data_dir: Path) -> None:
    async with embedded_postgres(data_dir):
        before = status(data_dir)
        running = family(before["guard"])
        os.kill(before["guard"], signal.SIGKILL)
        await until(lambda: gone({before["guard"]}))
        async with embedded_postgres(data_dir) as url:
            await until_answers(url)
            assert status(data_dir)["guard"] != before["guard"]
            assert status(data_dir)["port"] == before["port"]
            assert gone(running)


@pytest.mark.parametrize("kind", ["postgres", "valkey"])
async def test_an_owner_that_lives_replaces_a_killed_guard(data_dir: Path, kind: str) -> None:
    opened = {"postgres": embedded_postgres, "valkey": embedded_valkey}[kind]
    async with opened(data_dir) as url, owner_process(data_dir, kind) as other:
        assert await url_of(other) == url
        before = status(data_dir, kind)
        os.kill(before["guard"], signal.SIGKILL)
        await until(lambda: status_or_none(data_dir, kind) not in (None, before))
        after = status(data_dir, kind)
        assert after["port"] == before["port"]
        if kind == "postgres":
            await until_answers(url)
        else:
            assert await ping(url)
    ended = {pid for told in (before, after) for pid in (told["guard"], told["pid"])}
    await until(lambda: gone(ended))


async def test_everything_killed_at_once(data_dir: Path) -> None:
    async with owner_process(data_dir) as owner:
        await url_of(owner)
        guard = status(data_dir)["guard"]
        running = family(guard)
        os.kill(guard, signal.SIGSTOP)  # it sees nobody else die
        for pid in (owner.pid, status(data_dir)["pid"], *running):
            kill(pid)
        await until(lambda: gone(running))
        # As after a restart of a container, where old process ids belong to others.
        pid_file = data_dir / "postgres/data/postmaster.pid"
        pid_file.write_text(pid_file.read_text().replace(str(status(data_dir)["pid"]), "1", 1))
    async with embedded_postgres(data_dir) as url:
        await until_answers(url)


async def test_an_empty_pid_file_is_no_hindrance(data_dir: Path) -> None:
    (data_dir / "postgres/data/postmaster.pid").touch()
    async with embedded_postgres(data_dir) as url:
        await until_answers(url)


def unending_start(folder: Path) -> Path:
    """Binaries of a server whose first start stops half-way."""
    folder.mkdir()
    (folder / "initdb").write_text('#!/bin/sh\nmkdir "$2/base"\nexec sleep 3600\n')
    (folder / "initdb").chmod(0o755)
    (folder / "postgres").symlink_to(postgres._binary())
    return folder / "postgres"


async def test_an_interrupted_first_start_is_made_up_for(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    async with owner_process(tmp_path, binary=unending_start(tmp_path / "bin")) as owner:
        await until(lambda: any(folder.glob("new-*/base")))
        for pid in family(owner.pid):
            kill(pid)
    await until(lambda: processes_with(str(tmp_path)) == [])
    assert not (folder / "data").exists()
    async with embedded_postgres(tmp_path) as url:
        assert await query(url, "SELECT 1") == 1
    assert not any(folder.glob("new-*"))


async def test_binaries_and_data_below_a_closed_folder(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = postgres._binary().parents[2]
    for name in ("pginstall18/bin", "pginstall18/lib", "pginstall18/share"):
        skip = shutil.ignore_patterns("*.a", "pg_[a-gj-z]*", "ecpg")
        shutil.copytree(package / name, closed / "package" / name, ignore=skip)
    shutil.copytree(f"{package}.libs", closed / f"{package.name}.libs")
    monkeypatch.setattr(postgres, "_binary", lambda: closed / "package/pginstall18/bin/postgres")
    async with embedded_postgres(closed / "var") as url:
        assert await query(url, "SELECT 1") == 1
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("broken", ["PG_VERSION", "global/pg_control", "../password"])
async def test_a_broken_folder_is_told_clearly(data_dir: Path, broken: str) -> None:
    (data_dir / "postgres/data" / broken).unlink()
    # At once, not when the time for a start is over.
    with trio.fail_after(START_SECONDS / 2), pytest.raises(EmbeddedServerFailed) as failure:
        async with embedded_postgres(data_dir):
            pass
    assert Path(broken).name in str(failure.value)
