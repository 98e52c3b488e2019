"""An embedder that remembers on disk what it was asked, so that a benchmark embeds a corpus once and not each time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from confluence_sync.embed import Embedder, Facts, Matrix
from confluence_sync.model import digest

HOME = Path.home() / ".cache" / "confluence-sync-bench"


class CachedEmbedder:
    """Passes everything on to `inner` except texts that it has seen."""

    def __init__(self, inner: Embedder, file: Path = HOME / "vectors.db") -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.inner = inner
        self._known = sqlite3.connect(file, isolation_level=None, timeout=60)
        self._known.execute("PRAGMA journal_mode = WAL")
        self._known.execute("CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID")

    def facts(self) -> Facts:
        return self.inner.facts()

    def window(self) -> int:
        return self.inner.window()

    def windows(self, text: str) -> list[str]:
        return self.inner.windows(text)

    def embed(self, texts: Sequence[str]) -> Matrix:
        keys = [digest(self.facts().weights, text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if self._get(key) is None}
        fresh = sorted(missing.items(), key=lambda pair: len(pair[1]))
        for start in range(0, len(fresh), 32):
            part = fresh[start : start + 32]
            rows = self.inner.embed([text for _, text in part])
            self._known.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?)", [(k, r.tobytes()) for (k, _), r in zip(part, rows, strict=True)]
            )
        return np.array([np.frombuffer(self._get(key) or b"", dtype=np.float32) for key in keys], dtype=np.float32).reshape(len(keys), -1)

    def close(self) -> None:
        self._known.close()
        self.inner.close()

    def _get(self, key: str) -> bytes | None:
        row = self._known.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None
