"""hypercorn.toml, and TLS by it."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from taskengine.configuration import HOME
from taskengine.httpd.hypercorn_file import limited, listen, read_hypercorn_file
from taskengine.httpd.limits import ConnectionLimits
from taskengine.httpd.serving import Server, url_of
from taskengine.model import BadInput


def test_the_file_that_comes_along_has_the_defaults():
    settings = read_hypercorn_file(HOME / "hypercorn.toml")
    assert len(settings) == 5
    assert limited(ConnectionLimits(), settings) == ConnectionLimits()


def test_without_a_file_there_are_defaults(tmp_path):
    assert (
        limited(ConnectionLimits(), read_hypercorn_file(tmp_path / "none.toml"))
        == ConnectionLimits()
    )


def test_limits_can_be_set(tmp_path):
    (tmp_path / "a.toml").write_text("keep_alive_timeout = 5\ngraceful_timeout = 9\n")
    limits = limited(ConnectionLimits(connections=7), read_hypercorn_file(tmp_path / "a.toml"))
    assert (limits.idle, limits.grace, limits.connections) == (5, 9, 7)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("workers = 3", "workers: not known, expected some of backlog"),
        ("keep_alive_timeout = 0", "keep_alive_timeout: expected a whole number above 0"),
        ('graceful_timeout = "3"', "graceful_timeout: expected a whole number above 0"),
        ("backlog", "a.toml"),
    ],
)
def test_what_is_not_known_is_refused(tmp_path, text, told):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(BadInput, match=told):
        read_hypercorn_file(tmp_path / "a.toml")


@pytest.fixture
def certificate(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (tmp_path / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return tmp_path / "cert.pem", tmp_path / "key.pem"


async def test_requests_over_tls_are_served(app, nursery, certificate):
    cert, key = certificate
    listening, tls = listen("127.0.0.1:0", {"certfile": str(cert), "keyfile": str(key)})
    assert url_of(listening, tls=True) == f"https://127.0.0.1:{listening.getsockname()[1]}"
    await nursery.start(Server(app, tls=tls).serve, [listening])
    context = ssl.create_default_context(cafile=str(cert))
    context.set_alpn_protocols(["h2", "http/1.1"])
    stream = await trio.open_ssl_over_tcp_stream(
        "localhost", listening.getsockname()[1], ssl_context=context, https_compatible=True
    )
    for number in range(3):
        await stream.send_all(f"GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert (await stream.receive_some()).endswith(f"GET /{number}  ".encode())
    assert stream.selected_alpn_protocol() == "http/1.1"
    await stream.send_all(b"no http\r\n\r\n")
    assert (await stream.receive_some()).startswith(b"HTTP/1.1 400 ")
    await trio.aclose_forcefully(stream)


def test_addresses_of_both_families_are_told():
    listening, tls = listen("[::1]:0", {})
    with listening:
        assert url_of(listening, tls=tls is not None).startswith("http://[::1]:")
