"""Providers through litellm, in an environment of its own: answers, failures told in our terms, and no host but the configured one."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.environments import environment

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SCRIPT = Path(__file__).parent / "litellm_calls.py"


def test_a_provider_through_litellm(tmp_path: Path) -> None:
    """It streams; missing models, silence, 500s, 429s and garbage become our failures without the key; nothing is fetched elsewhere."""
    paths = f"{SCRIPT.parents[2]}:{SCRIPT.parents[2] / 'src'}"
    command = [str(environment("litellm") / "python"), str(SCRIPT)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": paths}, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    got = json.loads(done.stdout.strip().splitlines()[-1])
    told = got["told"]
    assert told["good"] == "Restart the print service [1]."
    kinds = {name: said.partition(":")[0] for name, said in told.items() if name != "good"}
    assert kinds == {"nope": "NotFound", "hang": "ServerFailed", "broken": "ServerFailed", "busy": "RateLimited", "garbage": "ServerFailed"}
    assert "s3cret" not in done.stdout
    assert got["abroad"] == []
