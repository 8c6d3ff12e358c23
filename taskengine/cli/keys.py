"""`taskengine keys`: content keys of assets, for who runs a licence service."""

from __future__ import annotations

import click


@click.group()
def keys() -> None:
    """Content keys of assets; they are never in a log, a page or a callback."""


@keys.command()
@click.argument("folder")
@click.argument("content_id")
@click.option("--storage", default="local", show_default=True, help="local, S3 or azure_blob.")
@click.option(
    "--data-dir", metavar="FOLDER", help="where keys are.  [TASKENGINE_DATA_DIR; default: var]"
)
def export(folder: str, content_id: str, storage: str, data_dir: str | None) -> None:
    """Print the key of an asset as a CPIX 2.3 document, in the clear.

    FOLDER is the complete one, as callbacks name it. Handle what is printed as a secret.
    """
    import trio

    from taskengine.cli.database import read
    from taskengine.media.cpix import write_cpix
    from taskengine.media.keys import FileKeyStore

    store = FileKeyStore(read({"data_dir": data_dir}).data_dir.absolute() / "keys")
    found = trio.run(store.load, f"{storage}:{folder.rstrip('/')}:{content_id}")
    if found is None:
        raise click.ClickException(f"no key is kept for {content_id} in {storage} {folder}")
    click.echo(write_cpix(content_id, found), nl=False)
