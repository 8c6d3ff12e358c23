"""Keys of an asset from a CPIX document."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import httpx
import trio

from taskengine.actions.context import Context
from taskengine.actions.http import PASSING
from taskengine.actions.materials import fetch
from taskengine.actions.registry import action
from taskengine.media.cpix import read_cpix
from taskengine.media.keys import AssetKeys, asset_name
from taskengine.model import JsonObject, PermanentFailure
from taskengine.outbound import RequestFailed, exchange
from taskengine.storage import Folder

LARGEST: Final = 1 << 20  # bytes of a document
SECONDS: Final = 30.0  # for an answer
CONTENT_ID: Final = "{content_id}"  # in the URL of a key service


@action("keys.take_cpix")
async def take_cpix(
    context: Context,
    *,
    content_id: str,
    target: dict[str, str],
    source: dict[str, str] | None = None,
    documents: list[str] | None = None,
    download: bool = False,
    url: str | None = None,
    retries: int = 0,
) -> JsonObject:
    """Keep the key of a CPIX document as that of the asset: of the one document in the source
    folder, or, `download`, of the client's key service at `url`, in which {content_id} stands for
    the content id."""
    if download:
        document = await downloaded(context, url, content_id)
    else:
        document = await _of_source(context, source, documents or [], retries)
    folder = await context.open_folder(**target)
    return {"key_id": (await keep(context, document, folder, content_id)).key_id}


async def keep(context: Context, document: bytes, folder: Folder, content_id: str) -> AssetKeys:
    """Keep the key of a document as that of the asset in a folder. Raises PermanentFailure if it
    has another one."""
    asset, found = asset_name(folder, content_id), read_cpix(document)
    await context.confirm()
    kept = await context.keys.keep(asset, found)
    if (kept.key_id, kept.key) != (found.key_id, found.key):
        raise PermanentFailure("cpix: the asset is encrypted with another key already")
    await context.info(f"The key {kept.key_id} is taken from a CPIX document")
    return kept


async def _of_source(
    context: Context, source: dict[str, str] | None, documents: list[str], retries: int
) -> bytes:
    if source is None or len(documents) != 1:
        raise PermanentFailure(
            f"cpix: expected one document (.cpix) in the source folder, found {len(documents)};"
            " download_cpix fetches it from the client's key service"
        )
    local = context.scratch / "keys.cpix"
    await fetch(context, await context.open_folder(**source), documents[0], local, retries)
    try:
        if (await trio.Path(local).stat()).st_size > LARGEST:
            raise PermanentFailure(f"{documents[0]}: expected a CPIX document of at most 1 MiB")
        return await trio.Path(local).read_bytes()
    finally:
        await trio.Path(local).unlink()


async def downloaded(context: Context, url: str | None, content_id: str) -> bytes:
    """The document that the client's key service has for a content id."""
    if not url:
        raise PermanentFailure(
            "download_cpix: the client has no key service: `taskengine client set NAME"
            " cpix_url=https://…/{content_id}`"
        )
    request = httpx.Request("GET", url.replace(CONTENT_ID, quote(content_id, safe="")))
    told = f"cpix: GET {request.url.host}"
    response, document = await exchange(
        context.http, request, told=told, seconds=SECONDS, limit=LARGEST + 1
    )
    return _answered(told, response.status_code, document)


def _answered(told: str, status: int, document: bytes) -> bytes:
    if status != 200:
        is_passing = status in PASSING or status >= 500
        raise (RequestFailed if is_passing else PermanentFailure)(f"{told}: answered {status}")
    if len(document) > LARGEST:
        raise PermanentFailure(f"{told}: expected a CPIX document of at most 1 MiB")
    return document
