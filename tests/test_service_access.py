"""Who may call what: keys and scopes, tokens, limits, other sites' pages, and what every answer carries."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from confluence_sync.config import Settings
from confluence_sync.errors import SettingsError
from confluence_sync.keys import KeyRing, open_keys
from confluence_sync.service.jwt_tokens import open_tokens
from confluence_sync.service.problems import Problem
from confluence_sync.service.rates import Rates
from confluence_sync.service_file import ServiceFile
from confluence_sync.settings_kinds import Secret
from tests.service_fixture import serve_answers

ASK = {"question": "disk journal"}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_a_key_opens_the_service(tmp_path: Path) -> None:
    """With API_KEY the older service's 403 meets whoever has none; X-API-Key and Bearer both open, and health stays open."""
    with serve_answers(tmp_path, api_key=Secret("k1")) as service, service.client() as client:
        refused = client.post("/api/query", json=ASK)
        assert (refused.status_code, refused.json()["detail"]) == (403, "Invalid API key")
        assert client.post("/api/query", json=ASK, headers={"x-api-key": "wrong"}).status_code == 403
        assert client.get("/v1/models").status_code == 401
        assert client.post("/api/query", json=ASK, headers={"x-api-key": "k1"}).status_code == 200
        assert client.post("/api/query", json=ASK, headers=bearer("k1")).status_code == 200
        assert client.get("/v1/models", headers=bearer("k1")).status_code == 200
        assert all(
            client.get(path).status_code == 200 for path in ("/", "/healthz", "/readyz", "/api/health", "/metrics", "/static/app.js")
        )


def test_scopes(tmp_path: Path) -> None:
    """A key made for questions neither syncs nor writes; a removed key opens nothing any more."""
    ring = KeyRing(ServiceFile(tmp_path))
    reader = ring.add("reader", ["query"])
    writer = ring.add("writer", ["vector"])
    with serve_answers(tmp_path) as service, service.client() as client:
        assert client.post("/api/query", json=ASK, headers=bearer(reader)).status_code == 200
        assert "'sync'" in client.post("/api/sync", json={}, headers=bearer(reader)).json()["detail"]
        assert client.get("/v1/vector_io/collections", headers=bearer(reader)).status_code == 403
        assert client.get("/v1/vector_io/collections", headers=bearer(writer)).status_code == 200
        assert client.post("/api/query", json=ASK, headers=bearer(writer)).status_code == 403
        assert client.get("/api/status", headers=bearer(reader)).json()["may"] == ["query"]
        ring.remove("reader")
        assert client.post("/api/query", json=ASK, headers=bearer(reader)).status_code == 403


def test_keys_are_kept_as_hashes(tmp_path: Path) -> None:
    """The file holds no key; names are unique; scopes must exist; removing tells whether there was one."""
    ring = open_keys(Settings(api_key=Secret("fixed")), ServiceFile(tmp_path))
    key = ring.add("n8n", ["sync", "query"])
    assert key.encode() not in (tmp_path / "service.db").read_bytes()
    assert [(one.name, one.scopes) for one in ring.all()] == [("n8n", ("query", "sync"))]
    with pytest.raises(SettingsError, match="already"):
        ring.add("n8n", ["query"])
    for name, scopes in (("x", ["root"]), ("x", []), ("a b", ["query"])):
        with pytest.raises(SettingsError, match="scopes"):
            ring.add(name, scopes)
    assert (ring.remove("n8n"), ring.remove("n8n")) == (True, False)


def test_the_vector_apis_own_key(tmp_path: Path) -> None:
    """With both keys set, API_KEY does not write to the Vector API; alone it does."""
    both = open_keys(Settings(api_key=Secret("a"), vector_api_key=Secret("v")), ServiceFile(tmp_path))
    one = open_keys(Settings(api_key=Secret("a")), ServiceFile(tmp_path))
    same = open_keys(Settings(api_key=Secret("a"), vector_api_key=Secret("a")), ServiceFile(tmp_path))
    assert [sorted(ring.caller("a").scopes) for ring in (both, one, same)] == [  # type: ignore[union-attr]
        ["query", "sync"],
        ["query", "sync", "vector"],
        ["query", "sync", "vector"],
    ]
    assert both.caller("v").scopes == {"vector", "query"}  # type: ignore[union-attr]
    assert both.caller("") is None


