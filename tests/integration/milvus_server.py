"""A real Milvus 2.3.5 standalone from PyPI, in an environment of its own (its packages clash with ours), started once for a session."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HOME = Path.home() / ".cache" / "confluence-sync-tests" / "milvus-2.3.5"
PROGRAMS = HOME / "server" / "bin"
UNPACK = "import sys; from milvus import _initialize_data_files; _initialize_data_files(sys.argv[1])"

INSIDE = ("etcd", "root-coord", "proxy-internal", "query-coord", "query-node", "index-coord", "index-node", "data-coord", "data-node")

ETCD = """name: default
listen-client-urls: http://127.0.0.1:{client}
advertise-client-urls: http://127.0.0.1:{client}
listen-peer-urls: http://127.0.0.1:{peer}
initial-advertise-peer-urls: http://127.0.0.1:{peer}
initial-cluster: default=http://127.0.0.1:{peer}
"""  # Milvus has no option for the second port of its etcd, and two servers on one machine would meet there


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server."""
    with standalone(tmp_path_factory.mktemp("milvus")) as (address, _):
        yield address


@contextmanager
def standalone(folder: Path) -> Iterator[tuple[str, int]]:
    """The address of a server that keeps its data in `folder`, and the id of its process; killed at the end."""
    installed()
    (folder / "bin").symlink_to(PROGRAMS)
    port, log_file, etcd = free_port(), folder / "log", folder / "etcd.yaml"
    etcd.write_text(ETCD.format(client=free_port(), peer=free_port()))
    with log_file.open("wb") as log:
        ports = [part for name in INSIDE for part in (f"--{name}-port", str(free_port()))]
        command = [str(HOME / "bin" / "milvus-server"), "--data", str(folder), "--proxy-port", str(port), *ports]
        environment = {**os.environ, "ETCD_CONFIG_PATH": str(etcd)}
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=environment)
    try:
        _wait(port, server, log_file)
        yield f"http://127.0.0.1:{port}", server.pid
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def installed() -> None:
    """The first call makes the environment, which needs the package index, and unpacks the programs, which takes minutes."""
    HOME.parent.mkdir(parents=True, exist_ok=True)
    with HOME.with_name(f"{HOME.name}.lock").open("w") as lock:  # test sessions of one machine wait for the first one
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (HOME / "bin" / "milvus-server").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(HOME)], check=True)
            subprocess.run([str(HOME / "bin" / "pip"), "install", "-q", "milvus==2.3.5", "setuptools<80"], check=True)
        if not (HOME / "unpacked").exists():
            subprocess.run([str(HOME / "bin" / "python"), "-c", UNPACK, str(PROGRAMS.parent)], check=True)
            (HOME / "unpacked").touch()


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
