"""The outbound client against servers on loopback; no name leaves this process."""

import socket
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import h11
import httpcore
import httpx
import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from taskengine.addresses import Allowed, is_public
from taskengine.model import BadInput, TaskEngineError
from taskengine.outbound import AddressRefused, finish, open_outbound, read_limited

LOOPBACK = ["127.0.0.0/8"]
AGES = 60  # seconds, against a hang: nothing here takes long
PUBLIC = "93.184.215.14"


class Server:
    """Answers each request with `answer`; keeps the requests, and counts the connections."""

    def __init__(self, *answer, tls=None):
        self.answer = answer or (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",)
        self.tls = tls
        self.requests = []
        self.asked = []  # names that TLS was opened for
        self.connections = 0
        self.port = 0

    async def serve(self, task_status):
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        await trio.serve_listeners(self._connected, [listener], task_status=task_status)

    async def _connected(self, stream):
        self.connections += 1
        if self.tls:
            stream = trio.SSLStream(stream, self.tls, server_side=True, https_compatible=True)
        try:
            await self._answer_all(stream)
        except trio.BrokenResourceError:
            pass  # the client has had enough
        finally:
            await trio.aclose_forcefully(stream)

    async def _answer_all(self, stream):
        protocol = h11.Connection(h11.SERVER)
        while True:
            event = protocol.next_event()
            if event is h11.NEED_DATA:
                protocol.receive_data(await stream.receive_some())
            elif isinstance(event, h11.Request):
                self.requests.append(event)
                for part in self.answer:
                    await stream.send_all(part)
            elif isinstance(event, h11.EndOfMessage):
                protocol = h11.Connection(h11.SERVER)
            elif isinstance(event, h11.ConnectionClosed):
                return

    def header(self, name, request=-1):
        return dict(self.requests[request].headers).get(name)


@asynccontextmanager
async def serving(server):
    with trio.fail_after(AGES):
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve)
            yield f"http://127.0.0.1:{server.port}"
            nursery.cancel_scope.cancel()


def names(**answers):
    """A name service: each name has lists of addresses, one for each time it is asked."""
    left = {name: list(lists) for name, lists in answers.items()}

    async def resolve(host, port):
        await trio.lowlevel.checkpoint()
        found = left[host.split(".")[0]]
        return found.pop(0) if len(found) > 1 else found[0]

    return resolve


async def test_a_request_is_answered():
    server = Server()
    async with serving(server) as url, open_outbound(LOOPBACK) as client:
        response = await client.post(f"{url}/hook?a=b", json={"a": 1})
    assert (response.status_code, response.text) == (200, "ok")
    assert server.requests[0].target == b"/hook?a=b"
    assert server.header(b"accept-encoding") == b"identity"


SIZES = {0: 1, 2: 1, 20_000: 3}


@pytest.mark.parametrize(("size", "connections"), SIZES.items())
async def test_an_answer_that_nobody_reads_keeps_its_connection_if_it_is_small(size, connections):
    server = Server(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size)
    async with serving(server) as url, open_outbound(LOOPBACK) as client:
        for _ in range(3):
            request = client.build_request("POST", url, content=b"{}")
            await finish(await client.send(request, stream=True))
    assert (len(server.requests), server.connections) == (3, connections)


async def test_a_body_that_does_not_come_is_not_waited_for(autojump_clock):
    class Silent(httpx.AsyncByteStream):
        async def __aiter__(self):
            await trio.sleep_forever()
            yield b""

    began = trio.current_time()
    await finish(httpx.Response(200, headers={"content-length": "2"}, stream=Silent()))
    assert trio.current_time() - began < 1


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::a00:1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_special_addresses_are_not_public(address):
    assert not is_public(ip_address(address))
    assert not Allowed.parse(["10.99.0.0/16"]).admits("receiver.example", ip_address(address))


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["::1", "10.0.0.1"], ["::ffff:8.8.8.8"], ["fe80::1%eth0"], []]
)
async def test_a_host_without_a_public_address_is_refused(addresses):
    async with open_outbound([], resolve=names(receiver=[addresses])) as client:
        with pytest.raises(AddressRefused, match=r"^receiver\.example ") as refused:
            await client.get("http://receiver.example/")
    assert not any(address in str(refused.value) for address in addresses)
    assert isinstance(refused.value, TaskEngineError)
    assert isinstance(refused.value, httpx.HTTPError)
    assert refused.value.host == "receiver.example"


@pytest.mark.parametrize(
    "address",
    [
        *(PUBLIC, "1.1.1.1", "9.255.255.255", "100.63.255.255", "100.128.0.0", "172.15.255.255"),
        *("172.32.0.0", "192.167.255.255", "223.255.255.255"),
        *("2001:4860:4860::8888", "2606:4700::1111", "2a00::1", "2001:200::1"),
    ],
)
def test_other_addresses_are_public(address):
    assert is_public(ip_address(address))


async def test_no_spelling_of_loopback_gets_through():
    hosts = "127.0.0.1", "[::1]", "2130706433", "0x7f.1", "127.1", "0", "[::ffff:7f00:1]"
    with trio.fail_after(AGES):
        async with open_outbound([]) as client:
            for host in (*hosts, "localhost"):
                with pytest.raises(AddressRefused):
                    await client.get(f"http://{host}:9/")


