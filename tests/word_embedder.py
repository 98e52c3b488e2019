"""A small honest embedder for tests: texts that share words get near vectors, on every machine the same."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from confluence_sync.embed import Facts, Matrix
from confluence_sync.embed.base import checked
from confluence_sync.embed.windows import cut


@dataclass
class WordEmbedder:
    """Each word points somewhere; a text is the sum of its words. Reads `reads` words at once."""

    dimension: int = 64
    reads: int = 40
    model: str = "words"
    weights: str = "w1"
    seen: list[str] = field(default_factory=list)

    def facts(self) -> Facts:
        return Facts(self.model, self.weights, self.dimension)

    def window(self) -> int:
        return self.reads

    def windows(self, text: str) -> list[str]:
        return cut(text, self.reads, lambda part: [m.span() for m in re.finditer(r"\S+", part)])

    def embed(self, texts: Sequence[str]) -> Matrix:
        self.seen += texts
        rows = [
            sum((self._word(w) for w in re.findall(r"\w+", text.lower())[: self.reads]), np.full(self.dimension, 1e-6)) for text in texts
        ]
        return checked(rows, texts, "words") if rows else np.zeros((0, self.dimension), dtype=np.float32)

    def close(self) -> None:
        """Nothing to give back."""

    def _word(self, word: str) -> np.ndarray:
        seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())
        return np.random.default_rng(seed).standard_normal(self.dimension)
