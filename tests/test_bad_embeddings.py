"""An embeddings endpoint that misbehaves in the middle of a run: the run says so, nothing wrong is stored, the next one ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from confluence_sync.embed.endpoint import EndpointEmbedder
from confluence_sync.errors import RemoteError
from confluence_sync.http import Link, Patience
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.sqlite import SqliteBackend
from confluence_sync.wires import HttpxWire
from tests.embedding_server import Endpoint, Rows, endpoint
from tests.rebuilding import OLD, Scene
from tests.torture.world import body, first_day, small_steps
from tests.word_embedder import WordEmbedder


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with endpoint() as about:
        yield about


@pytest.fixture
def filled(server: Endpoint, tmp_path: Path) -> Iterator[Scene]:
    def connect(_: WordEmbedder) -> SqliteBackend:
        link = Link(server.address, HttpxWire(None), patience=Patience(tries=3, first_wait=0.01, timeout=10))
        return SqliteBackend(tmp_path / "store.db", EndpointEmbedder(link))

    with small_steps(), Simulator(first_day()) as simulator:
        scene = Scene(simulator, tmp_path / "state", connect)
        assert scene.sync(OLD).exit == 0
        simulator.edit("1002", body(2, "quite other"))  # several chunks; the test sentence at the start of a run is one text alone
        yield scene


def one_less(rows: Rows) -> Rows:
    return rows[:-1] if len(rows) > 1 else rows


def not_a_number(rows: Rows) -> Rows:
    return [*rows[:-1], {**rows[-1], "embedding": [float("nan")] * 64}] if len(rows) > 1 else rows


def half(rows: Rows) -> Rows:
    return [{**row, "embedding": row["embedding"][:32]} for row in rows] if len(rows) > 1 else rows


@pytest.mark.parametrize(
    ("twist", "told"),
    [(one_less, r"gave \d+ vectors for \d+ texts"), (not_a_number, "NaN"), (half, "of 32 numbers.* have 64")],
    ids=["fewer", "nan", "another dimension"],
)
def test_wrong_vectors_in_the_middle_of_a_run(filled: Scene, server: Endpoint, twist: Callable[[Rows], Rows], told: str) -> None:
    """Exit 5 with what came and what was asked for; readers have what they had; the next run brings the rest."""
    before = filled.held(OLD)
    server.twist = twist
    with pytest.raises(RemoteError, match=told) as failed:
        filled.sync(OLD)
    assert failed.value.exit_code == 5
    server.twist = lambda rows: rows
    assert filled.held(OLD) == before
    assert filled.sync(OLD).exit == 0
    assert filled.trouble(OLD) == ""


def test_an_endpoint_that_is_too_busy_all_night(filled: Scene, server: Endpoint) -> None:
    """429 without end: exit 5 naming the endpoint, after as many tries as the connection has patience for, and the next run ends it."""
    before = filled.held(OLD)
    server.refuse = [429] * 1000
    with pytest.raises(RemoteError, match=r"/v1/embeddings answered 429.*too many requests") as failed:
        filled.sync(OLD)
    assert failed.value.exit_code == 5
    assert len(server.refuse) == 997
    server.refuse = []
    assert filled.held(OLD) == before
    assert filled.sync(OLD).exit == 0
    assert filled.trouble(OLD) == ""
