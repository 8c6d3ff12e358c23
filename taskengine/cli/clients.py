"""`taskengine client`: who may send jobs. Works on the database directly."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from taskengine.api_keys import hash_key, new_key, rotated, wrong_key, wrong_name
from taskengine.cli.database import database_options, in_new_store, in_store, read
from taskengine.cli.output import json_option, print_json, print_table
from taskengine.model import BadInput, Client, JsonObject, NotFound
from taskengine.times import format_time

if TYPE_CHECKING:
    from taskengine.store import Store
    from taskengine.store.postgres import PostgresStore

SHORTEST_KEY = 6  # characters; what is made up here has 36
KEY_HELP = "`-` reads it from standard input: `ps` shows command lines to everybody."
GRACE = 86_400.0  # seconds that a key opens once it was replaced


def key_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Another key, and how long the one before opens."""
    limit, about = click.FloatRange(0, 10 * 365 * 86_400), "How long the key before opens too."
    command = click.option(
        "--grace", metavar="SECONDS", type=limit, default=GRACE, show_default=True, help=about
    )(command)
    return click.option("--api-key", metavar="KEY", help=f"The new key. {KEY_HELP}")(command)


@click.group()
def client() -> None:
    """Clients that may send jobs, with their roots, storage and callback options."""


@client.command()
@click.argument("name")
@click.option("--api-key", metavar="KEY", help=f"The key; generated if not given. {KEY_HELP}")
@click.option("--admin", is_flag=True, help="May act for others and write the system's settings.")
@database_options
def add(name: str, api_key: str | None, admin: bool, **database: str | None) -> None:
    """Create a client and print its key; it is not shown again.

    The first client made is an admin, and works in the folders that are configured as roots. Each
    later one gets roots of its own below them, which other clients cannot use; `client list`
    shows them, `client set` changes them.
    """
    from taskengine.storage.roots import own_roots

    check_name(name)
    key = given_key(api_key) or new_key()
    roots = own_roots(name, read(database).local_roots)

    async def work(store: Store) -> Client:
        return await make_client(store, Client(name, hash_key(key), admin), roots)

    made = in_new_store(work, **database)
    click.echo(f"client {name} added{' (admin)' if made.admin else ''}")
    if api_key is None:
        click.echo(f"api-key: {key}")
    for folder in made.options.get("roots", {}).values():
        if Path(folder).is_dir() and any(Path(folder).iterdir()):
            click.echo(f"{folder} is not empty: what is in there is {name}'s now", err=True)


async def make_client(store: Store, new: Client, roots: JsonObject) -> Client:
    """Add a client as it then is: the first one as an admin on the common roots, any other with
    these of its own. Raises BadInput if there is one of its name."""
    first = replace(new, admin=True)
    if await store.put_client(first, bootstrap=True):
        return first
    new = replace(new, options={**new.options, "roots": roots})
    if not await store.put_client(new, new=True):
        raise BadInput(f"there is a client {new.name} already")
    return new


@client.command("set")
@click.argument("name")
@click.argument("changes", metavar="[KEY=VALUE…]", nargs=-1)
@click.option("--admin/--no-admin", default=None, help="Whether the client may act for others.")
@key_options
@database_options
def set_options(
    name: str, changes: tuple[str, ...], admin: bool | None, api_key: str | None, grace: float,
    **database: str | None,
) -> None:  # fmt: skip
    """Change a client's options, and print them with secrets masked.

    \b
    roots.KEY=FOLDER         the local folder of a root key, such as output_root
    roots.STORAGE.KEY=FOLDER the same on another storage; else <root>/<client> for who has roots
    storage=TYPE             its default storage: local, S3, azure_blob
    track_properties=JSON    rules that jobs with apply_track_properties apply first
    cpix_url=URL             its key service, as in 'https://keys.example/{content_id}'
    callback.secret=TEXT     signs its callbacks (Standard Webhooks; whsec_… is base64)
    callback.headers.X=TEXT  a header of its callbacks
    callback.events=LIST     the events to send, as in '["fail", "end"]'; else all
    callback.body=TEMPLATE   a template of the body to send, as in '{"id": "{{ body.job_id }}"}'
    callback.verify=false    accepts any TLS certificate of the receivers

    A value is parsed as JSON if possible, else it is text; roots, storage, URLs, secrets and
    headers are always text. `KEY=` without a value removes the key. `taskengine client key`
    generates an api-key.
    """
    from taskengine.cli.options import changed

    key = given_key(api_key)
    if not changes and admin is None and key is None:
        raise click.UsageError("expected KEY=VALUE, --admin, --no-admin or --api-key")

    async def work(store: PostgresStore) -> Client:
        found = await existing(store, name)
        if admin is False:
            await check_not_last(store, found)
        rights = found.admin if admin is None else admin
        found = replace(found, options=changed(found.options, changes), admin=rights)
        if key is not None:
            found = rotated(found, key, await store.time() + timedelta(seconds=grace))
        await store.put_client(found)
        return found

    print_json(_options(in_store(work, **database)))


