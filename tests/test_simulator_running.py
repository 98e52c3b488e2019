"""run_simulator serves for people: it says what to set, serves all three shapes, and ends with a signal."""

from __future__ import annotations

import gc
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from confluence_sync.errors import SettingsError
from confluence_sync.simulator.running import run_simulator, serve
from confluence_sync.simulator.server import Simulator
from tests.simulator_client import family

PROGRAM = "import sys; from confluence_sync.simulator.running import run_simulator as run; "


def start(call: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", f"{PROGRAM}sys.exit({call})"], stdout=subprocess.PIPE, text=True)


def printed(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        yield line.rstrip("\n")
        if "Ctrl-C" in line:
            return


def settings(lines: list[str], words: str) -> dict[str, str]:
    """The settings in the line with these words, or in the lines without # when `words` is empty."""
    chosen = [line.partition(": ")[2] for line in lines if words and words in line] or [line for line in lines if not line.startswith("#")]
    return dict(part.split("=", 1) for line in chosen for part in shlex.split(line))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_what_to_set_and_ends_with_a_signal(number: signal.Signals) -> None:
    """The printed settings work as they are, for gateway, site and Data Center, and the process ends with 0."""
    process = start('run(None, "127.0.0.1", 0, 0, "", "one-token")')
    try:
        lines = list(printed(process))
        gateway, site, own = settings(lines, ""), settings(lines, "site itself"), settings(lines, "Data Center")
        url = f"{gateway['CONF_GATEWAY_URL']}/ex/confluence/{gateway['CONF_CLOUD_ID']}/wiki/api/v2/spaces"
        assert requests.get(url, auth=(gateway["CONF_USER"], "one-token"), timeout=10).json()["results"][0]["name"] == gateway["SPACE_NAME"]
        answer = requests.get(f"{site['CONF_BASE_URL']}/api/v2/spaces", auth=(site["CONF_USER"], site["CONF_API_TOKEN"]), timeout=10)
        assert answer.status_code == 200
        answer = requests.get(
            f"{own['CONF_BASE_URL']}/rest/api/user/current", headers={"Authorization": f"Bearer {own['CONF_PAT']}"}, timeout=10
        )
        assert answer.json()["type"] == "known"
    finally:
        process.send_signal(number)
        rest = process.communicate(timeout=10)[0]
    assert process.returncode == 0
    assert "served 3 requests" in rest


def test_faults_and_control_can_be_given(tmp_path: Path) -> None:
    """Faults hold from the start; control is open when asked for; ids that came twice are mentioned."""
    (tmp_path / "space.jsonl").write_text('{"id": "1", "title": "a"}\n{"id": "1", "title": "b"}\n')
    process = start(
        f'run(__import__("pathlib").Path({str(tmp_path / "space.jsonl")!r}), "127.0.0.1", 0, 0, "spaces -> 503", None, control=True)'
    )
    try:
        lines = list(printed(process))
        url = settings(lines, "")["CONF_GATEWAY_URL"]
        assert requests.get(f"{url}/wiki/api/v2/spaces", timeout=10).status_code == 503
        assert requests.get(f"{url}/_control/requests", timeout=10).json()["total"] == 1
        assert any("1 objects came with an id that was taken" in line for line in lines)
    finally:
        process.terminate()
        process.communicate(timeout=10)


def stop_once_it_answers(port: int) -> None:
    """Sends SIGTERM to this process when the port is open, which is after the signal's handler is in place."""
    for _ in range(500):
        with socket.socket() as line:
            if line.connect_ex(("127.0.0.1", port)) == 0:
                os.kill(os.getpid(), signal.SIGTERM)
                return
        time.sleep(0.02)


def test_it_runs_in_the_main_thread_until_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The same in this process: a dozen spaces are listed, the others counted, and SIGTERM ends it with 0."""
    (tmp_path / "space.jsonl").write_text("".join(f'{{"id": "{n}", "space": {{"key": "S{n}"}}}}\n' for n in range(1, 16)))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    threading.Thread(target=stop_once_it_answers, args=(port,), daemon=True).start()
    assert serve(tmp_path / "space.jsonl", port=port) == 0
    assert "#   and 3 more" in capsys.readouterr().out


def test_a_taken_port_and_a_wrong_source_are_named(tmp_path: Path) -> None:
    """A port that is in use, a folder that is not there and a fault that does not exist are settings errors."""
    with pytest.raises(SettingsError, match=r"cannot serve on 192\.0\.2\.1:0"):
        run_simulator(None, "192.0.2.1", 0, 0, "", None)
    with pytest.raises(SettingsError, match="no such folder"):
        serve(tmp_path / "none")
    with pytest.raises(SettingsError, match="melt"):
        serve(tmp_path, faults=". -> melt")


def test_connections_that_arrive_while_it_stops_are_closed() -> None:
    """A run that ended with an error may just be asking something more; Python tells of sockets that nobody closed when they are cleared
    away, and that fails this test."""

    def arrive(port: int, made: list[socket.socket]) -> None:
        with suppress(OSError):
            for _ in range(100):  # fewer than may wait to be accepted
                made.append(socket.create_connection(("127.0.0.1", port), 1))

    for _ in range(20):
        made: list[socket.socket] = []
        with Simulator(family(1)) as simulator:
            arriving = threading.Thread(target=arrive, args=(simulator.port, made))
            arriving.start()
            while not made:
                time.sleep(0.0001)
        arriving.join(20)
        assert not arriving.is_alive()
        for connection in made:
            connection.close()
        gc.collect()
