"""What every run asks first is asked at once, and answers, trouble and counts are as if it had been asked one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from confluence_sync.errors import CredentialsError, ServerFailed
from confluence_sync.http import Answer, Link
from confluence_sync.simulator.faults import read_rules
from confluence_sync.simulator.server import Simulator
from confluence_sync.source.ahead import AskedAhead
from confluence_sync.source.connect import open_source
from tests.conftest import HASTY, SettingsFor

WHO, SPACES = "GET /rest/api/user/current", "GET /api/v2/spaces"


class Together:
    """A wire that answers once as many requests as it should have are on it together; afterwards at once."""

    def __init__(self, together: int, broken: str = "") -> None:
        self.sent: list[str] = []
        self._all, self._broken = Barrier(together), broken

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, timeout: float, limit: int) -> Answer:
        self.sent.append(f"{method} {url}")
        if len(self.sent) <= self._all.parties:
            self._all.wait(10)
        if url == self._broken:
            self._broken = ""
            raise ServerFailed("the line broke")
        return Answer(200, {}, f'"{method} {url} {len(self.sent)}"'.encode(), url)

    def close(self) -> None:
        """Nothing to close."""


def test_all_are_on_their_way_before_one_is_answered() -> None:
    """Two questions cost the time of one; each answer goes to who asks for it, once, and later questions are asked anew."""
    wire = Together(2)
    link = Link("https://x", AskedAhead(wire, ["https://x/a", "https://x/b?limit=2"], {}, 5.0), patience=HASTY)
    assert str(link.get("/b", [("limit", "2")])).startswith("GET https://x/b?limit=2")
    assert str(link.get("/a")).startswith("GET https://x/a")
    assert link.get("/a") == "GET https://x/a 3"
    assert link.get("/c") == "GET https://x/c 4"
    assert sorted(wire.sent[:2]) == ["GET https://x/a", "GET https://x/b?limit=2"]
    assert link.requests == 4


def test_another_method_is_another_question() -> None:
    """What was read ahead does not answer for what is written."""
    wire = Together(1)
    link = Link("https://x", AskedAhead(wire, ["https://x/a"], {}, 5.0), patience=HASTY)
    assert link.send("POST", "/a").json() == "POST https://x/a 2"


def test_trouble_is_that_of_who_asks() -> None:
    """What went wrong ahead counts as the first try of who wants the answer, and is tried again as always."""
    wire = Together(1, broken="https://x/a")
    link = Link("https://x", AskedAhead(wire, ["https://x/a"], {}, 5.0), patience=HASTY)
    assert link.get("/a") == "GET https://x/a 2"
    assert link.requests == 2


def test_who_we_are_and_the_spaces_are_asked_once_each(simulator: Simulator, settings_for: SettingsFor) -> None:
    """What is asked ahead is, to the letter, what is asked for afterwards: nothing comes twice."""
    with closing(open_source(settings_for(simulator), HASTY, ahead=True)) as source:
        assert source.whoami().id
        assert list(source.spaces())
        assert source.requests == 2
        assert (simulator.requests[WHO], simulator.requests[SPACES]) == (1, 1)
        assert source.whoami().id
        assert simulator.requests[WHO] == 2


@pytest.mark.parametrize("shape", ["site", "dc"])
def test_a_password_is_tried_once_at_a_time(simulator: Simulator, settings_for: SettingsFor, shape: str) -> None:
    """A site locks an account out after a few wrong ones, so nothing is asked there before who we are is known."""
    with closing(open_source(settings_for(simulator, shape), HASTY, ahead=True)) as source:
        simulator.forget_requests()
        assert source.whoami().id
        assert sum(simulator.requests.values()) == 1


def test_a_token_that_is_refused_is_told_once(simulator: Simulator, settings_for: SettingsFor, caplog: pytest.LogCaptureFixture) -> None:
    """Who we are comes first also where the spaces were refused beside it, without a word about these."""
    simulator.faults.put(read_rules("user/current -> 401; /spaces -> 401"))
    with (
        closing(open_source(settings_for(simulator), HASTY, ahead=True)) as source,
        pytest.raises(CredentialsError, match="refuses these credentials"),
    ):
        source.whoami()
    assert caplog.text == ""


ASKS_FIRST = """
import sys
from confluence_sync.cli import main
from confluence_sync.errors import SettingsError
from confluence_sync.source import connect

def asked(*_, ahead):
    raise SettingsError(f"asked, ahead {ahead}, with the run {'loaded' if 'confluence_sync.sync' in sys.modules else 'not loaded'}")

connect.open_source = asked
main(["sync"])
"""


def test_confluence_is_asked_before_the_run_is_loaded(tmp_path: Path) -> None:
    """What else a run needs is loaded while the first answers are waited for."""
    env = {"CONF_CLOUD_ID": "x", "CONF_USER": "a@b.test", "CONF_API_TOKEN": "t", "SPACE_NAME": "S", "STATE_DIR": str(tmp_path)}
    told = subprocess.run([sys.executable, "-c", ASKS_FIRST], env={**os.environ, **env}, capture_output=True, text=True, timeout=60)
    assert "asked, ahead True, with the run not loaded" in told.stderr
