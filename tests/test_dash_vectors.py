"""Vectors are asked for once a text, kept over runs, and thrown away when the model behind its name changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from confluence_sync.config import Settings
from confluence_sync.errors import BadAnswer, RemoteError
from confluence_sync.stores.dash_vectors import Embeddings, VectorCache
from confluence_sync.stores.remote import link_to
from confluence_sync.stores.vector_stores_ledger import Ledger
from tests.vector_api_stub import Json, StubApi, stub_api


@dataclass
class Embedder(StubApi):
    """The vector of a text is its length and `turn` (or what is `strange`); `short` leaves the last vector out."""

    turn: float = 0.5
    short: bool = False
    strange: object = None
    embedded: int = 0

    def answer(self, method: str, path: str, query: dict[str, str], body: Json) -> tuple[int, object]:
        texts = body["input"]
        assert isinstance(texts, list)
        self.embedded += len(texts)
        vectors = [{"embedding": [len(text) / 100, self.strange or self.turn]} for text in texts]
        return 200, {"data": vectors[:-1] if self.short else vectors}


@pytest.fixture
def api() -> Iterator[Embedder]:
    with stub_api(Embedder) as running:
        assert isinstance(running, Embedder)
        yield running


def asked(api: Embedder, folder: Path, *texts: str) -> list[list[float]]:
    """The vectors that one run gets, with a connection and a cache of its own."""
    link, cache = link_to(api.url, Settings()), VectorCache(folder / "vectors.db")
    try:
        return Embeddings(link, "/v1/embeddings", "m", cache).vectors(texts)
    finally:
        link.close()
        cache.close()


def test_a_text_is_embedded_once(api: Embedder, tmp_path: Path) -> None:
    """A second run asks for the canary and for what is new; vectors come in the order of the texts."""
    first = asked(api, tmp_path, "one", "three", "one")
    assert first == [pytest.approx([0.03, 0.5]), pytest.approx([0.05, 0.5]), pytest.approx([0.03, 0.5])]
    assert api.embedded == 1 + 2
    second = asked(api, tmp_path, "three", "fourteen", "one")
    assert second == [pytest.approx([0.05, 0.5]), pytest.approx([0.08, 0.5]), pytest.approx([0.03, 0.5])]
    assert api.embedded == 3 + 1 + 1


def test_a_swapped_model_makes_kept_vectors_worthless(api: Embedder, tmp_path: Path) -> None:
    """The canary's vector differs, so everything is asked for again."""
    asked(api, tmp_path, "one", "three")
    api.turn = 0.9
    assert asked(api, tmp_path, "one") == [pytest.approx([0.03, 0.9])]


def test_a_lost_cache_costs_one_more_embedding(api: Embedder, tmp_path: Path) -> None:
    """Without its file every text is asked for again, and nothing else changes."""
    before = asked(api, tmp_path, "one")
    (tmp_path / "vectors.db").unlink()
    assert asked(api, tmp_path, "one") == before


@pytest.mark.parametrize("kept", [VectorCache, Ledger])
def test_what_is_kept_beside_the_state_is_named_when_it_cannot_be_used(tmp_path: Path, kept: type[VectorCache | Ledger]) -> None:
    """A damaged file is exit 5 with its name, no bug; closed twice, as Backend.close() may be, is closed."""
    file = tmp_path / "kept.db"
    file.write_bytes(b"no database " * 100)
    with pytest.raises(RemoteError, match=r"kept\.db cannot be used .*move it away"):
        kept(file)
    file.unlink()
    opened = kept(file)
    opened.close()
    opened.close()


def test_missing_vectors_are_told(api: Embedder, tmp_path: Path) -> None:
    """An answer with fewer vectors than texts is refused, as they could not be told apart."""
    api.short = True
    with pytest.raises(BadAnswer, match="0 vectors for 1 texts"):
        asked(api, tmp_path, "one")
    assert api.embedded == 1


@pytest.mark.parametrize(("strange", "named"), [("0.5", "str"), (True, "bool"), ([1.0], "list")])
def test_a_vector_of_anything_but_numbers_is_refused(api: Embedder, tmp_path: Path, strange: object, named: str) -> None:
    """What a server sends instead of a number is named, and nothing is kept."""
    api.strange = strange
    with pytest.raises(BadAnswer, match=f"must hold numbers, but holds {named}"):
        asked(api, tmp_path, "one")
