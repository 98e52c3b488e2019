"""The service over a real PostgreSQL: state and chunks in one database, questions from several clients at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from confluence_sync.simulator.sample import SAMPLE
from confluence_sync.simulator.server import Simulator
from tests.conftest import environment_for
from tests.integration.test_service_process import serving

pytestmark = pytest.mark.integration


def test_answers_from_postgres(database: str, tmp_path: Path) -> None:  # the fixture
    """A sync over HTTP fills it; eight clients get the same answer at once; the freshness panel reads the state there."""
    with Simulator(SAMPLE) as simulator:
        environment = environment_for(simulator) | {"SPACE_NAME": "Known Issues", "DATABASE_URL": database, "RATE_LIMIT": "0"}
        with serving(environment, tmp_path) as (_, port), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            assert client.post("/api/query", json={"question": "anything"}).status_code == 503
            done = client.post("/api/sync", json={"space_keys": ["KNOWN"]}).json()
            assert (done["status"], done["failed"]) == ("complete", 0), done

            def ask(_: int) -> list[str]:
                got = client.post("/api/query", json={"question": "What do I do when I am paged at night?", "space": "KNOWN"})
                return [source["title"] for source in got.raise_for_status().json()["sources"]]

            with ThreadPoolExecutor(8) as clients:
                answers = list(clients.map(ask, range(40)))
            assert answers[0]
            assert all(one == answers[0] for one in answers)
            status = client.get("/api/status").json()
    assert (status["pages"], status["last_exit"]) == (done["synced"], 0)
