"""What a Llama Stack or OGX server is: its routes, embedding models and vector providers, asked without changing anything."""

from __future__ import annotations

import re
from dataclasses import dataclass

from confluence_sync.config import Settings
from confluence_sync.embed.endpoint import known_window, too_long
from confluence_sync.errors import BadAnswer, Gone, NotAllowed, NotFound, Rejected, ServerFailed, SettingsError
from confluence_sync.http import Link
from confluence_sync.jsonvalue import JsonObject, as_object, child, objects, text
from confluence_sync.stores.remote import Routes, plain_route, routes_from

NOT_SERVED = (NotFound, Gone, Rejected, NotAllowed, BadAnswer)
OPENAI = ("/v1", "/v1/openai/v1")


@dataclass(frozen=True, slots=True)
class Seen:
    """One question and its answer: `said` is the server's refusal in words, "" for JSON."""

    path: str
    status: int
    said: str
    answer: JsonObject


@dataclass(frozen=True, slots=True)
class Model:
    """An embedding model; `resource` is the name its provider knows it by, `window` the tokens it reads if the server says so, else 0."""

    id: str
    resource: str
    dimension: int
    window: int = 0

    def unread(self, chunk_tokens: int) -> str:
        """What to tell when this model reads less than a whole chunk; "" when it reads all, or nothing is known of it."""
        return too_long(self.resource if known_window(self.resource) else self.id, chunk_tokens, self.window)


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """`version` is what the server says of itself ("" when it does not say) and decides nothing alone."""

    routes: Routes
    version: str
    models: tuple[Model, ...]
    providers: tuple[str, ...]
    seen: tuple[Seen, ...] = ()

    def serves(self, method: str, path: str) -> bool:
        """Whether the route is there; parameters count as equal whatever their name."""
        return (method, path) in self.routes

    @property
    def files_root(self) -> str:
        """Where vector_stores and files are served: /v1 from 0.3 on, /v1/openai/v1 before; "" when they are not."""
        served = (root for root in OPENAI if self.serves("POST", f"{root}/vector_stores") and self.serves("POST", f"{root}/files"))
        return next(served, "")

    @property
    def embeddings_path(self) -> str:
        return next((f"{root}/embeddings" for root in OPENAI if self.serves("POST", f"{root}/embeddings")), "")

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers; () when it does not say or says something else."""
        found = re.match(r"(\d+)\.(\d+)\.(\d+)", self.version)
        return tuple(map(int, found.groups())) if found else ()

    @property
    def is_younger(self) -> bool:
        """Younger than 0.2.12 by its routes: collections have ids that the server mints, and files."""
        return any(path.startswith("/v1/prompts") for _, path in self.routes) or self.files_root == "/v1"

    @property
    def deletes_truly(self) -> bool:
        """Whether deleting a store's file removes its chunks. 0.2.12 says so and keeps them; from 0.2.23 on it was measured true.

        Both the routes of that time (prompts are younger than the lie) and the version, where it is told, must say so.
        """
        return self.is_younger and (not self.release or self.release >= (0, 2, 23))


def look(link: Link) -> LlamaServer:
    """A few GETs. What a server does not serve or does not show to this key counts as absent; a server that is down raises."""
    seen = [ask(link, "/openapi.json")]
    routes = routes_from(seen[0].answer)
    if not routes:
        seen.append(ask(link, "/v1/inspect/routes"))
        routes = _inspected(seen[-1].answer)
    if not routes:
        seen += [ask(link, "/v1/vector_stores"), ask(link, "/v1/files")]
        routes = _tried(seen[-2:])
    about = [ask(link, path) for path in ("/v1/version", "/v1/models", "/v1/providers")] if _is_llama(routes) else []
    version, models, providers = (one.answer for one in about) if about else ({}, {}, {})
    said = version.get("version")
    return LlamaServer(routes, said if isinstance(said, str) else "", _models(models), _providers(providers), (*seen, *about))


def ask(link: Link, path: str) -> Seen:
    """A GET whose refusal is an answer, too; raises only when the server is down or gives out."""
    try:
        return Seen(path, 200, "", as_object(link.get(path), path))
    except NOT_SERVED as refusal:
        return Seen(path, refusal.status, str(refusal), {})


def _is_llama(routes: Routes) -> bool:
    return any(
        path.startswith(("/v1/vector-", "/v1/vector_stores", "/v1/openai/v1/vector_stores", "/v1/tool-runtime")) for _, path in routes
    )


def _inspected(answer: JsonObject) -> Routes:
    if "data" not in answer:
        return frozenset()
    rows = objects(answer, "data", "inspect/routes")
    return frozenset((text(row, "method", "route"), plain_route(text(row, "route", "route"))) for row in rows)


def _tried(seen: list[Seen]) -> Routes:
    """A server that lists no routes (OpenAI's own) shows them by answering."""
    if all("data" in one.answer for one in seen):
        return frozenset((method, f"/v1/{what}") for method in ("GET", "POST") for what in ("vector_stores", "files", "embeddings"))
    return frozenset()


def _models(answer: JsonObject) -> tuple[Model, ...]:
    """Embedding models only, in both shapes: {identifier, model_type} up to 0.3, {id, custom_metadata} after."""
    rows = objects(answer, "data", "models") if "data" in answer else []
    found = []
    for row in rows:
        about = {**child(row, "metadata", "model"), **child(row, "custom_metadata", "model")}
        kind = row.get("model_type") or about.get("model_type")
        dimension = about.get("embedding_dimension")
        if kind == "embedding" and isinstance(dimension, (int, float)):
            id = str(row.get("identifier") or row.get("id"))
            resource = str(row.get("provider_resource_id") or about.get("provider_resource_id") or id)
            window = about.get("context_length")
            found.append(Model(id, resource, int(dimension), window if isinstance(window, int) else 0))
    return tuple(found)


def _providers(answer: JsonObject) -> tuple[str, ...]:
    rows = objects(answer, "data", "providers") if "data" in answer else []
    return tuple(text(row, "provider_id", "provider") for row in rows if row.get("api") == "vector_io")


def choose_model(server: LlamaServer, settings: Settings) -> Model:
    """The model of EMBEDDING_MODEL_ID, by its whole id, its provider's name or its last part; the server's first one when not set.

    Raises ServerFailed when it has none yet, SettingsError with the list when it has others.
    """
    wanted = settings.embedding_model_id
    if not server.models:
        raise ServerFailed("the server is up but has no embedding model; wait until it has loaded one, or register one", sent=False)
    found = model_named(server, wanted)
    if found:
        return found
    raise SettingsError(f"EMBEDDING_MODEL_ID={wanted!r} is not served here; this server has {', '.join(m.id for m in server.models)}")


def model_named(server: LlamaServer, wanted: str) -> Model | None:
    """The model of that name, the server's first one for ""; None when it has none such."""
    fitting = (m for m in server.models if not wanted or wanted in (m.id, m.resource) or m.id.rpartition("/")[2] == wanted)
    return next(fitting, None)


def choose_provider(server: LlamaServer, settings: Settings, liked: tuple[str, ...]) -> str:
    """VECTOR_DB_PROVIDER when set, else the first of `liked` that is there, else the server's first.

    Raises SettingsError with the list when the server has none or not this one.
    """
    wanted = settings.vector_db_provider
    if not server.providers:
        if wanted:
            return wanted  # a server that hides its providers is believed to have it; it will say so if not
        return ""
    if wanted and wanted not in server.providers:
        raise SettingsError(f"VECTOR_DB_PROVIDER={wanted!r} is not served here; this server has {', '.join(server.providers)}")
    kept = [name for name in server.providers if keeps_stores(server, name)] or list(server.providers)
    return wanted or next((name for name in liked if name in kept), kept[0])


def keeps_stores(server: LlamaServer, provider: str) -> bool:
    """Whether a vector store survives a restart of the server.

    0.2.23 finds nothing in its sqlite-vec stores afterwards; registering one again brings back the chunks, but neither name nor file list.
    """
    return not (provider == "sqlite-vec" and server.is_younger and server.serves("POST", "/v1/vector-dbs"))
