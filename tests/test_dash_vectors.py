"""Vectors are asked for once a text, kept over runs, and thrown away when the model behind its name changed."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from confluence_sync.config import Settings
from confluence_sync.errors import BadAnswer, RemoteError, ServerFailed
from confluence_sync.http import Patience
from confluence_sync.stores import remote
from confluence_sync.stores.dash_vectors import Embeddings, VectorCache
from confluence_sync.stores.remote import link_to
from confluence_sync.stores.vector_stores_ledger import Ledger
from tests.vector_api_stub import Json, StubApi, stub_api


@dataclass
class Embedder(StubApi):
    """The vector of a text is its length and `turn` (or what is `strange`); `short` leaves the last vector out.

    As base64 it comes only to who asks for that, in the form that `bytes_as` makes; `refuses` is the status that this gets instead.
    More than `most` texts at once get a 500 without a reason.
    """

    turn: float = 0.5
    short: bool = False
    strange: object = None
    embedded: int = 0
    at_once: list[int] = field(default_factory=list)
    most: int = 500
    bytes_as: Callable[[bytes], str] | None = None
    refuses: int = 0

    def answer(self, method: str, path: str, query: dict[str, str], body: Json) -> tuple[int, object]:
        texts = body["input"]
        assert isinstance(texts, list)
        self.embedded += len(texts)
        self.at_once.append(len(texts))
        if len(texts) > self.most:
            return 500, {"detail": "Internal server error"}
        if self.refuses and body["encoding_format"] == "base64":
            return self.refuses, {"error": "encoding_format: base64 is not supported"}
        vectors: list[object] = [[len(text) / 100, self.strange or self.turn] for text in texts]
        if self.bytes_as and body["encoding_format"] == "base64":
            vectors = [self.bytes_as(struct.pack("<2f", *vector)) for vector in vectors]  # type: ignore[misc]  # numbers, as made above
        data = [{"embedding": vector} for vector in vectors]
        return 200, {"data": data[:-1] if self.short else data}


@pytest.fixture
def api() -> Iterator[Embedder]:
    with stub_api(Embedder) as running:
        assert isinstance(running, Embedder)
        yield running


def asked(api: Embedder, folder: Path, *texts: str) -> list[list[float]]:
    """The vectors that one run gets, with a connection and a cache of its own."""
    folder.mkdir(exist_ok=True)
    link, cache = link_to(api.url, Settings()), VectorCache(folder / "vectors.db")
    try:
        return [vector.tolist() for vector in Embeddings(link, "/v1/embeddings", "m", cache).vectors(texts)]
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


def test_a_model_that_takes_its_time_is_asked_for_less_at_once(api: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a few texts to as many as it takes in ten seconds, whatever inserts cost, where most texts may be known; none is left out."""
    seconds = iter([0, 1, 0, 1, 0, 20, *[0, 1] * 9])
    monkeypatch.setattr("confluence_sync.stores.remote.monotonic", lambda: next(seconds))
    texts = [f"text {number}" for number in range(100)]
    assert [vector[0] for vector in asked(api, tmp_path, *texts)] == [pytest.approx(len(text) / 100) for text in texts]
    assert api.at_once == [1, 8, 16, 32, 16, 28]


def test_a_server_that_fails_on_many_texts_gets_fewer(api: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Halves of what it failed on, and never so many again; where it fails on one alone, the run says so."""
    monkeypatch.setattr(remote, "PATIENCE", Patience(tries=1, timeout=10))
    api.most = 20
    texts = [f"text {number}" for number in range(100)]
    assert [vector[0] for vector in asked(api, tmp_path, *texts)] == [pytest.approx(len(text) / 100) for text in texts]
    assert api.at_once == [1, 8, 16, 32, 16, 16, 16, 16, 12]
    api.most = 0
    with pytest.raises(ServerFailed, match="500"):
        asked(api, tmp_path / "other", "one")


def test_vectors_come_as_bytes_where_the_server_has_them(api: Embedder, tmp_path: Path) -> None:
    """Little-endian 32-bit floats in base64, as OpenAI and Llama Stack send them, are the same vectors."""
    as_numbers = asked(api, tmp_path / "numbers", "one", "three")
    sent: list[bytes] = []
    api.bytes_as = lambda raw: sent.append(raw) or b64encode(raw).decode()
    assert asked(api, tmp_path / "bytes", "one", "three") == as_numbers
    assert as_numbers[0] == [pytest.approx(0.03), 0.5]
    assert len(sent) == 3


@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_server_without_base64_is_asked_for_numbers(api: Embedder, tmp_path: Path, status: int) -> None:
    """Some check the field and refuse it, some fail on it: one more question, and the run goes on."""
    api.refuses = status
    assert asked(api, tmp_path, "one", "three") == [pytest.approx([0.03, 0.5]), pytest.approx([0.05, 0.5])]


@pytest.mark.parametrize("damaged", [lambda raw: "no base64!", lambda raw: b64encode(raw[:-1]).decode()], ids=["text", "half"])
def test_bytes_that_are_no_vector_are_refused(api: Embedder, tmp_path: Path, damaged: Callable[[bytes], str]) -> None:
    """What cannot be read as 32-bit floats is named, and nothing is kept."""
    api.bytes_as = damaged
    with pytest.raises(BadAnswer, match="32-bit floats in base64, but is"):
        asked(api, tmp_path, "one")


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
    with pytest.raises(RemoteError, match=r"below\.db cannot be used"):
        kept(file / "below.db")
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


def test_a_first_question_that_failed_is_asked_again(api: Embedder, tmp_path: Path) -> None:
    """The run goes on after a failure, and a model that was swapped must still be noticed."""
    asked(api, tmp_path, "one")
    api.turn, api.short = 0.9, True
    link, cache = link_to(api.url, Settings()), VectorCache(tmp_path / "vectors.db")
    with closing(link), closing(cache):
        embeddings = Embeddings(link, "/v1/embeddings", "m", cache)
        with pytest.raises(BadAnswer):
            embeddings.vectors(["one"])
        api.short = False
        assert embeddings.vectors(["one"])[0].tolist() == [pytest.approx(0.03), pytest.approx(0.9)]


@pytest.mark.parametrize(("strange", "named"), [("0.5", "str"), (True, "bool"), ([1.0], "list")])
def test_a_vector_of_anything_but_numbers_is_refused(api: Embedder, tmp_path: Path, strange: object, named: str) -> None:
    """What a server sends instead of a number is named, and nothing is kept."""
    api.strange = strange
    with pytest.raises(BadAnswer, match=f"must hold numbers, but holds {named}"):
        asked(api, tmp_path, "one")