@pytest.mark.parametrize(
    ("entry", "host", "address", "admitted"),
    [
        ("10.0.0.0/8", "a.example", "10.9.9.9", True),
        ("10.0.0.5/8", "a.example", "10.9.9.9", True),
        ("10.0.0.0/8", "a.example", "192.168.0.1", False),
        ("10.9.9.9", "a.example", "10.9.9.9", True),
        ("::1", "a.example", "::1", True),
        ("127.0.0.0/8", "a.example", "::ffff:127.0.0.1", False),
        ("::ffff:0:0/96", "a.example", "::ffff:127.0.0.1", True),
        ("Intern.Example.", "intern.example", "10.0.0.1", True),
        ("intern.example", "INTERN.example.", "10.0.0.1", True),
        ("intern.example", "not-intern.example", "10.0.0.1", False),
        ("intern.example", "a.intern.example", "10.0.0.1", False),
        ("localhost", "localhost", "127.0.0.1", True),
    ],
)
def test_an_entry_allows_its_network_or_its_host_alone(entry, host, address, admitted):
    assert Allowed.parse([entry]).admits(host, ip_address(address)) == admitted


@pytest.mark.parametrize("entry", ["", "10.0.0.0/33", "10.0.0.256", "[::1]", "http://a", "*.a"])
async def test_an_entry_that_is_neither_network_nor_host_is_refused(entry):
    with pytest.raises(BadInput, match="outbound_allow"):
        async with open_outbound([entry]):
            pass


async def test_the_host_name_stays_in_the_request():
    server = Server()
    resolve = names(receiver=[["127.0.0.1"]])
    async with serving(server), open_outbound(["receiver.example"], resolve=resolve) as client:
        await client.get(f"http://receiver.example:{server.port}/")
    assert server.header(b"host") == b"receiver.example:%d" % server.port


