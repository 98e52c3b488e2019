"""On which Python the real servers of the integration tests are installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.integration.llama_servers import install
from tests.integration.llama_servers.install import NoPython, python_from


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with nothing on the PATH and nothing in the home; the folder in which the running Python lies with its like."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr(install, "PYENV", tmp_path / "nothing")
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "versions" / "3.11.7"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    monkeypatch.delenv("LLAMA_SERVERS_PYTHON", raising=False)
    return tmp_path / "versions"


def program(place: Path, ends_with: int = 0) -> Path:
    """A Python that says with its exit code whether it fits."""
    place.parent.mkdir(parents=True)
    place.write_text(f"#!/bin/sh\nexit {ends_with}\n")
    place.chmod(0o755)
    return place


def test_a_python_beside_the_running_one_is_found(bare: Path) -> None:
    """With an empty home, pyenv's others lie beside the one that runs."""
    program(bare / "3.12.0" / "bin" / "python3.12", ends_with=1)
    fitting = program(bare / "3.12.9" / "bin" / "python3.12")
    assert python_from((3, 12)) == str(fitting)


def test_the_one_that_is_named_comes_first(bare: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """LLAMA_SERVERS_PYTHON goes before what is found."""
    program(bare / "3.12.9" / "bin" / "python3.12")
    monkeypatch.setenv("LLAMA_SERVERS_PYTHON", str(program(tmp_path / "mine" / "python")))
    assert python_from((3, 12)) == str(tmp_path / "mine" / "python")


def test_a_machine_without_one_is_told_what_to_do(bare: Path) -> None:
    """The reason says what is wanted and how to name it; a pyenv shim that leads nowhere is none."""
    program(bare / "3.13.1" / "bin" / "python3.13", ends_with=127)
    with pytest.raises(NoPython, match=r"needs Python 3\.12 to 3\.13, and none was found: .*LLAMA_SERVERS_PYTHON"):
        python_from((3, 12))
