"""ask, keys and export from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from confluence_sync.cli import main
from confluence_sync.keys import KeyRing
from confluence_sync.service_file import ServiceFile
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.sqlite import SqliteBackend
from tests.conftest import environment_for
from tests.llm_stub import llm_stub
from tests.store_contract import SAMPLE

Environment = pytest.MonkeyPatch
Printed = pytest.CaptureFixture[str]


@pytest.fixture
def filled(monkeypatch: Environment, tmp_path: Path) -> Path:
    """A STATE_DIR whose embedded store has a few chunks."""
    state = tmp_path / "state"
    backend = SqliteBackend(state / "store.db")
    backend.open("confluence").write(SAMPLE)
    backend.close()
    monkeypatch.setenv("STATE_DIR", str(state))
    return state


def test_ask_without_a_model(filled: Path, capsys: Printed) -> None:
    """The best passages with their links, and plainly no written answer."""
    assert main(["ask", "journal fills the disk"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("No language model is set up here")
    assert "[1] Page 1 > Symptoms  https://example.atlassian.net/wiki/" in said


def test_ask_a_model(filled: Path, capsys: Printed, monkeypatch: Environment) -> None:
    """The model's answer, then the sources it names; --json has both."""
    with llm_stub() as stub:
        monkeypatch.setenv("LITELLM_API_BASE", stub.url + "/v1")
        monkeypatch.setenv("LITELLM_MODEL", "good")
        assert main(["ask", "journal fills the disk"]) == 0
        assert capsys.readouterr().out.startswith("Restart the print service [1].\n")
        assert main(["ask", "journal fills the disk", "--json"]) == 0
        got = json.loads(capsys.readouterr().out)
    assert (got["answer"], got["cited"], got["answered_by"]) == ("Restart the print service [1].", [1], "model")


def test_ask_what_cannot_be_answered(filled: Path, capsys: Printed, monkeypatch: Environment) -> None:
    """An empty question is exit 2; a collection that is not there says which are."""
    assert main(["ask", "  "]) == 2
    monkeypatch.setenv("COLLECTION_ID", "other")
    assert main(["ask", "x"]) != 0
    assert "there is no collection 'other' yet (there are: confluence)" in capsys.readouterr().err


def test_keys(filled: Path, capsys: Printed) -> None:
    """A key is printed once, listed by name and scopes, and removed; mistakes name the next step."""
    assert main(["keys", "add", "n8n", "--scope", "sync"]) == 0
    key = capsys.readouterr().out.strip()
    caller = KeyRing(ServiceFile(filled)).caller(key)
    assert caller is not None
    assert caller.scopes == {"sync"}
    assert main(["keys"]) == 0
    listed = capsys.readouterr().out
    assert "n8n" in listed
    assert key not in listed
    assert main(["keys", "remove", "n8n"]) == 0
    assert main(["keys", "remove", "n8n"]) == 2
    assert main(["keys", "add"]) == 2
    assert "keys add n8n" not in capsys.readouterr().out


def test_export(simulator: Simulator, monkeypatch: Environment, tmp_path: Path, capsys: Printed) -> None:
    """`export DIR` writes the files and says what it did."""
    for name, value in environment_for(simulator).items():
        monkeypatch.setenv(name, value)
    assert main(["export", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith("7 pages: 7 new, 0 changed")
    assert len(list((tmp_path / "out" / "OPS").glob("*.md"))) == 7
    assert main(["export"]) == 2