async def test_a_name_that_is_bound_anew_is_checked_anew():
    server = Server(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
    resolve = names(receiver=[["127.0.0.1"], ["127.0.0.2"]])
    async with serving(server), open_outbound(["127.0.0.1"], resolve=resolve) as client:
        url = f"http://receiver.example:{server.port}/"
        assert (await client.get(url)).status_code == 200
        with pytest.raises(AddressRefused):
            await client.get(url)
    assert server.connections == 1


async def test_only_the_checked_addresses_are_tried_in_order():
    """The first is refused, nobody listens at the second, the third answers."""
    server = Server()
    resolve = names(receiver=[["10.0.0.1", "127.0.0.2", "127.0.0.1"]])
    async with serving(server), open_outbound(LOOPBACK, resolve=resolve) as client:
        response = await client.get(f"http://receiver.example:{server.port}/")
    assert response.text == "ok"


async def test_a_connection_is_used_again():
    server = Server()
    async with serving(server) as url, open_outbound(LOOPBACK) as client:
        for _ in range(3):
            await client.get(url)
    assert (server.connections, len(server.requests)) == (1, 3)


async def test_other_schemes_are_refused():
    async with open_outbound(["0.0.0.0/0"]) as client:
        for url in ("ftp://a.example/", "file:///etc/passwd", "ws://a/", "http:///a", "/a"):
            with pytest.raises(httpx.UnsupportedProtocol):
                await client.get(url)


async def test_redirects_are_answers():
    server = Server(b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n")
    async with serving(server) as url, open_outbound(LOOPBACK) as client:
        response = await client.get(url)
    assert (response.status_code, len(server.requests)) == (302, 1)


async def test_no_proxy_and_no_password_comes_from_the_environment(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server = Server()
    async with serving(server) as url, open_outbound(LOOPBACK) as client:
        assert (await client.get(url)).status_code == 200
    assert server.header(b"authorization") is None


async def test_no_cookie_is_kept():
    server = Server(b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n")
    async with serving(server) as url, open_outbound(LOOPBACK) as client:
        for _ in range(2):
            await client.get(url)
    assert server.header(b"cookie") is None


async def test_an_unknown_host_is_a_failed_connection():
    async def resolve(host, port):
        raise OSError(-2, "Name or service not known")

    async with open_outbound([], resolve=resolve) as client:
        with pytest.raises(httpx.ConnectError, match=r"^receiver\.example: unknown host$"):
            await client.get("http://receiver.example/")


async def test_a_label_too_long_for_a_host_is_an_unknown_host():
    with trio.fail_after(AGES):
        async with open_outbound([]) as client:
            with pytest.raises(httpx.ConnectError, match="unknown host"):
                await client.get(f"http://{'a' * 64}/")


async def test_a_silent_name_service_times_out():
    async def resolve(host, port):
        await trio.sleep_forever()

    async with open_outbound([], timeout=0.05, resolve=resolve) as client:
        with pytest.raises(httpx.ConnectTimeout, match="name service"):
            await client.get("http://receiver.example/")


async def test_a_silent_address_leaves_time_for_the_next(autojump_clock, monkeypatch):
    tried = []

    async def connect(self, host, port, share):
        tried.append((trio.current_time(), host))
        await trio.sleep(share)
        raise httpcore.ConnectTimeout(trio.TooSlowError())

    monkeypatch.setattr(httpcore.TrioBackend, "connect_tcp", connect)
    resolve = names(receiver=[["1.1.1.1", "10.0.0.1", "1.0.0.1"]])
    async with open_outbound([], timeout=10, resolve=resolve) as client:
        with pytest.raises(httpx.ConnectTimeout, match=r"^receiver\.example: timed out$"):
            await client.get("http://receiver.example/")
    assert tried == [(0, "1.1.1.1"), (5, "1.0.0.1")]
    assert trio.current_time() == 10


async def test_a_refused_connection_says_so_without_the_address():
    resolve = names(receiver=[["127.0.0.1"]])
    with socket.socket() as deaf:  # nobody else is given its port, and it does not listen
        deaf.bind(("127.0.0.1", 0))
        async with open_outbound(LOOPBACK, resolve=resolve) as client:
            with pytest.raises(
                httpx.ConnectError, match=r"^receiver\.example: Connection refused$"
            ):
                await client.get(f"http://receiver.example:{deaf.getsockname()[1]}/")


async def test_a_silent_server_times_out():
    server = Server(b"HTTP/1.1 200 OK\r\n")
    async with serving(server) as url, open_outbound(LOOPBACK, timeout=AGES) as client:
        with pytest.raises(httpx.ReadTimeout, match="timed out"):
            await client.get(url, timeout=httpx.Timeout(AGES, read=0.05))


async def test_a_body_that_breaks_off_is_a_protocol_error():
    server = Server(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", b"nonsense\r\n"
    )
    async with serving(server) as url, open_outbound(LOOPBACK) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(url)


async def limited(client, url, limit):
    async with client.stream("GET", url) as response:
        return await read_limited(response, limit)


@pytest.mark.parametrize(("limit", "expected"), [(1, b"o"), (2, b"ok"), (3, b"ok")])
async def test_a_body_is_read_up_to_a_limit(limit, expected):
    async with serving(Server()) as url, open_outbound(LOOPBACK) as client:
        assert await limited(client, url, limit) == expected


async def test_an_endless_body_is_left_and_the_pool_is_free_again():
    """Warnings are errors here: no generator may be left to the collector."""
    size = 1 << 30
    server = Server(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size, bytes(1 << 20))
    async with serving(server) as url, open_outbound(LOOPBACK) as client:
        for _ in range(3):
            assert await limited(client, url, 300_000) == bytes(300_000)


async def test_what_is_packed_is_not_unpacked():
    answer = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\0"
    async with serving(Server(answer)) as url, open_outbound(LOOPBACK) as client:
        assert await limited(client, url, 100) == b"\x1f\x8b\x08\0"


async def test_a_body_that_was_read_already_is_cut_as_well():
    assert await read_limited(httpx.Response(200, content=b"abc"), 2) == b"ab"


async def test_a_cancelled_request_leaves_the_client_usable():
    server = Server(b"HTTP/1.1 200 OK\r\n")
    async with serving(server) as url, open_outbound(LOOPBACK) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.get, url)
            while not server.requests:
                await trio.sleep(0.001)
            nursery.cancel_scope.cancel()
        server.answer = Server().answer
        assert (await client.get(url)).text == "ok"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A file with a key and a certificate for receiver.example, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("receiver.example")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    secret = key.private_bytes(*pem, serialization.NoEncryption())
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file


class TestTls:
    @pytest.fixture
    def server(self, certificate):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        server = Server(tls=context)
        context.sni_callback = lambda _socket, name, _context: server.asked.append(name)
        return server

    @asynccontextmanager
    async def client(self, server, **options):
        resolve = names(receiver=[["127.0.0.1"]], other=[["127.0.0.1"]])
        async with serving(server), open_outbound(LOOPBACK, resolve=resolve, **options) as client:
            yield client

    @pytest.fixture
    def trusted(self, certificate, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def test_the_certificate_is_that_of_the_name(self, server, trusted):
        async with self.client(server) as client:
            response = await client.get(f"https://receiver.example:{server.port}/")
        assert response.text == "ok"
        assert server.asked == ["receiver.example"]
        assert server.header(b"host") == b"receiver.example:%d" % server.port

    async def test_a_certificate_of_another_name_is_refused(self, server, trusted):
        async with self.client(server) as client:
            with pytest.raises(httpx.ConnectError, match="Hostname mismatch"):
                await client.get(f"https://other.example:{server.port}/")

    async def test_one_that_nobody_vouches_for_is_refused(self, server):
        async with self.client(server) as client:
            with pytest.raises(httpx.ConnectError, match="self-signed certificate"):
                await client.get(f"https://receiver.example:{server.port}/")

    async def test_unless_verification_is_off(self, server):
        async with self.client(server, verify=False) as client:
            response = await client.get(f"https://other.example:{server.port}/")
        assert response.text == "ok"
        assert server.asked == ["other.example"]