def test_conversations_belong_to_a_key(tmp_path: Path) -> None:
    """Another key does not see a session, even when it knows its id."""
    ring = KeyRing(ServiceFile(tmp_path))
    one, other = ring.add("one", ["query"]), ring.add("other", ["query"])
    with serve_answers(tmp_path) as service, service.client() as client:
        client.post("/api/query", json={**ASK, "session_id": "s"}, headers=bearer(one))
        assert len(client.get("/api/history?session_id=s", headers=bearer(one)).json()["turns"]) == 2
        assert client.get("/api/history?session_id=s", headers=bearer(other)).json()["turns"] == []
        assert client.delete("/api/history?session_id=s", headers=bearer(other)).json() == {"deleted": 0}


def test_too_many_requests(tmp_path: Path) -> None:
    """Over RATE_LIMIT a caller gets 429 with Retry-After; health is not counted."""
    with serve_answers(tmp_path, rate_limit=3) as service, service.client() as client:
        codes = [client.post("/api/query", json=ASK).status_code for _ in range(5)]
        assert codes == [200, 200, 200, 429, 429]
        assert int(client.post("/api/query", json=ASK).headers["retry-after"]) >= 1
        assert client.get("/healthz").status_code == 200


def test_guessing_keys_is_slowed_down(tmp_path: Path) -> None:
    """Wrong keys from one address are counted as well."""
    with serve_answers(tmp_path, rate_limit=3, api_key=Secret("k")) as service, service.client() as client:
        codes = [client.post("/api/query", json=ASK, headers=bearer(f"guess{i}")).status_code for i in range(4)]
        assert codes == [403, 403, 403, 429]
        assert client.post("/api/query", json=ASK, headers=bearer("k")).status_code == 200


def test_a_bucket_fills_again() -> None:
    """After the time that Retry-After names, the next request passes; limits are separate for writes."""
    now = [0.0]
    rates = Rates(60, clock=lambda: now[0])
    for _ in range(60):
        rates.count("a")
    with pytest.raises(Problem) as caught:
        rates.count("a")
    rates.count("a", costly=False)
    rates.count("b")
    now[0] = float(str(caught.value.headers["retry-after"]))
    rates.count("a")


def test_other_sites_pages_are_kept_out(tmp_path: Path) -> None:
    """A foreign Origin, or a foreign name for this machine, is refused; CORS_ORIGINS lets a page in."""
    with serve_answers(tmp_path, cors_origins=("https://ui.example",)) as service, service.client() as client:
        assert client.post("/api/query", json=ASK, headers={"origin": "https://evil.example"}).status_code == 403
        assert client.post("/api/query", json=ASK, headers={"origin": service.base}).status_code == 200
        allowed = client.post("/api/query", json=ASK, headers={"origin": "https://ui.example"})
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://ui.example")
        asked = {"origin": "https://ui.example", "access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}
        assert client.options("/api/query", headers=asked).status_code == 200
        refused = client.post("/api/query", json=ASK, headers={"host": "rebound.example"})
        assert (refused.status_code, "API_KEY" in refused.json()["detail"]) == (403, True)


def test_cors_is_off_by_default(tmp_path: Path) -> None:
    """Without CORS_ORIGINS no answer names an allowed origin."""
    with serve_answers(tmp_path) as service, service.client() as client:
        assert "access-control-allow-origin" not in client.get("/healthz", headers={"origin": "https://x.example"}).headers


def test_every_answer_is_hardened(tmp_path: Path) -> None:
    """Security headers are on pages, errors and streams alike."""
    with serve_answers(tmp_path, api_key=Secret("k")) as service, service.client() as client:
        for answer in (
            client.get("/"),
            client.get("/nothing"),
            client.post("/api/query"),
            client.post("/api/ask", json=ASK, headers=bearer("k")),
        ):
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert "server" not in answer.headers or answer.headers["server"] == "uvicorn"


def test_a_body_that_is_too_long(tmp_path: Path) -> None:
    """More than a megabyte is refused by its announced length, before it is sent."""
    with serve_answers(tmp_path) as service:
        host = service.base.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=5)
        connection.putrequest("POST", "/api/query")
        connection.putheader("content-length", str(10**10))
        connection.endheaders()
        assert connection.getresponse().status == 413
        connection.close()


