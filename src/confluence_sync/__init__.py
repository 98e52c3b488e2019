"""Keeps a vector database in step with a Confluence space."""

__version__ = "0.1.0"
