"""Keys of an asset from CPIX documents, out of the source folder and from a key service."""

import httpx
import pytest
import trio
from click.testing import CliRunner

from taskengine.actions.cpix import take_cpix
from taskengine.cli.keys import keys
from taskengine.media.cpix import read_cpix, write_cpix
from taskengine.media.keys import FileKeyStore, asset_name, generate_keys
from taskengine.model import PermanentFailure
from taskengine.testing.actions import fake_context

KEYS = generate_keys()
DOCUMENT = write_cpix("film-1", KEYS)
TARGET = {"storage": "local", "root": "output_root", "folder": "out"}
SOURCE = {"storage": "local", "root": "input_root", "folder": "in"}
URL = "https://keys.example/cpix/{content_id}"
TWO = DOCUMENT.replace("</cpix:ContentKeyList>", '<cpix:ContentKey kid="x"/></cpix:ContentKeyList>')


async def taken(tmp_path, **more):
    answer = more.pop("service", lambda _: httpx.Response(500))
    context, journal = fake_context(tmp_path, answer=answer)
    await take_cpix(context, content_id="film 1", target=TARGET, **more)
    said = " ".join(line for _, line in journal.lines)
    assert KEYS.key not in said
    folder = context.roots("local", "output_root").below("out")
    return await context.keys.load(asset_name(folder, "film 1"))


def in_source(tmp_path, text=DOCUMENT):
    path = tmp_path / "input/in/film.cpix"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return {"source": SOURCE, "documents": ["film.cpix"]}


def test_a_document_says_what_was_written():
    read = read_cpix(DOCUMENT.encode())
    assert (read.key_id, read.key, read.iv) == (KEYS.key_id, KEYS.key, KEYS.iv)
    assert KEYS.key not in DOCUMENT  # it is in base64
    assert 'version="2.3"' in DOCUMENT


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<a/>", "expected a CPIX document"),
        ("no xml", "expected an XML document"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "expected an XML document"),
        (TWO, "expected one key for all tracks, found 2"),
        (DOCUMENT.replace("PlainValue", "EncryptedValue"), "expected a PlainValue"),
        (DOCUMENT.replace('kid="', 'kid="x'), "expected a UUID"),
        (DOCUMENT.replace("PlainValue>", "PlainValue>AA=="), "expected base64 of 16 bytes"),
    ],
)
def test_what_is_no_document_of_one_key_is_refused(text, why):
    with pytest.raises(PermanentFailure, match=why):
        read_cpix(text.encode())


async def test_the_document_of_the_source_folder_gives_the_key(tmp_path):
    kept = await taken(tmp_path, **in_source(tmp_path))
    assert (kept.key_id, kept.key, kept.aes) == (KEYS.key_id, KEYS.key, KEYS.key)
    again = await taken(tmp_path, **in_source(tmp_path))
    assert again.key == KEYS.key
    other = write_cpix("film-1", generate_keys())
    with pytest.raises(PermanentFailure, match="another key already"):
        await taken(tmp_path, **in_source(tmp_path, other))


async def test_the_key_service_of_the_client_gives_the_key(tmp_path):
    asked = []

    def service(request):
        asked.append(str(request.url))
        return httpx.Response(200, text=DOCUMENT)

    kept = await taken(tmp_path, download=True, url=URL, service=service)
    assert asked == ["https://keys.example/cpix/film%201"]
    assert kept.key == KEYS.key


def test_the_command_prints_the_document_of_an_asset(tmp_path):
    folder = "/srv/output/films/film-1"
    store = FileKeyStore(tmp_path / "keys")
    trio.run(store.keep, f"local:{folder}:film-1", KEYS)
    options = ["--data-dir", str(tmp_path)]
    done = CliRunner().invoke(keys, ["export", f"{folder}/", "film-1", *options])
    assert read_cpix(done.output.encode()).key == KEYS.key
    done = CliRunner().invoke(keys, ["export", folder, "film-2", *options])
    assert done.exit_code == 1
    assert "no key is kept for film-2" in done.output


async def test_a_service_that_has_no_document_fails_the_task(tmp_path):
    def service(_):
        return httpx.Response(404)

    with pytest.raises(PermanentFailure, match=r"cpix: GET keys\.example: answered 404"):
        await taken(tmp_path, download=True, url=URL, service=service)
    with pytest.raises(PermanentFailure, match="the client has no key service"):
        await taken(tmp_path, download=True)
    with pytest.raises(PermanentFailure, match="expected one document"):
        await taken(tmp_path, source=SOURCE, documents=[])
