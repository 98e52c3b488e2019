"""Which embedder a collection is used with: the one that filled it, or none."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from confluence_sync.embed.base import Embedder, Facts, Matrix, disagreement, embed_windows
from confluence_sync.errors import BadAnswer, RemoteError, SettingsError
from confluence_sync.model import Chunk

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settled:
    """How a collection and the model at hand go together.

    `facts` are those of its vectors (None: keyword search only), `embedder` is the one to use (None: no vectors can be made for it),
    `outdated` says why the model at hand cannot write to it; "" when it can. `anew` says why `sync --rebuild` must not write it over
    but fill another one; "" when it need not.
    """

    facts: Facts | None
    embedder: Embedder | None
    outdated: str = ""
    anew: str = ""


def settle(collection: str, recorded: Facts | None, embedder: Embedder | None, empty: bool) -> Settled:
    """What a collection that is opened now is used with. Another model than its own can read it by words, and not write."""
    if embedder is None:
        return Settled(recorded, None)
    if recorded is None and not empty:
        log.warning(
            "collection %r was filled without vectors and stays a keyword search; `sync --rebuild` fills it anew with %s",
            collection,
            embedder.facts().model,
        )
        return Settled(None, None, anew=f"collection {collection!r} was filled without vectors")
    if recorded is None:
        return Settled(embedder.facts(), embedder)
    outdated = disagreement(recorded, embedder.facts(), collection)
    return Settled(recorded, None if outdated else embedder, outdated, outdated)


def windows_of(settled: Settled, chunks: Sequence[Chunk]) -> dict[str, Matrix]:
    """The window vectors of chunks by chunk id; nothing for a collection without vectors. SettingsError when its model is not at hand."""
    facts, embedder = settled.facts, settled.embedder
    if settled.outdated:
        raise SettingsError(settled.outdated)
    if facts is None or not chunks:
        return {}
    if embedder is None:
        raise SettingsError(
            f"this collection holds vectors of {facts.model}, and no embedder is set, so nothing can be added: "
            "set EMBEDDING_MODEL_PATH or EMBEDDING_URL as before, or name a new collection (COLLECTION_ID)"
        )
    matrices = embed_windows(embedder, [chunk.text for chunk in chunks])
    for matrix in matrices:
        _check(matrix.shape[1], facts)
    return {chunk.id: matrix for chunk, matrix in zip(chunks, matrices, strict=True)}


def vector_of(settled: Settled, question: str) -> Matrix | None:
    """The question's vector, or None when there are no vectors to compare it with or the endpoint does not answer now."""
    if settled.outdated:
        log.warning("searching by keywords only: %s", settled.outdated)
    embedder = settled.embedder
    if embedder is None or not question.strip():
        return None
    try:
        vector: Matrix = embedder.embed([question])[0]
        _check(len(vector), settled.facts)
    except RemoteError as error:
        log.warning("searching by keywords only: %s", error)
        return None
    return vector


def _check(numbers: int, facts: Facts | None) -> None:
    """An endpoint may change its model between two requests of one run."""
    if facts and numbers != facts.dimension:
        raise BadAnswer(
            f"{facts.model} gave a vector of {numbers} numbers, and those of this collection have {facts.dimension}; "
            "nothing of this batch was stored. Is another model behind that name now?"
        )
