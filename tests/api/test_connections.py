"""Answers that come before the request's body leave the connection in order."""

from __future__ import annotations

import json
import socket
import time
from contextlib import contextmanager
from http.client import HTTPResponse
from urllib.parse import urlsplit

import pytest

from tests.api.conftest import KEY

HEAD = "POST /job HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


@contextmanager
def connected(url):
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        yield connection


def answer(connection):
    response = HTTPResponse(connection)
    response.begin()
    return response.status, response.read(), response.getheader("Connection")


def test_the_connection_serves_on(served_api, monkeypatch):
    monkeypatch.setattr("taskengine.api.connections.LINGER", 60)  # however slow we are
    with connected(served_api) as connection:
        for _ in range(3):  # refused for want of a key, while the body is on its way
            connection.sendall((HEAD % 2).encode())
            time.sleep(0.05)
            connection.sendall(b"{}")
            assert answer(connection)[0] == 401


def test_a_body_that_does_not_come_closes_the_connection(served_api, monkeypatch):
    monkeypatch.setattr("taskengine.api.connections.LINGER", 0.05)
    with connected(served_api) as connection:
        connection.sendall((HEAD % 2).encode())
        status, content, header = answer(connection)
        assert (status, header) == (401, "close")
        assert content == b'{"error":"the header api-key is missing"}'
        assert connection.recv(1) == b""


def test_a_body_that_is_too_large_closes_the_connection(served_api):
    with connected(served_api) as connection:
        connection.sendall(
            (HEAD % 10_000_000)
            .replace("Host", f"api-key: {KEY}\r\nclient: demo-client\r\nHost")
            .encode()
        )
        status, _, header = answer(connection)
        assert (status, header) == (413, "close")
        assert connection.recv(1) == b""


@pytest.mark.parametrize("pause", [0, 0.005, 0.01, 0.02, 0.04])
def test_a_client_that_closes_its_sending_side_is_answered(served_api, api_key, body, pause):
    """As `nc -N` and socat do. A job that was recorded has an id for whoever sent it."""
    content = json.dumps(body()).encode()
    head = f"POST /job HTTP/1.1\r\nHost: a\r\napi-key: {api_key}\r\nContent-Length: {len(content)}"
    answers = []
    for request in [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        head.encode() + b"\r\n\r\n" + content,
    ] * 20:
        with connected(served_api) as connection:
            connection.sendall(request)
            time.sleep(pause)
            connection.shutdown(socket.SHUT_WR)
            answers.append(answer(connection)[0])
    assert answers == [200] * 40


@pytest.mark.parametrize("path", ["/livez", "/nowhere", "/docs", "/jobs", "/openapi.json"])
def test_no_answer_may_be_sniffed(served_api, path):
    with connected(served_api) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        response = HTTPResponse(connection)
        response.begin()
        assert response.headers.get_all("X-Content-Type-Options") == ["nosniff"]
