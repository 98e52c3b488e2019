"""A real Milvus 2.3.5 standalone from PyPI, in an environment of its own (its packages clash with ours), started once for a session."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

HOME = Path.home() / ".cache" / "confluence-sync-tests" / "milvus-2.3.5"

INSIDE = ("etcd", "root-coord", "proxy-internal", "query-coord", "query-node", "index-coord", "index-node", "data-coord", "data-node")


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server."""
    folder, base, port = tmp_path_factory.mktemp("milvus"), HOME / "server", free_port()
    for left in ("data", "logs"):  # its programs stay there: unpacking them takes minutes
        shutil.rmtree(base / left, ignore_errors=True)
    with (folder / "log").open("wb") as log:
        ports = [part for name in INSIDE for part in (f"--{name}-port", str(free_port()))]
        command = [str(_installed()), "--data", str(base), "--proxy-port", str(port), *ports]
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(port, server, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _installed() -> Path:
    """The server's command; a first call makes the environment, which needs the package index."""
    command = HOME / "bin" / "milvus-server"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=True)
        subprocess.run([str(HOME / "bin" / "pip"), "install", "-q", "milvus==2.3.5", "setuptools<80"], check=True)
    return command


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    from pymilvus import MilvusClient
    from pymilvus.exceptions import MilvusException

    until = time.monotonic() + 400
    while time.monotonic() < until and server.poll() is None:
        try:
            MilvusClient(f"http://127.0.0.1:{port}", timeout=2).close()
            return
        except MilvusException:
            time.sleep(1)
    pytest.fail(f"Milvus did not come up:\n{log.read_text(errors='replace')[-2000:]}")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
