"""An OpenAI-compatible endpoint, a real one on 127.0.0.1: order, batches, and everything it can get wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from confluence_sync.config import Settings
from confluence_sync.embed import open_embedder
from confluence_sync.embed.base import CANARY, Embedder, Facts, checked, disagreement, facts_from
from confluence_sync.embed.choose import NONE
from confluence_sync.embed.endpoint import EndpointEmbedder, known_window, too_long
from confluence_sync.embed.windows import cut, rough_offsets
from confluence_sync.errors import BadAnswer, NotAllowed, RateLimited, Rejected, SettingsError
from confluence_sync.http import Link, Patience
from confluence_sync.settings_kinds import Secret
from confluence_sync.wires import HttpxWire
from tests.embedding_server import Endpoint, Rows, endpoint
from tests.word_embedder import WordEmbedder


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with endpoint() as running:
        yield running


@pytest.fixture
def embedder(server: Endpoint) -> Iterator[EndpointEmbedder]:
    link = Link(server.address, HttpxWire(tls=False), patience=Patience(tries=3, first_wait=0.01, longest_wait=0.02))
    made = EndpointEmbedder(link)
    yield made
    made.close()


def test_vectors_come_in_the_order_of_the_texts(embedder: EndpointEmbedder, server: Endpoint) -> None:
    """Servers number their vectors and need not keep the order; we do."""
    server.twist = lambda rows: rows[::-1]
    texts = ["alpha beta", "gamma", "delta epsilon"]
    assert np.allclose(embedder.embed(texts), WordEmbedder().embed(texts), atol=1e-6)


def test_batches_stay_small(embedder: EndpointEmbedder, server: Endpoint) -> None:
    """No request has more than 32 texts nor more than about 8,192 tokens, and every text is asked once."""
    texts = [f"text {i}" for i in range(70)] + ["long " * 5000, "longer " * 4000]
    assert len(embedder.embed(texts)) == 72
    assert [len(batch) for batch in server.asked] == [32, 32, 6, 1, 1]
    assert [text for batch in server.asked for text in batch] == texts


def test_a_batch_that_is_too_much_is_halved(embedder: EndpointEmbedder, server: Endpoint) -> None:
    """A server that takes five texts gets them in fives or fewer."""
    server.most = 5
    texts = [f"text {i}" for i in range(12)]
    assert np.allclose(embedder.embed(texts), WordEmbedder().embed(texts), atol=1e-6)
    assert max(len(batch) for batch in server.asked) <= 5


def test_one_text_that_is_refused_is_an_error(embedder: EndpointEmbedder, server: Endpoint) -> None:
    """Halving ends at one text: the server's words are passed on."""
    server.most = 0
    with pytest.raises(Rejected, match="maximum allowed batch size"):
        embedder.embed(["a", "b"])


def test_nothing_in_is_nothing_out(embedder: EndpointEmbedder, server: Endpoint) -> None:
    """No texts, no request."""
    assert len(embedder.embed([])) == 0
    assert server.asked == []


def drop_last(rows: Rows) -> Rows:
    return rows[:-1]


def repeat_first(rows: Rows) -> Rows:
    return [*rows[:-1], rows[0]]


def with_nan(rows: Rows) -> Rows:
    rows[1]["embedding"][3] = float("nan")
    return rows


def all_zero(rows: Rows) -> Rows:
    rows[0]["embedding"] = [0.0] * 64
    return rows


def shorter(rows: Rows) -> Rows:
    rows[1]["embedding"] = rows[1]["embedding"][:10]
    return rows


def words(rows: Rows) -> Rows:
    rows[0]["embedding"] = ["a"] * 64
    return rows


def missing(rows: Rows) -> Rows:
    del rows[0]["embedding"]
    return rows


@pytest.mark.parametrize(
    ("twist", "told"),
    [
        (drop_last, "2 vectors for 3 texts"),
        (repeat_first, "vectors for 3 texts"),
        (with_nan, "NaN.*'two'"),
        (all_zero, "zero"),
        (shorter, "different lengths"),
        (words, "no numbers"),
        (missing, "embedding must be a JSON list"),
    ],
)
def test_wrong_vectors_are_never_taken(embedder: EndpointEmbedder, server: Endpoint, twist: Callable[[Rows], Rows], told: str) -> None:
    """Too few, repeated, NaN, zero, uneven or no numbers at all: each is a BadAnswer that says so, and nothing is returned."""
    embedder.facts()
    server.twist = twist
    with pytest.raises(BadAnswer, match=told):
        embedder.embed(["one", "two", "three"])


def test_batches_of_one_call_must_agree(embedder: EndpointEmbedder, server: Endpoint) -> None:
    """A server that changes its dimension between two requests of one call is not believed."""
    embedder.facts()
    server.twist = lambda rows: [{**row, "embedding": row["embedding"][: 64 if len(rows) == 32 else 10]} for row in rows]
    with pytest.raises(BadAnswer, match="different lengths within one call"):
        embedder.embed([f"text {i}" for i in range(40)])


@pytest.mark.parametrize("rows", [[[1.0, 0.0]], [], 3.0])
def test_a_model_that_gives_too_little_is_told(rows: object) -> None:
    """Whatever comes back, as many rows as texts are wanted."""
    with pytest.raises(BadAnswer, match="vectors for 2 texts"):
        checked(rows, ["a", "b"], "the model")


def test_a_busy_endpoint_is_asked_again(embedder: EndpointEmbedder, server: Endpoint) -> None:
    """Two refusals for load are waited out by the link."""
    server.refuse = [429, 503]
    assert len(embedder.embed(["a"])) == 1


