"""kill -9 in the middle of replacing a page, twenty times for each store: the page is never lost and never in pieces."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from confluence_sync.stores.base import Store
from tests.integration.kill_child import CHUNKS, COLLECTION, backend

pytestmark = pytest.mark.integration

KILLS = 20


def killed(kind: str, address: str, share: float) -> None:
    """Runs the child until it has replaced the page once, and a share of the time that this took longer, then kills it."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.integration.kill_child", kind, address]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "ready\n"
        began = time.monotonic()
        assert int(child.stdout.readline())
        time.sleep(share * (time.monotonic() - began))
        child.kill()
    child.wait()


def versions(store: Store) -> Counter[int]:
    """How many chunks of which version are there; each must be whole: text and metadata of one chunk."""
    found = Counter(stored.metadata.version for stored in store.ids() if stored.metadata)
    for hit in store.query("version chunk words", 20):
        assert hit.metadata is not None
        assert f"version {hit.metadata.version} chunk {hit.metadata.chunk_index}" in hit.text
    return found


def exactly_one(found: Counter[int]) -> bool:
    """One version, all of it: what a transaction promises."""
    return list(found.values()) == [CHUNKS]


def one_whole(found: Counter[int]) -> bool:
    """At least one whole version; extras of the next or the last are cleaned by the next run."""
    return CHUNKS in found.values()


def torture(kind: str, address: str, holds: Callable[[Counter[int]], bool]) -> None:
    chance = random.Random(4)
    seen = set()
    for _ in range(KILLS):
        killed(kind, address, chance.uniform(0, 2))
        opened = backend(kind, address)
        found = versions(opened.open(COLLECTION))
        opened.close()
        assert holds(found) or (not found and not seen), f"after a kill: {found}"
        seen |= set(found)
    assert len(seen) > KILLS / 2, "the children were killed before they replaced anything"


def test_sqlite(tmp_path: Path) -> None:
    """The embedded store holds exactly one version after each kill."""
    torture("sqlite", str(tmp_path / "store.db"), exactly_one)


def test_pgvector(database: str) -> None:  # a fixture
    """PostgreSQL takes an unfinished transaction back: exactly one version."""
    torture("pgvector", database, exactly_one)


def test_milvus_lite(tmp_path: Path) -> None:
    """Milvus has no transactions; the new chunks come before the old ones go, so one version is always whole."""
    torture("milvus", str(tmp_path / "milvus.db"), one_whole)


@pytest.mark.slow  # two minutes: it takes seconds to open a collection
def test_milvus_standalone(milvus: str) -> None:  # a fixture
    """The same on a server."""
    torture("milvus", milvus, one_whole)
