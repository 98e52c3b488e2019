"""The rag-tool of Llama Stack 0.3.5, whose client needs Python 3.12: the suite in an environment of its own, and what is said without."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from confluence_sync.errors import SettingsError
from tests.integration.llama_cells import CELLS, NEWER_CLIENT
from tests.integration.llama_servers.install import HOME, ROOT, NoPython, client_environment
from tests.integration.llama_servers.server import Boot, minilm

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(NEWER_CLIENT in CELLS, reason="this environment has the newer client already, and runs the suite itself"),
]
pytest_plugins = ("tests.integration.llama_servers.plugin",)
SUITE = ("contract", "readers", "runs", "table")


def test_a_client_that_the_server_refuses_is_told_which_one_it_wants(shared_server: Boot, tmp_path: Path) -> None:
    """0.3.5 answers 426 to an older client: exit 2 with both versions and the pip line, before anything is written."""
    line = r"llama-stack-client 0\.2\.\d+ is refused by Llama Stack 0\.3\.5 \(426\): pip install 'llama-stack-client==0\.3\.5'"
    with pytest.raises(SettingsError, match=line):
        NEWER_CLIENT.open(shared_server(NEWER_CLIENT.version).url, tmp_path)


def test_the_suite_holds_with_the_client_that_it_wants(tmp_path: Path) -> None:
    """Contract, readers, runs and the row of the table, each with llama-stack-client 0.3.5 against Llama Stack 0.3.5."""
    try:
        python = client_environment(NEWER_CLIENT.version) / "bin" / "python"
    except NoPython as why:
        pytest.skip(f"llama-stack-client {NEWER_CLIENT.version} {why}")
    files = [f"tests/integration/test_llama_{name}.py" for name in SUITE]
    homes = {"LLAMA_SERVERS_HOME": str(HOME), "MINILM_FOLDER": str(minilm()), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "integration", "-k", NEWER_CLIENT.name, *files],
        cwd=ROOT, env={**os.environ, **homes}, capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