def test_an_endpoint_busy_for_too_long_is_told(embedder: EndpointEmbedder, server: Endpoint) -> None:
    """429 without end is a RateLimited after the link's patience, not an endless wait."""
    server.refuse = [429] * 100
    with pytest.raises(RateLimited, match="too many requests"):
        embedder.embed(["a"])
    assert len(server.refuse) == 97


def test_a_refused_key_is_told(embedder: EndpointEmbedder, server: Endpoint) -> None:
    """401 is not tried again and not halved away."""
    server.refuse = [401]
    with pytest.raises(NotAllowed):
        embedder.embed(["a", "b"])


def test_the_only_model_is_taken(embedder: EndpointEmbedder, server: Endpoint) -> None:
    """Without EMBEDDING_MODEL_ID the endpoint's one model is used; of several, they are listed."""
    assert embedder.facts().model == "words"
    server.models = ["a", "b"]
    with pytest.raises(SettingsError, match="has 2: a, b"):
        EndpointEmbedder(embedder.link).facts()


def test_facts_are_asked_once_and_carry_the_canary(embedder: EndpointEmbedder, server: Endpoint) -> None:
    """One request tells dimension and canary; the facts survive being stored."""
    facts = embedder.facts()
    embedder.facts()
    assert server.asked == [[CANARY]]
    assert (facts.dimension, facts.weights, len(facts.canary)) == (64, "", 64)
    assert facts_from(facts.as_json()) == facts


def test_a_model_swapped_under_one_name_is_caught(server: Endpoint, embedder: EndpointEmbedder) -> None:
    """The same name and dimension with other vectors is refused by the canary; rounding noise is not."""
    before = embedder.facts()
    noisy = tuple(x + 0.001 for x in before.canary)
    assert disagreement(before, Facts(before.model, "", 64, canary=noisy), "c") == ""
    server.twist = lambda rows: [{**row, "embedding": row["embedding"][::-1]} for row in rows]
    assert "test sentence gets another vector" in disagreement(before, EndpointEmbedder(embedder.link).facts(), "c")


@pytest.mark.parametrize(
    ("model", "window"),
    [("sentence-transformers/all-MiniLM-L6-v2", 256), ("text-embedding-3-small", 8191), ("BAAI/bge-m3", 8192), ("my-own", 0)],
)
def test_windows_of_known_models(model: str, window: int) -> None:
    """What a well-known model reads is known by its name; an unknown name promises nothing."""
    assert known_window(model) == window


def test_a_server_that_truncates_is_told_with_numbers() -> None:
    """Where a server embeds whole chunks, the warning has both sizes and the setting that helps; models that read all get none."""
    said = too_long("all-MiniLM-L6-v2", 1000)
    assert "reads 256 tokens of a chunk of up to 1000 (about 1250 of its own)" in said
    assert "CHUNK_TOKENS=204 and CHUNK_OVERLAP=34" in said
    assert too_long("all-MiniLM-L6-v2", 200) == too_long("text-embedding-3-small", 1000) == too_long("unknown", 1000) == ""
    assert "reads 512" in too_long("unknown", 1000, window=512)


def test_long_texts_are_cut_for_a_known_model(server: Endpoint, embedder: EndpointEmbedder) -> None:
    """A chunk longer than the model reads becomes overlapping windows under its context line; for an unknown model it stays whole."""
    text = "Space > Title\n\n" + "some words of a long text " * 200
    assert embedder.windows(text) == [text]
    known = EndpointEmbedder(embedder.link, "all-minilm")
    parts = known.windows(text)
    assert len(parts) > 3
    assert all(part.startswith("Space > Title\n") for part in parts)
    assert all(len(rough_offsets(part)) <= 256 for part in parts)


def test_every_word_is_in_some_window() -> None:
    """Cutting loses nothing: each token of the body is in a window, and neighbours overlap."""
    text = "Head line\n\n" + " ".join(f"word{i}" for i in range(500))
    parts = cut(text, 60, rough_offsets)
    for i in range(500):
        assert any(f"word{i}" in part for part in parts)
    assert cut("short", 60, rough_offsets) == ["short"]


def test_a_long_first_line_leaves_room() -> None:
    """A chunk that is one endless line is cut like any other."""
    parts = cut("word " * 1000, 60, rough_offsets)
    assert all(len(rough_offsets(part)) <= 60 for part in parts)
    assert sum(len(part) for part in parts) >= 5000


def open_with(**values: object) -> Embedder | None:
    return open_embedder(Settings(**values))  # type: ignore[arg-type]


def test_an_endpoint_is_chosen_by_its_address(server: Endpoint) -> None:
    """EMBEDDING_URL alone is enough; the key goes along and is never shown."""
    embedder = open_with(embedding_url=server.address, embedding_api_key=Secret("s3cret"))
    assert isinstance(embedder, EndpointEmbedder)
    assert embedder.facts().dimension == 64
    assert server.keys == ["Bearer s3cret"]
    embedder.close()


def test_a_promised_dimension_is_checked(server: Endpoint) -> None:
    """EMBED_DIM that does not fit the model is an error with both numbers."""
    with pytest.raises(SettingsError, match="EMBED_DIM=768, but words makes vectors of 64"):
        open_with(embedding_url=server.address, embed_dim=768)


def test_an_endpoint_without_an_address_is_a_setting(tmp_path: Path) -> None:
    """EMBEDDING_BACKEND=openai needs EMBEDDING_URL."""
    with pytest.raises(SettingsError, match="EMBEDDING_URL"):
        open_with(embedding_backend="openai")


def test_no_embedder_is_said_plainly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a model, and with none by choice, it is keyword search only, and the log says how to change that."""
    with caplog.at_level(logging.INFO):
        assert open_with(state_dir=tmp_path) is None
    assert NONE in caplog.text
    assert open_with(state_dir=tmp_path, embedding_backend="none", embedding_url="http://127.0.0.1:1/v1") is None
