"""Stands in for sentence-transformers: hashed words and word pieces as 384 dimensions, so that tests need no weights and no torch.

With $MODEL_FOLDER the texts are embedded by that model, for tables of what a server costs.

Every text that is embedded leaves a byte in $EMBEDDED_LOG, which tells a test what a run cost without a clock.
"""

import os
import re
import zlib
from functools import cache
from pathlib import Path

import numpy as np

DIMENSION = 384


class SentenceTransformer:
    def __init__(self, *args: object, **kwargs: object) -> None:
        self.max_seq_length = 256

    def get_sentence_embedding_dimension(self) -> int:
        return DIMENSION

    def encode(self, sentences: object, **kwargs: object) -> np.ndarray:
        texts = [sentences] if isinstance(sentences, str) else list(sentences)
        with Path(os.environ["EMBEDDED_LOG"]).open("ab") as log:
            log.write(b"." * len(texts))
        vectors = np.array(embedded(texts), np.float32).reshape(len(texts), DIMENSION)
        return vectors[0] if isinstance(sentences, str) else vectors


def embedded(texts: list[str]) -> object:
    return real_model().embed(texts) if "MODEL_FOLDER" in os.environ else [embed(text) for text in texts]


@cache
def real_model():
    """One thread, so that CPU seconds do not depend on the machine's cores."""
    from confluence_sync.embed.local import LocalEmbedder

    return LocalEmbedder(Path(os.environ["MODEL_FOLDER"]), threads=1)


def embed(text: str) -> np.ndarray:
    vector = np.full(DIMENSION, 1e-3, np.float32)
    for word in re.findall(r"\w+", text.lower()):
        for piece, weight in [(word, 1.0), *((word[i : i + 4], 0.3) for i in range(0, len(word) - 3, 2))]:
            seed = zlib.crc32(piece.encode())
            vector[seed % DIMENSION] += weight if seed & 0x10000 else -weight
    return vector / np.linalg.norm(vector)
