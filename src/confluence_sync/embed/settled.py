"""Which embedder a collection is used with: the one that filled it, or none."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from confluence_sync.embed.base import Embedder, Facts, Matrix, agree, embed_windows
from confluence_sync.errors import RemoteError, SettingsError
from confluence_sync.model import Chunk

log = logging.getLogger(__name__)


def settle(collection: str, recorded: Facts | None, embedder: Embedder | None, empty: bool) -> Facts | None:
    """The facts that the collection has from now on; None: keyword search only. Raises SettingsError when another model filled it."""
    if embedder is None:
        return recorded
    if recorded is None and not empty:
        log.warning(
            "collection %r was filled without vectors and stays a keyword search; `sync --rebuild` fills it anew with %s",
            collection,
            embedder.facts().model,
        )
        return None
    if recorded is None:
        return embedder.facts()
    agree(recorded, embedder.facts(), collection)
    return recorded


def windows_of(embedder: Embedder | None, facts: Facts | None, chunks: Sequence[Chunk]) -> dict[str, Matrix]:
    """The window vectors of chunks by chunk id; nothing for a collection without vectors. SettingsError when its model is not at hand."""
    if facts is None or not chunks:
        return {}
    if embedder is None:
        raise SettingsError(
            f"this collection holds vectors of {facts.model}, and no embedder is set, so nothing can be added: "
            "set EMBEDDING_MODEL_PATH or EMBEDDING_URL as before, or name a new collection (COLLECTION_ID)"
        )
    matrices = embed_windows(embedder, [chunk.text for chunk in chunks])
    return {chunk.id: matrix for chunk, matrix in zip(chunks, matrices, strict=True)}


def vector_of(embedder: Embedder | None, facts: Facts | None, question: str) -> Matrix | None:
    """The question's vector, or None when there are no vectors to compare it with or the endpoint does not answer now."""
    if embedder is None or facts is None or not question.strip():
        return None
    try:
        vector: Matrix = embedder.embed([question])[0]
    except RemoteError as error:
        log.warning("searching by keywords only: %s", error)
        return None
    return vector
