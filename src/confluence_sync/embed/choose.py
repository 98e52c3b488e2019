"""Picks the embedder that the settings ask for, and says plainly when there is none."""

from __future__ import annotations

import logging
from pathlib import Path

from confluence_sync.config import Settings
from confluence_sync.embed.base import Embedder
from confluence_sync.embed.download import download, hub, model_folder
from confluence_sync.embed.endpoint import EndpointEmbedder
from confluence_sync.errors import SettingsError
from confluence_sync.http import Link, Patience
from confluence_sync.wires import HttpxWire

log = logging.getLogger(__name__)

NONE = (
    "keyword search only: no embedding model is set. For search by meaning set EMBEDDING_URL (any OpenAI-compatible endpoint), "
    "EMBEDDING_MODEL_PATH (a model folder), or EMBEDDING_BACKEND=onnx (downloads all-MiniLM-L6-v2 once, 91 MB)"
)


def open_embedder(settings: Settings) -> Embedder | None:
    """The embedder for stores that take vectors from us, or None for keyword search only, which the log says."""
    embedder = embedder_of(settings)
    if embedder is None:
        log.info(NONE)
    return embedder


def embedder_of(settings: Settings) -> Embedder | None:
    """The same without a word in the log.

    `auto` takes the endpoint, then the folder, then a model downloaded earlier, and never goes to a host that was not configured.
    """
    chosen = _choice(settings)
    if chosen == "openai":
        return _fits(_endpoint(settings), settings)
    if chosen == "onnx":
        return _fits(_local(settings), settings)
    return None


def _choice(settings: Settings) -> str:
    if settings.embedding_backend == "local":
        return "onnx"
    if settings.embedding_backend != "auto":
        return settings.embedding_backend
    if settings.embedding_url:
        return "openai"
    return "onnx" if settings.embedding_model_path or model_folder(settings.state_dir).is_dir() else "none"


def _endpoint(settings: Settings) -> Embedder:
    if not settings.embedding_url:
        raise SettingsError("EMBEDDING_URL: EMBEDDING_BACKEND=openai needs the address of an OpenAI-compatible endpoint, ending in /v1")
    key = settings.embedding_api_key.reveal()
    headers = {"authorization": f"Bearer {key}"} if key else {}
    wire = HttpxWire(settings.conf_ca_bundle, tls=settings.embedding_url.startswith("https"))
    return EndpointEmbedder(
        Link(settings.embedding_url.rstrip("/"), wire, headers, (key,) if key else (), Patience(tries=8, timeout=300)),
        settings.embedding_model_id,
    )


def _local(settings: Settings) -> Embedder:
    try:
        from confluence_sync.embed.local import LocalEmbedder

        return LocalEmbedder(_folder(settings))
    except ModuleNotFoundError as error:
        raise SettingsError("EMBEDDING_BACKEND=onnx needs packages: pip install 'confluence-sync[onnx]'") from error


def _folder(settings: Settings) -> Path:
    if settings.embedding_model_path:
        return settings.embedding_model_path
    folder = model_folder(settings.state_dir)
    if not folder.is_dir():
        link = hub(settings.conf_ca_bundle)
        try:
            download(link, folder)
        finally:
            link.close()
    return folder


def _fits(embedder: Embedder, settings: Settings) -> Embedder:
    """EMBED_DIM is a promise about the model; it is checked, never obeyed."""
    if settings.embed_dim and embedder.facts().dimension != settings.embed_dim:
        facts = embedder.facts()
        embedder.close()
        raise SettingsError(f"EMBED_DIM={settings.embed_dim}, but {facts.model} makes vectors of {facts.dimension}; leave EMBED_DIM empty")
    return embedder
