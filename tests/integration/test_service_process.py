"""The service as it is deployed: a process beside a simulated Confluence, synced over HTTP, stopped by SIGTERM, behind TLS."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from confluence_sync.simulator.sample import SAMPLE
from confluence_sync.simulator.server import Simulator
from tests.conftest import environment_for
from tests.llm_stub import llm_stub

pytestmark = pytest.mark.integration


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(SAMPLE) as running:
        yield running


@contextmanager
def serving(environment: dict[str, str], folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`confluence-sync serve` on a free port; the process and the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "confluence_sync", "serve", "--port", str(port), *words]
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "STATE_DIR": str(folder / "state"), **environment}
    process = subprocess.Popen(command, env=env, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for _ in range(200):
            assert process.poll() is None, process.stdout and process.stdout.read()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield process, port
    finally:
        process.kill()
        process.communicate()


def test_the_two_curls_of_the_older_service(simulator: Simulator, tmp_path: Path) -> None:
    """POST /api/sync runs a real sync in a process of its own, POST /api/query answers from it, and a second sync skips everything."""
    environment = environment_for(simulator) | {"SPACE_NAME": "Known Issues"}
    with serving(environment, tmp_path) as (_, port), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
        first = client.post("/api/sync", json={"space_keys": ["KNOWN"], "force": True}).json()
        assert first["status"] == "complete", first
        assert first["synced"] >= 40
        second = client.post("/api/sync", json={"space_keys": ["KNOWN"]}).json()
        assert (second["synced"], second["skipped"]) == (0, first["synced"])
        got = client.post("/api/query", json={"question": "What do I do when I am paged at night?", "space": "known"}).json()
        assert got["sources"]
        assert got["sources"][0]["url"].startswith("http")
        wrong = client.post("/api/query", json={"question": "x", "space": "NOPE"})
        assert (wrong.status_code, "KNOWN" in wrong.json()["detail"]) == (422, True)
        unreadable = client.post("/api/sync", json={"space_keys": ["KNOWN", "NOPE"]}).json()
        assert (unreadable["status"], unreadable["failed"], unreadable["skipped"]) == ("complete", 1, first["synced"]), unreadable
        status = client.get("/api/status").json()
        assert status["pages"] == first["synced"]
        assert status["chunks"] > 40
        assert status["runs"][0]["exit"] == 3


def test_sigterm_ends_it_within_seconds(tmp_path: Path) -> None:
    """Also while an answer hangs: exit 0, nothing left running."""
    with llm_stub() as stub, Simulator(SAMPLE) as simulator:
        environment = environment_for(simulator) | {
            "SPACE_NAME": "Known Issues",
            "LITELLM_API_BASE": stub.url + "/v1",
            "LITELLM_MODEL": "hang",
        }
        with serving(environment, tmp_path) as (process, port):
            client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
            assert client.post("/api/sync", json={}).json()["status"] == "complete"
            with client.stream("POST", "/api/ask", json={"question": "journal disk"}) as answer:
                next(line for line in answer.iter_lines() if "One moment" in line)
                started = time.monotonic()
                process.send_signal(signal.SIGTERM)
                assert process.wait(10) == 0
            assert time.monotonic() - started < 8
            assert stub.gone.wait(5)
            client.close()


def test_a_host_without_a_key_warns(tmp_path: Path) -> None:
    """--host is obeyed, with a loud warning; a taken port is an error."""
    with serving({}, tmp_path, "--host", "0.0.0.0") as (process, port):
        taken = subprocess.run(
            [sys.executable, "-m", "confluence_sync", "serve", "--port", str(port)],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "STATE_DIR": str(tmp_path / "other")},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (taken.returncode, "choose another --host or --port" in taken.stderr) == (2, True)
        process.terminate()
        said, _ = process.communicate(timeout=15)
    assert "WITHOUT A KEY" in said
    assert "API_KEY" in said


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """An authority, and a certificate each for server and client."""
    openssl(
        tmp_path,
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-days",
        "2",
        "-subj",
        "/CN=Test CA",
    )
    (tmp_path / "san.cnf").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl(tmp_path, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl(
            tmp_path, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "san.cnf", "-out", f"{name}.pem",
        )  # fmt: skip
    return tmp_path


def test_tls_with_client_certificates(certificates: Path) -> None:
    """Only a client with a certificate of the authority gets in."""
    names = {"TLS_CERT": "server.pem", "TLS_KEY": "server.key", "TLS_CLIENT_CA": "ca.pem"}
    with serving({name: str(certificates / file) for name, file in names.items()}, certificates) as (_, port):
        address = f"https://127.0.0.1:{port}/healthz"
        trusting = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
        with pytest.raises(httpx.HTTPError):
            httpx.get(address, verify=trusting).raise_for_status()
        trusting.load_cert_chain(certificates / "client.pem", certificates / "client.key")
        answer = httpx.get(address, verify=trusting)
    assert answer.json() == {"status": "ok"}
    assert answer.headers["strict-transport-security"].startswith("max-age")
