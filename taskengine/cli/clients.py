"""`taskengine client`: who may send jobs. Works on the database directly."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from taskengine.api_keys import hash_key, new_key
from taskengine.cli.database import database_options, in_store
from taskengine.cli.output import json_option, print_json, print_table
from taskengine.model import BadInput, Client, NotFound

if TYPE_CHECKING:
    from taskengine.store import Store

MAX_NAME = 100  # characters


@click.group()
def client() -> None:
    """Clients: who may send jobs, and with which roots, storage and callback options."""


@client.command()
@click.argument("name")
@click.option("--api-key", metavar="KEY", help="Its key; else one is made up.")
@click.option("--admin", is_flag=True, help="May act for others and write the system's settings.")
@database_options
def add(name: str, api_key: str | None, admin: bool, **database: str | None) -> None:
    """Make a client and print its key, this once. The first client made is an admin."""
    check_name(name)
    if api_key is not None:
        check_key(api_key)
    key = api_key or new_key()

    async def work(store: Store) -> bool:
        return await make_client(store, Client(name, hash_key(key), admin))

    is_admin = in_store(work, **database)
    click.echo(f"client {name} added{' (admin)' if is_admin else ''}")
    if api_key is None:
        click.echo(f"api-key: {key}")


async def make_client(store: Store, new: Client) -> bool:
    """Add a client; whether it became an admin. Raises BadInput if there is one of its name."""
    if await store.client(new.name) is not None:
        raise BadInput(f"there is a client {new.name} already")
    if await store.put_client(replace(new, admin=True), bootstrap=True):
        return True
    await store.put_client(new)
    return new.admin


@client.command("set")
@click.argument("name")
@click.argument("changes", metavar="KEY=VALUE…", nargs=-1, required=True)
@database_options
def set_options(name: str, changes: tuple[str, ...], **database: str | None) -> None:
    """Change a client's options, and print them with secrets masked.

    \b
    roots.KEY=FOLDER         the folder of a root key, such as output_root
    storage=TYPE             its default storage: local, S3, azure_blob
    callback.secret=TEXT     signs its callbacks (Standard Webhooks; whsec_… is base64)
    callback.headers.X=TEXT  a header of its callbacks
    callback.events=LIST     those it wants to hear of, as in '["fail", "end"]'; else all
    callback.body=TEMPLATE   what is sent instead, as in '{"id": "{{ body.job_id }}"}'
    callback.verify=false    takes any TLS certificate of its receivers

    A value is JSON where it can be read so, else text; the first four are always text. `KEY=`
    with nothing behind it removes the key.
    """
    from taskengine.cli.options import changed, hidden

    async def work(store: Store) -> Client:
        found = await existing(store, name)
        found = replace(found, options=changed(found.options, changes))
        await store.put_client(found)
        return found

    print_json(hidden(in_store(work, **database).options))


@client.command("list")
@json_option
@database_options
def list_clients(as_json: bool, **database: str | None) -> None:
    """List the clients."""
    import json

    from taskengine.cli.options import hidden

    async def work(store: Store) -> list[Client]:
        return list(await store.clients())

    found = in_store(work, **database)
    if as_json:
        print_json(
            [{"name": c.name, "admin": c.admin, "options": hidden(c.options)} for c in found]
        )
        return
    rows = [(c.name, "yes" if c.admin else "", json.dumps(hidden(c.options))) for c in found]
    print_table(("client", "admin", "options"), rows)


@client.command()
@click.argument("name")
@database_options
def remove(name: str, **database: str | None) -> None:
    """Remove a client with its schedules: its key is worth nothing from now on.

    Its jobs stay, and those that wait or run go on; its settings hold for them, and go with the
    last.
    """

    async def work(store: Store) -> list[str]:
        await existing(store, name)
        recurring = [one.name for one in await store.schedules() if one.client == name]
        await store.remove_client(name)
        return recurring

    recurring = in_store(work, **database)
    click.echo(f"client {name} removed")
    for schedule in recurring:
        click.echo(f"schedule {schedule} removed")


async def existing(store: Store, name: str) -> Client:
    found = await store.client(name)
    if found is None:
        raise NotFound(f"there is no client {name}")
    return found


def check_name(name: str) -> None:
    """A client's name is a header's value, and a folder below config/workflows/clients."""
    if not name.isprintable() or name != name.strip() or not 0 < len(name) <= MAX_NAME:
        raise click.BadParameter(
            f"expected 1 to {MAX_NAME} printable characters", param_hint="NAME"
        )
    if set(name) & set("/\\:") or name.startswith("."):
        raise click.BadParameter("expected no '/', '\\' or ':', and no '.' in front")


def check_key(key: str) -> None:
    if not key.isprintable() or not key.isascii() or key != key.strip() or not key:
        raise click.BadParameter("expected printable ASCII characters", param_hint="--api-key")
