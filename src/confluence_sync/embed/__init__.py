"""Texts to vectors, for stores that take vectors from us: base.py is the contract, choose.py picks one from the settings."""

from confluence_sync.embed.base import Embedder, Facts, Matrix
from confluence_sync.embed.choose import open_embedder

__all__ = ["Embedder", "Facts", "Matrix", "open_embedder"]