@client.command("key")
@click.argument("name")
@key_options
@database_options
def change_key(name: str, api_key: str | None, grace: float, **database: str | None) -> None:
    """Give a client a new key; a generated key is printed and not shown again.

    The old key stays valid for a while, so that the client can change over; with `--grace 0`
    it is invalid at once.
    """
    key = given_key(api_key) or new_key()

    async def work(store: PostgresStore) -> datetime:
        until = await store.time() + timedelta(seconds=grace)
        await store.put_client(rotated(await existing(store, name), key, until))
        return until

    until = in_store(work, **database)
    click.echo(f"client {name} has another key")
    if api_key is None:
        click.echo(f"api-key: {key}")
    if grace:
        click.echo(f"the key before opens until {format_time(until)}")


@client.command("list")
@json_option
@database_options
def list_clients(as_json: bool, **database: str | None) -> None:
    """List the clients."""
    import json

    async def work(store: Store) -> list[Client]:
        return list(await store.clients())

    found = in_store(work, **database)
    if as_json:
        print_json([{"name": c.name, "admin": c.admin, "options": _options(c)} for c in found])
        return
    rows = [(c.name, "yes" if c.admin else "", json.dumps(_options(c))) for c in found]
    print_table(("client", "admin", "options"), rows)


@client.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Remove the client even if it is the last admin.")
@database_options
def remove(name: str, force: bool, **database: str | None) -> None:
    """Remove a client with its schedules: its key is invalid at once.

    Its jobs stay, and those that wait or run go on, with its settings, which are removed after the
    last. To change a key, use `taskengine client key`.
    """

    async def work(store: Store) -> list[str]:
        found = await existing(store, name)
        if not force:
            await check_not_last(store, found)
        recurring = [one.name for one in await store.schedules() if one.client == name]
        await store.remove_client(name)
        return recurring

    recurring = in_store(work, **database)
    click.echo(f"client {name} removed")
    for schedule in recurring:
        click.echo(f"schedule {schedule} removed")


def _options(one: Client) -> JsonObject:
    """As they may be shown."""
    from taskengine.callbacks.options import shown_options

    return shown_options(one.options)


async def existing(store: Store, name: str) -> Client:
    found = await store.client(name)
    if found is None:
        raise NotFound(f"there is no client {name}")
    return found


async def check_not_last(store: Store, one: Client) -> None:
    """Raises BadInput for the last admin where other clients stay: nobody could write the
    system's settings any more. After the last client the next one made is an admin again."""
    others = [other for other in await store.clients() if other.name != one.name]
    if one.admin and others and not any(other.admin for other in others):
        raise BadInput(
            f"{one.name} is the last admin: make another one first, with "
            f"`taskengine client set {others[0].name} --admin` or `client add NAME --admin`"
        )


def check_name(name: str) -> None:
    if problem := wrong_name(name):
        raise click.BadParameter(problem, param_hint="NAME")


def given_key(text: str | None) -> str | None:
    """The key that an option gives, or standard input where it is `-`."""
    if text is None:
        return None
    key = sys.stdin.readline().strip() if text == "-" else text
    if problem := wrong_key(key):
        raise click.BadParameter(problem, param_hint="--api-key")
    if len(key) < SHORTEST_KEY:
        told = f"expected {SHORTEST_KEY} characters or more, hard to guess"
        raise click.BadParameter(told, param_hint="--api-key")
    return key
