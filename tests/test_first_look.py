"""test_confluence.py as users run it: a script in the repository, with the variables of the README."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from confluence_sync.config_text import env_example
from confluence_sync.simulator.sample import SAMPLE
from confluence_sync.simulator.server import Simulator

SCRIPT = Path(__file__).parent.parent / "test_confluence.py"


@pytest.fixture(scope="module")
def confluence() -> Iterator[Simulator]:
    with Simulator(SAMPLE) as simulator:
        yield simulator


def settings(confluence: Simulator, **changes: str) -> dict[str, str]:
    access = confluence.options.access
    return {
        "CONF_GATEWAY_URL": confluence.url,
        "CONF_CLOUD_ID": confluence.cloud_id,
        "CONF_USER": "reader@example.com",
        "CONF_API_TOKEN": access.token,
        "SPACE_NAME": "Known Issues",
    } | changes


def run(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT)], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_shows_account_space_and_titles(confluence, tmp_path):
    """It says who I am, which space is meant, how many pages it has, and as many titles with dates as TEST_LIMIT asks for."""
    done = run(tmp_path, settings(confluence, TEST_LIMIT="3"))
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert next(line for line in lines if line.startswith("who am I")).split(maxsplit=3)[3].startswith("Simulated Reader")
    pages = len([thing for thing in confluence.wiki.contents.values() if thing.type == "page" and thing.status == "current"])
    assert f"Known Issues (key KNOWN, id 724500001): {pages} pages" in done.stdout
    titles = [line.strip() for line in lines if line.startswith("  ")]
    assert len(titles) == 3
    assert titles[0].endswith("Known Issues (72451000)")
    assert titles[0].startswith("20")


def test_reads_the_env_files(confluence, tmp_path):
    """A filled-in .env and .env.secrets are enough; nothing needs to be exported."""
    filled = env_example().replace("\nCONF_CLOUD_ID=\n", f"\nCONF_CLOUD_ID={confluence.cloud_id}\nCONF_GATEWAY_URL={confluence.url}\n")
    (tmp_path / ".env").write_text(filled, encoding="utf-8")
    token = confluence.options.access.token
    (tmp_path / ".env.secrets").write_text(f"CONF_USER=reader@example.com\nCONF_API_TOKEN='{token}'\n", encoding="utf-8")
    done = run(tmp_path, {})
    assert (done.returncode, done.stderr) == (0, "")


def test_unknown_space_lists_what_is_there(confluence, tmp_path):
    """A space that is not visible is named together with those that are."""
    done = run(tmp_path, settings(confluence, SPACE_NAME="Nope"))
    assert done.returncode == 2
    assert "'Nope'" in done.stdout
    assert "Known Issues (KNOWN)" in done.stdout


def test_wrong_token_says_what_to_check(confluence, tmp_path):
    """A token that Confluence refuses is exit 2 with what to check, and is not printed."""
    done = run(tmp_path, settings(confluence, CONF_API_TOKEN="wrong-token-value"))
    assert done.returncode == 2
    assert "Confluence refuses these credentials" in done.stdout
    assert "wrong-token-value" not in done.stdout + done.stderr


def test_nothing_set_names_what_is_needed(tmp_path):
    """Without any setting every missing one is named, not only the first."""
    done = run(tmp_path, {})
    assert done.returncode == 2
    assert "CONF_CLOUD_ID" in done.stdout
    assert "CONF_API_TOKEN" in done.stdout


def test_unreachable_server_is_exit_5(confluence, tmp_path):
    """When nobody answers, the address is named and the exit code is that of a server that is away."""
    done = run(tmp_path, settings(confluence, CONF_GATEWAY_URL="http://127.0.0.1:9"))
    assert done.returncode == 5
    assert "http://127.0.0.1:9/" in done.stdout


def test_missing_packages_are_answered_with_the_pip_line(tmp_path):
    """On a bare Python it says what to install."""
    environment = {"CONF_CLOUD_ID": "x", "CONF_API_TOKEN": "some-token"}
    done = subprocess.run([sys.executable, "-S", str(SCRIPT)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install -r requirements.txt" in done.stdout
