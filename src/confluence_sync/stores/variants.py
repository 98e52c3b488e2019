"""Every kind of store in one visible tuple; adding one is a file and a line here."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import cast

from confluence_sync.config import Settings
from confluence_sync.errors import SettingsError
from confluence_sync.stores.base import Backend


@dataclass(frozen=True, slots=True)
class Variant:
    """A name for VECTOR_BACKEND and the module whose open_backend(settings) makes it; imported only when chosen."""

    name: str
    module: str
    extra: str = ""

    def open(self, settings: Settings) -> Backend:
        """Raises SettingsError with the pip line when the variant's packages are not installed."""
        try:
            opened = import_module(self.module).open_backend(settings)
        except ModuleNotFoundError as error:
            if not self.extra or (error.name or "").startswith("confluence_sync"):
                raise
            raise SettingsError(f"VECTOR_BACKEND={self.name} needs a package: pip install 'confluence-sync[{self.extra}]'") from error
        return cast(Backend, opened)


VARIANTS = (
    Variant("memory", "confluence_sync.stores.memory"),
    Variant("sqlite", "confluence_sync.stores.sqlite"),
    Variant("underscore", "confluence_sync.stores.underscore"),
    Variant("vector-stores", "confluence_sync.stores.vector_stores"),
    Variant("dash", "confluence_sync.stores.dash"),
    Variant("rag-tool", "confluence_sync.stores.rag_tool", "llama"),
    Variant("pgvector", "confluence_sync.stores.pgvector", "pgvector"),
    Variant("milvus", "confluence_sync.stores.milvus", "milvus"),
)


def variant_named(name: str) -> Variant:
    """Raises SettingsError for a name that is in no variant."""
    for variant in VARIANTS:
        if variant.name == name:
            return variant
    raise SettingsError(f"VECTOR_BACKEND={name!r} is unknown; there are {', '.join(variant.name for variant in VARIANTS)}")
