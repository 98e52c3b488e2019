"""What every test starts from: no settings of this machine, an empty folder to stand in, no host but this one, a simulator on request."""

from __future__ import annotations

import logging
import os
import socket
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from confluence_sync.config import RETIRED, Settings, declared
from confluence_sync.http import Patience
from confluence_sync.settings_files import read_settings
from confluence_sync.simulator.server import Simulator
from tests.simulator_client import family

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy")
LOOPBACK = ("127.", "::1", "localhost")

HASTY = Patience(tries=3, first_wait=0.001, longest_wait=0.01, timeout=10)
"""Tries as often as a test needs and waits for next to nothing."""

SettingsFor = Callable[..., Settings]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting, proxy or home of the person who runs the tests reaches them."""
    known = {name for setting in declared().values() for name in (setting.env, *setting.aliases, f"{setting.env}_FILE")}
    for name in (*known, *RETIRED, *PROXIES, "CURL_CA_BUNDLE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith(("CONF_", "CONFLUENCE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def every_connection_is_closed() -> Iterator[None]:
    """A SQLite connection left open fails the session and names its place; Python 3.13 alone would tell, and at random."""
    real, opened = sqlite3.connect, dict[sqlite3.Connection, str]()

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(*args, **options)
        opened[connection] = "".join(traceback.format_stack(limit=12)[:-1])
        for done in [known for known in opened if closed(known)]:
            del opened[done]
        return connection

    sqlite3.connect = connect  # type: ignore[assignment]  # the same shape, and put back below
    yield
    sqlite3.connect = real
    left = [place for connection, place in opened.items() if not closed(connection)]
    assert not left, f"{len(left)} connections were never closed; the first was opened here:\n{left[0]}"


def closed(connection: sqlite3.Connection) -> bool:
    """Whether it is closed, which only using it can tell."""
    try:
        connection.total_changes  # noqa: B018
    except sqlite3.ProgrammingError:
        return True
    return False


@pytest.fixture(autouse=True)
def umask_is_put_back() -> Iterator[None]:
    """The command line sets it in the image."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def no_host_but_this_one(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that would leave the machine fails by name; integration tests are told apart by their mark."""
    if request.node.get_closest_marker("integration"):
        return
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        host = str(address[0]) if isinstance(address, tuple) else ""
        if self.family != socket.AF_UNIX and not host.startswith(LOOPBACK):
            pytest.fail(f"this test would connect to {address}")
        real(self, address)  # type: ignore[arg-type]  # whatever the caller gave

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    """The command line sets the log up for its process; here it is put back, so that one test does not write into another's output."""
    root, ours = logging.getLogger(), logging.getLogger("confluence_sync")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level, ours.level = before[0], before[1], before[2]
    ours.setLevel(before[2])


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A Confluence with one space, OPS (Ops handbook), of seven pages."""
    with Simulator(family(7)) as running:
        yield running


@pytest.fixture
def settings_for(tmp_path: Path) -> SettingsFor:
    """Settings that reach a simulator: through the gateway, or with shape="site" or shape="dc"; further ones by their names, as text."""

    def made(simulator: Simulator, shape: str = "gateway", **more: str) -> Settings:
        return read_settings({}, environment_for(simulator, shape) | {"STATE_DIR": str(tmp_path / "state")} | more, tmp_path)

    return made


def environment_for(simulator: Simulator, shape: str = "gateway") -> dict[str, str]:
    """The settings that reach a simulator, as a person would set them."""
    access = simulator.options.access
    shapes = {
        "gateway": {
            "CONF_CLOUD_ID": simulator.cloud_id,
            "CONF_GATEWAY_URL": simulator.gateway_url,
            "CONF_USER": access.user,
            "CONF_API_TOKEN": access.token,
        },
        "site": {"CONF_BASE_URL": simulator.site_url, "CONF_USER": access.user, "CONF_API_TOKEN": access.site_token},
        "dc": {"CONF_BASE_URL": simulator.data_center_url, "CONF_PAT": access.pat},
    }
    return shapes[shape] | {"SPACE_NAME": "Ops handbook"}
