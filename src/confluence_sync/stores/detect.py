"""Which kind of store the settings mean: asks the server they name what it can do, without changing anything, and says why."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from confluence_sync.config import Settings
from confluence_sync.embed.endpoint import too_long
from confluence_sync.errors import CredentialsError, ServerFailed, SettingsError
from confluence_sync.stores.base import Backend, Feature
from confluence_sync.stores.llama_server import LlamaServer, Seen, keeps_stores, look, model_named
from confluence_sync.stores.remote import link_to, quickly
from confluence_sync.stores.underscore import LEGACY_MODEL, features_from
from confluence_sync.stores.variants import Variant, variant_named

ON_LLAMA = ("vector-stores", "dash", "rag-tool")
REMOTE = ("underscore", *ON_LLAMA)


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to the server: what was asked, the status (0: no answer), and what the answer means."""

    asked: str
    status: int
    means: str


@dataclass(frozen=True, slots=True)
class Detection:
    """The chosen variant, every probe and the reason, in words for a person. `has` names all variants the server could be used as.

    `unread` is what to tell where the server embeds whole chunks and its model does not read them to the end, "" otherwise.
    """

    variant: Variant
    probes: tuple[Probe, ...]
    reason: str
    has: tuple[str, ...] = ()
    unread: str = ""


def open_store_backend(settings: Settings) -> tuple[Backend, Detection]:
    """The backend that the settings mean, opened, and how it was found. Raises what `detect` raises."""
    found = detect(settings)
    return found.variant.open(settings), found


def collection_name(settings: Settings, variant: Variant) -> str:
    """COLLECTION_ID, or on Llama Stack VECTOR_DB_ID; each gives way to the other, then to the first programs' defaults."""
    if variant.name in ON_LLAMA:
        return settings.vector_db_id or settings.collection_id or "conf-known-issues"
    return settings.collection_id or settings.vector_db_id or "confluence"


def detect(settings: Settings) -> Detection:
    """VECTOR_BACKEND, else VECTOR_API_BASE_URL, LLAMA_BASE_URL, DATABASE_URL, else the embedded store; a server is asked what it has.

    Raises SettingsError when nothing fits or, in the image, nothing is named; ServerFailed when the server does not answer.
    """
    forced = settings.vector_backend
    base = settings.vector_api_base_url or settings.llama_base_url
    if forced not in ("auto", *REMOTE):
        return Detection(variant_named(forced), (), f"VECTOR_BACKEND={forced}")
    if base.startswith("file:"):
        return Detection(variant_named("milvus"), (), "VECTOR_API_BASE_URL names a file, which Milvus Lite keeps")
    if base:
        return _from_server(base, settings)
    if forced != "auto":
        raise SettingsError(f"VECTOR_BACKEND={forced} needs the server's address in VECTOR_API_BASE_URL or LLAMA_BASE_URL")
    if settings.database_url:
        return Detection(variant_named("pgvector"), (), "DATABASE_URL names a PostgreSQL database")
    if settings.in_image:
        raise SettingsError(
            "no destination: set VECTOR_API_BASE_URL, LLAMA_BASE_URL or DATABASE_URL; a store inside the container would be lost with it "
            "(VECTOR_BACKEND=sqlite says that you mean that, with STATE_DIR on a volume)"
        )
    return Detection(variant_named("sqlite"), (), "no destination is named, so the embedded store in STATE_DIR is used")


def offers(server: LlamaServer, settings: Settings) -> tuple[str, ...]:
    """The variants a server can be used as, the most capable first."""
    underscore = server.serves("POST", "/v1/vector_io/documents") and server.serves("POST", "/v1/vector_io/collections")
    full = underscore and Feature.DELETE in features_from(server.routes)
    served = {
        "underscore": full,
        "vector-stores": bool(server.files_root) and server.deletes_truly and _keeps_stores(server, settings),
        "dash": server.serves("POST", "/v1/vector-dbs") and server.serves("POST", "/v1/vector-io/insert"),
        "rag-tool": server.serves("POST", "/v1/tool-runtime/rag-tool/insert"),
    }
    best = tuple(name for name, there in served.items() if there)
    return (*best, "underscore") if underscore and not full else best


def _from_server(base: str, settings: Settings) -> Detection:
    setting = "VECTOR_API_BASE_URL" if settings.vector_api_base_url else "LLAMA_BASE_URL"
    with closing(quickly(link_to(base, settings))) as link:
        server = look(link)
    has, probes = offers(server, settings), tuple(_probe(seen, server, settings) for seen in server.seen)
    if not has:
        raise _nothing_there(setting, base, server)
    forced = settings.vector_backend
    if forced != "auto" and forced not in has:
        raise SettingsError(f"VECTOR_BACKEND={forced} is not served at {base}{_trap(forced, server)}; this server has {', '.join(has)}")
    name = has[0] if forced == "auto" else forced
    why = f"VECTOR_BACKEND={forced}, and {base} serves it" if forced != "auto" else _why(name, has, base)
    return Detection(variant_named(name), probes, why, has, _unread(name, server, settings))


def _unread(name: str, server: LlamaServer, settings: Settings) -> str:
    """Nothing for the Vector API with all routes: it embeds a long text in parts."""
    if name in ON_LLAMA:
        model = model_named(server, settings.embedding_model_id)
        return model.unread(settings.chunk_tokens) if model else ""
    legacy = Feature.DELETE not in features_from(server.routes)
    return too_long(settings.embedding_model_id or LEGACY_MODEL, settings.chunk_tokens) if legacy else ""


def _why(name: str, has: tuple[str, ...], base: str) -> str:
    others = f"; it also has {', '.join(has[1:])}" if has[1:] else ""
    return f"{name} is the most capable Vector API at {base}{others}"


def _trap(forced: str, server: LlamaServer) -> str:
    """Why a variant is not used although its routes are there."""
    if forced != "vector-stores" or not server.files_root:
        return ""
    if not server.deletes_truly:
        return f" (Llama Stack {server.version or 'of this age'} says that it deleted a file and keeps its chunks)"
    return f" (Llama Stack {server.version} forgets sqlite-vec stores when it restarts; VECTOR_DB_PROVIDER=faiss would do)"


def _keeps_stores(server: LlamaServer, settings: Settings) -> bool:
    wanted = settings.vector_db_provider
    return any(keeps_stores(server, name) for name in ([wanted] if wanted else server.providers or ("",)))


def _nothing_there(setting: str, base: str, server: LlamaServer) -> SettingsError | ServerFailed:
    told = "; ".join(f"{seen.path}: {seen.said or 'no known routes'}" for seen in server.seen)
    if all(seen.status in (401, 403) for seen in server.seen):
        return CredentialsError(f"{setting}: {base} does not accept the key in VECTOR_API_KEY ({told})")
    return SettingsError(f"{setting}: no Vector API was found at {base} ({told}); check the address, or force one with VECTOR_BACKEND")


def _probe(seen: Seen, server: LlamaServer, settings: Settings) -> Probe:
    meanings = {
        "/openapi.json": f"{len(server.routes)} routes: {', '.join(offers(server, settings)) or 'no Vector API that we know'}",
        "/v1/version": f"calls itself {server.version}",
        "/v1/models": f"embedding models: {', '.join(model.id for model in server.models) or 'none'}",
        "/v1/providers": f"vector providers: {', '.join(server.providers) or 'none'}",
    }
    return Probe(f"GET {seen.path}", seen.status, seen.said or meanings.get(seen.path, "answers"))
