"""Every variant on every real server that has it: the cells of the suite, of the table and of docs/vector-apis.md."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from confluence_sync.config import Settings
from confluence_sync.stores.base import Backend
from confluence_sync.stores.variants import variant_named


@dataclass(frozen=True, slots=True)
class Cell:
    """One variant on one provider of one server version; the quick ones run in `make integration`."""

    variant: str
    version: str
    provider: str
    quick: bool = False

    @property
    def name(self) -> str:
        return f"{self.variant}-{self.version}-{self.provider}"

    def settings(self, url: str, state: Path, **more: Any) -> Settings:
        on_llama = {"vector_db_provider": self.provider, "embedding_model_id": "all-MiniLM-L6-v2"} if self.variant != "underscore" else {}
        return Settings(**{"llama_base_url": url, "state_dir": state, "vector_backend": self.variant, **on_llama, **more})

    def open(self, url: str, state: Path, **more: Any) -> Backend:
        return variant_named(self.variant).open(self.settings(url, state, **more))


EVERY_CELL = (
    Cell("underscore", "reference", "sqlite", quick=True),
    Cell("dash", "0.2.12", "sqlite-vec", quick=True),
    Cell("dash", "0.2.12", "faiss"),
    Cell("dash", "0.2.23", "faiss", quick=True),
    Cell("dash", "0.2.23", "sqlite-vec"),
    Cell("rag-tool", "0.2.12", "sqlite-vec"),
    Cell("rag-tool", "0.2.23", "faiss", quick=True),
    Cell("vector-stores", "0.2.23", "faiss", quick=True),
    Cell("vector-stores", "0.3.5", "sqlite-vec"),
    Cell("vector-stores", "0.3.5", "faiss"),
    Cell("vector-stores", "0.7.3", "sqlite-vec"),
    Cell("vector-stores", "0.7.3", "faiss"),
    Cell("vector-stores", "ogx-1.5.0", "sqlite-vec", quick=True),
    Cell("vector-stores", "ogx-1.5.0", "faiss"),
)
NEWER_CLIENT = Cell("rag-tool", "0.3.5", "sqlite-vec")
"""Its server takes no client of this environment's version: test_llama_rag_tool.py runs its tests in an environment of their own."""

CELLS = (NEWER_CLIENT,) if version("llama-stack-client").startswith("0.3.") else EVERY_CELL


def params(*variants: str) -> list[Any]:
    """The cells as pytest parameters; those that are not quick carry the mark `slow`."""
    chosen = [cell for cell in CELLS if not variants or cell.variant in variants]
    return [pytest.param(cell, id=cell.name, marks=() if cell.quick else pytest.mark.slow) for cell in chosen]