def test_a_client_that_leaves_in_the_middle_of_its_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Half a body and a closed connection are no failure of the service."""
    with serve_answers(tmp_path) as service:
        connection = http.client.HTTPConnection(service.base.removeprefix("http://"), timeout=5)
        connection.putrequest("POST", "/api/query")
        connection.putheader("content-length", "100")
        connection.endheaders(b'{"question":')
        connection.close()
        with service.client() as client:
            for _ in range(100):
                if 'status="499"' in client.get("/metrics").text:
                    break
                time.sleep(0.02)
            assert 'group="ask",status="499"' in client.get("/metrics").text
    assert "failed" not in caplog.text


class _Issuer(ThreadingHTTPServer):
    """Publishes a key set, as an identity provider does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Keys)
        self.private = rsa.generate_private_key(65537, 2048)

    def token(self, private: rsa.RSAPrivateKey | None = None, kid: str = "k1", **claims: object) -> str:
        whole = {"iss": "https://idp.example", "aud": "confluence", "sub": "ana", "exp": time.time() + 60, **claims}
        return jwt.encode({k: v for k, v in whole.items() if v is not None}, private or self.private, "RS256", {"kid": kid})


class _Keys(BaseHTTPRequestHandler):
    server: _Issuer

    def do_GET(self) -> None:
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.server.private.public_key()))
        body = json.dumps({"keys": [{**key, "kid": "k1", "use": "sig", "alg": "RS256"}]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def issuer() -> Iterator[_Issuer]:
    server = _Issuer()
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_tokens_of_an_identity_provider(tmp_path: Path, issuer: _Issuer) -> None:
    """A token with the right signature, issuer, audience and time opens; anything else does not, and scopes are its own."""
    url = f"http://127.0.0.1:{issuer.server_address[1]}/keys"
    with (
        serve_answers(tmp_path, jwt_jwks_url=url, jwt_issuer="https://idp.example", jwt_audience="confluence", rate_limit=0) as service,
        service.client() as client,
    ):

        def asked(token: str) -> int:
            return client.post("/api/query", json=ASK, headers=bearer(token)).status_code

        assert asked(issuer.token()) == 200
        stranger = rsa.generate_private_key(65537, 2048)
        wrong = [issuer.token(stranger), issuer.token(kid="k2"), issuer.token(aud="other"), issuer.token(iss="https://evil"), "a.b.c"]
        wrong += [issuer.token(exp=time.time() - 120), issuer.token(exp=None), issuer.token(sub=None)]
        wrong += [jwt.encode({"sub": "ana", "aud": "confluence"}, "x" * 32, "HS256", {"kid": "k1"})]
        assert [asked(token) for token in wrong] == [401] * len(wrong)
        assert client.post("/api/query", json=ASK).status_code == 403
        assert client.post("/api/sync", json={}, headers=bearer(issuer.token())).status_code == 403
        assert client.get("/api/sync/x", headers=bearer(issuer.token(scope="query sync"))).status_code == 404


def test_tokens_need_issuer_and_audience() -> None:
    """A key set alone would accept tokens made for any other service."""
    with pytest.raises(SettingsError, match="JWT_ISSUER and JWT_AUDIENCE"):
        open_tokens(Settings(jwt_jwks_url="https://idp.example/keys"))
    assert open_tokens(Settings()) is None


def test_an_identity_provider_that_is_down(tmp_path: Path) -> None:
    """Tokens cannot be checked then: 503, and keys still work."""
    settings = {"jwt_jwks_url": "http://127.0.0.1:9/keys", "jwt_issuer": "i", "jwt_audience": "a", "api_key": Secret("k")}
    with serve_answers(tmp_path, **settings) as service, service.client() as client:
        token = jwt.encode({"sub": "x"}, "y" * 32, "HS256", {"kid": "z"})
        assert client.post("/api/query", json=ASK, headers=bearer(token)).status_code == 503
        assert client.post("/api/query", json=ASK, headers=bearer("k")).status_code == 200


def test_the_page_names_no_other_host(tmp_path: Path) -> None:
    """Every file of the page is ours: no address of another host, no inline script."""
    with serve_answers(tmp_path) as service, service.client() as client:
        page = client.get("/").text
        names = ("app.js", "markdown.js", "net.js", "words.js", "plot.js", "style.css")
        whole = page + "".join(client.get(f"/static/{name}").raise_for_status().text for name in names)
        assert "https://" not in whole.replace("http://www.w3.org", "")
        assert "innerHTML" not in whole
        assert client.get("/static/../app.py").status_code == 404
        assert client.get("/static/secrets.txt").status_code == 404
