"""TLS with a private authority, proxies, ~/.netrc and bombs: one rule for the client of Confluence and the client of the stores."""

from __future__ import annotations

import gzip
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from confluence_sync.errors import ServerFailed, SettingsError, TooLarge
from confluence_sync.http import Answer
from confluence_sync.wires import HttpxWire, RequestsWire, trust
from tests.answering import Answering, Got, Reply, answering
from tests.private_authority import ANY_HOST, Authority

Wire = RequestsWire | HttpxWire
WireFor = Callable[..., Wire]
pytestmark = pytest.mark.parametrize("wire_for", [RequestsWire, HttpxWire], ids=["requests", "httpx"])


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def authority(signed: Authority) -> Path:
    """Its folder."""
    return signed.folder


@pytest.fixture
def secure(signed: Authority) -> Iterator[Answering]:
    """An https server with a certificate of the private authority."""
    with answering(lambda got, number: Reply(body=b"[1]"), tls=signed.serves()) as server:
        yield server


@contextmanager
def proxy(to: int) -> Iterator[tuple[str, list[str]]]:
    """A proxy that leads every CONNECT, and every plain request, to a port of this machine; its address and what it was asked."""
    asked: list[str] = []
    listening = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            if select.select([listening], [], [], 0.02)[0]:
                threading.Thread(target=_lead, args=(listening.accept()[0], to, asked), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
    stop.set()
    thread.join(5)
    listening.close()


def _lead(client: socket.socket, to: int, asked: list[str]) -> None:
    with client, socket.create_connection(("127.0.0.1", to)) as server, suppress(ConnectionError):
        head = client.recv(65536)
        asked.append(head.split(b"\r\n")[0].decode())
        if head.startswith(b"CONNECT"):
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            server.sendall(head)
        both = [client, server]
        while ready := select.select(both, [], [], 5)[0]:
            data = ready[0].recv(65536)
            if not data:
                return
            (server if ready[0] is client else client).sendall(data)


def ask(wire: Wire, url: str, limit: int = 1_000_000, **headers: str) -> Answer:
    try:
        return wire.send("GET", url, headers, None, 5.0, limit)
    finally:
        wire.close()


# TLS


def test_a_private_authority_is_trusted_when_it_is_named(wire_for: WireFor, authority: Path, secure: Answering) -> None:
    """With CONF_CA_BUNDLE a server of one's own authority answers."""
    assert ask(wire_for(authority / "ca.pem"), secure.url).body == b"[1]"


def test_a_private_authority_is_not_trusted_otherwise(wire_for: WireFor, secure: Answering) -> None:
    """Without it the connection fails before anything is sent, and the message has the reason and the setting."""
    with pytest.raises(ServerFailed, match=r"(?i)certificate.*name its PEM file in CONF_CA_BUNDLE") as caught:
        ask(wire_for(), secure.url, authorization="Bearer s3cret")
    assert not caught.value.sent
    assert secure.got == []


def test_a_certificate_for_another_host_is_refused(wire_for: WireFor, authority: Path, secure: Answering) -> None:
    """A certificate must be for the host that was asked, whoever signed it."""
    with pytest.raises(ServerFailed, match=r"(?i)certificate|hostname|mismatch"):
        ask(wire_for(authority / "ca.pem"), secure.url.replace("127.0.0.1", "localhost"))


def test_the_bundle_comes_on_top_of_the_systems_authorities(wire_for: WireFor, authority: Path) -> None:
    """Naming one's own authority takes no other away."""
    assert len(trust(authority / "ca.pem").get_ca_certs()) == len(trust(None).get_ca_certs()) + 1


@pytest.mark.parametrize("text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_a_bundle_that_is_none_is_refused(wire_for: WireFor, tmp_path: Path, text: str) -> None:
    """A file that holds no certificate is exit 2 with its name, not a failed connection later."""
    (tmp_path / "ca.pem").write_text(text)
    with pytest.raises(SettingsError, match=r"CONF_CA_BUNDLE: .*ca\.pem.* PEM file"):
        ask(wire_for(tmp_path / "ca.pem"), "https://127.0.0.1:1")


def test_a_machine_without_authorities_uses_those_of_certifi(wire_for: WireFor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In an image without ca-certificates public servers are trusted all the same."""
    nowhere = ssl.DefaultVerifyPaths(None, str(tmp_path), "SSL_CERT_FILE", "", "SSL_CERT_DIR", "")  # type: ignore[call-arg,arg-type]
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nowhere)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    assert len(trust(None).get_ca_certs()) > 50


def test_a_variable_of_requests_does_not_change_what_is_trusted(
    wire_for: WireFor, authority: Path, secure: Answering, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A stale CURL_CA_BUNDLE of the shell neither breaks a connection nor takes the named bundle's place."""
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "gone.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    assert ask(wire_for(authority / "ca.pem"), secure.url).status == 200


# proxies


def test_https_goes_through_the_proxy(wire_for: WireFor, authority: Path, secure: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTPS_PROXY is used, and what is trusted behind it is the same: the private authority too."""
    with proxy(int(secure.url.rpartition(":")[2])) as (address, asked):
        monkeypatch.setenv("HTTPS_PROXY", address)
        assert ask(wire_for(authority / "ca.pem"), f"https://{ANY_HOST}/").body == b"[1]"
    assert asked[0].startswith(f"CONNECT {ANY_HOST}:443")


def test_http_goes_through_the_proxy(wire_for: WireFor, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is used for plain addresses."""
    with answering(lambda got, number: Reply()) as server, proxy(int(server.url.rpartition(":")[2])) as (address, asked):
        monkeypatch.setenv("HTTP_PROXY", address)
        monkeypatch.setenv("http_proxy", address)
        assert ask(wire_for(), f"http://{ANY_HOST}/x").status == 200
    assert asked == [f"GET http://{ANY_HOST}/x HTTP/1.1"]


@pytest.mark.parametrize("value", ["127.0.0.1", "other.test,127.0.0.1", "*"])
def test_no_proxy_is_obeyed(wire_for: WireFor, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Hosts in NO_PROXY are asked directly, though the proxy is dead."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", value)
    monkeypatch.setenv("no_proxy", value)
    with answering(lambda got, number: Reply()) as server:
        assert ask(wire_for(), server.url).status == 200


def test_a_dead_proxy_is_said(wire_for: WireFor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that does not answer is a failed connection that sent nothing."""
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(ServerFailed, match="gave no answer") as caught:
        ask(wire_for(), f"http://{ANY_HOST}/x")
    assert not caught.value.sent


# what must not be sent or read


def test_netrc_is_not_read(wire_for: WireFor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password for the same host in ~/.netrc neither goes out nor takes our token's place."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with answering(lambda got, number: Reply()) as server:
        ask(wire_for(), server.url)
        ask(wire_for(), server.url, authorization="Bearer ours")
    assert [got.headers.get("authorization") for got in server.got] == [None, "Bearer ours"]


def test_cookies_of_a_load_balancer_do_no_harm(wire_for: WireFor) -> None:
    """Set-Cookie is taken without trouble; the answer is the same."""
    with answering(lambda got, number: Reply(headers={"Set-Cookie": "atl=1; Path=/"})) as server:
        assert ask(wire_for(), server.url).status == 200


def test_names_of_headers_are_in_lower_case(wire_for: WireFor) -> None:
    """Whoever reads headers does so by their lower-case names."""
    with answering(lambda got, number: Reply(headers={"X-RateLimit-NearLimit": "true"})) as server:
        assert ask(wire_for(), server.url).headers["x-ratelimit-nearlimit"] == "true"


def test_gzip_is_asked_for_and_unpacked(wire_for: WireFor) -> None:
    """A packed answer arrives as what it was, and is packed because we say that we take it."""
    packed = gzip.compress(b"[1, 2]" * 1000)

    def answer(got: Got, number: int) -> Reply:
        return Reply(body=packed, headers={"Content-Encoding": "gzip"}) if "gzip" in got.headers["accept-encoding"] else Reply()

    with answering(answer) as server:
        assert ask(wire_for(), server.url).body == b"[1, 2]" * 1000


def test_what_is_not_gzip_though_it_says_so_is_a_failure(wire_for: WireFor) -> None:
    """An answer that cannot be unpacked is a failure of the server, with its address."""
    with (
        answering(lambda got, number: Reply(body=b"no gzip at all", headers={"Content-Encoding": "gzip"})) as server,
        pytest.raises(ServerFailed, match="gave no answer"),
    ):
        ask(wire_for(), server.url)


BOMB = """
import sys
from confluence_sync.errors import TooLarge
from confluence_sync.wires import HttpxWire, RequestsWire
import httpx, requests, resource
wire = {"RequestsWire": RequestsWire, "HttpxWire": HttpxWire}[sys.argv[1]]()
wire.send("GET", sys.argv[2] + "/small", {}, None, 60, 10**6)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    wire.send("GET", sys.argv[2] + "/bomb", {}, None, 60, 8 * 1024 * 1024)
except TooLarge as error:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, error)
"""


def test_a_gzip_bomb_costs_no_more_than_the_limit_allows(wire_for: WireFor) -> None:
    """150 KB that unpack to 150 MB are refused after a fraction of that, measured as the process's memory."""
    bomb = gzip.compress(b" " * (150 * 1024 * 1024), 9)

    def reply(got: Got, number: int) -> Reply:
        return Reply(body=bomb, headers={"Content-Encoding": "gzip"}) if got.path == "/bomb" else Reply()

    with answering(reply) as server:
        words = [sys.executable, "-c", BOMB, wire_for.__name__, server.url]  # type: ignore[attr-defined]  # a class
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    grown, _, said = done.stdout.partition(" ")
    assert "answered more than 8 MB" in said
    assert int(grown) < 100, f"{grown} MB for an answer of at most 8 MB"


def test_connections_are_kept(wire_for: WireFor) -> None:
    """Several requests to one server share a connection."""
    before = len(_sockets())
    with answering(lambda got, number: Reply()) as server:
        wire = wire_for()
        for _ in range(5):
            wire.send("GET", server.url, {}, None, 5.0, 1000)
        assert len(_sockets()) - before <= 4  # the listener, and both ends of one connection
        wire.close()


def _sockets() -> list[str]:
    links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [link for link in links if link.startswith("socket:")]


def test_too_large_is_said_in_megabytes(wire_for: WireFor) -> None:
    """The error names the address without its query, and the limit."""
    with answering(lambda got, number: Reply(body=b"x" * 3_000_000)) as server, pytest.raises(TooLarge) as caught:
        ask(wire_for(), f"{server.url}/a?secret=1", limit=2 * 1024 * 1024)
    assert str(caught.value) == f"{server.url}/a answered more than 2 MB"


def test_no_more_requests_are_in_flight_than_connections(wire_for: WireFor) -> None:
    """Threads beyond the connections wait their turn: CONCURRENCY is a promise to the server, and names are asked for beside bodies."""
    most, now, lock = [0], [0], threading.Lock()

    def slow(got: Got, number: int) -> Reply:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.1)
        with lock:
            now[0] -= 1
        return Reply(body=b"[1]")

    with answering(slow) as server:
        wire = wire_for(connections=2)
        threads = [threading.Thread(target=wire.send, args=("GET", server.url, {}, None, 10.0, 1000)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        wire.close()
    assert most == [2]
