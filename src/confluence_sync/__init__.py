"""Keeps a vector database in step with a Confluence space."""

from importlib.util import find_spec

__version__ = "0.1.0"


def compiled() -> bool:
    """Whether what turns pages into chunks was compiled when this was installed (setup.py); the chunks are the same without, and dearer."""
    return find_spec("confluence_sync.cl100k") is not None
