"""What a Llama Stack or OGX server is: its routes, embedding models and vector providers, asked without changing anything."""

from __future__ import annotations

import re
from dataclasses import dataclass

from confluence_sync.config import Settings
from confluence_sync.errors import BadAnswer, Gone, NotAllowed, NotFound, Rejected, SettingsError
from confluence_sync.http import Link
from confluence_sync.jsonvalue import JsonObject, as_object, child, objects, text

NOT_SERVED = (NotFound, Gone, Rejected, NotAllowed, BadAnswer)
Routes = frozenset[tuple[str, str]]
OPENAI = ("/v1", "/v1/openai/v1")


@dataclass(frozen=True, slots=True)
class Model:
    """An embedding model; `resource` is the name its provider knows it by."""

    id: str
    resource: str
    dimension: int


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """`version` is what the server says of itself ("" when it does not say) and decides nothing alone."""

    routes: Routes
    version: str
    models: tuple[Model, ...]
    providers: tuple[str, ...]

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
    def deletes_truly(self) -> bool:
        """Whether deleting a store's file removes its chunks. 0.2.12 says so and keeps them; from 0.2.23 on it was measured true.

        Both the routes of that time (prompts are younger than the lie) and the version, where it is told, must say so.
        """
        younger = any(path.startswith("/v1/prompts") for _, path in self.routes) or self.files_root == "/v1"
        return younger and (not self.release or self.release >= (0, 2, 23))


def look(link: Link) -> LlamaServer:
    """Five GETs. What a server does not serve or does not show to this key counts as absent; a server that is down raises."""
    routes = routes_from(_asked(link, "/openapi.json")) or _inspected(_asked(link, "/v1/inspect/routes")) or _tried(link)
    version = _asked(link, "/v1/version").get("version")
    models = _models(_asked(link, "/v1/models"))
    return LlamaServer(routes, version if isinstance(version, str) else "", models, _providers(_asked(link, "/v1/providers")))


def _asked(link: Link, path: str) -> JsonObject:
    try:
        return as_object(link.get(path), path)
    except NOT_SERVED:
        return {}


def routes_from(openapi: JsonObject) -> Routes:
    """The (METHOD, path) pairs of an OpenAPI document, every path parameter written as {}."""
    paths = child(openapi, "paths", "openapi.json")
    named = {path: as_object(item, f"openapi.json.paths.{path}") for path, item in paths.items()}
    return frozenset((method.upper(), re.sub(r"\{[^}]*\}", "{}", path)) for path, item in named.items() for method in item)


def _inspected(answer: JsonObject) -> Routes:
    if "data" not in answer:
        return frozenset()
    rows = objects(answer, "data", "inspect/routes")
    return frozenset((text(row, "method", "route"), re.sub(r"\{[^}]*\}", "{}", text(row, "route", "route"))) for row in rows)


def _tried(link: Link) -> Routes:
    """A server that lists no routes (OpenAI's own) is asked for its stores and files."""
    if "data" in _asked(link, "/v1/vector_stores") and "data" in _asked(link, "/v1/files"):
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
            found.append(Model(id, str(row.get("provider_resource_id") or about.get("provider_resource_id") or id), int(dimension)))
    return tuple(found)


def _providers(answer: JsonObject) -> tuple[str, ...]:
    rows = objects(answer, "data", "providers") if "data" in answer else []
    return tuple(text(row, "provider_id", "provider") for row in rows if row.get("api") == "vector_io")


def choose_model(server: LlamaServer, settings: Settings) -> Model:
    """The model of EMBEDDING_MODEL_ID, by its whole id, its provider's name or its last part; the server's first one when not set.

    Raises SettingsError with the list when the server has none or another.
    """
    wanted = settings.embedding_model_id
    if not server.models:
        raise SettingsError("the server is up but has no embedding model yet; wait until it has loaded one, or register one")
    if not wanted:
        return server.models[0]
    for model in server.models:
        if wanted in (model.id, model.resource) or model.id.rpartition("/")[2] == wanted:
            return model
    raise SettingsError(f"EMBEDDING_MODEL_ID={wanted!r} is not served here; this server has {', '.join(m.id for m in server.models)}")


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
    return wanted or next((name for name in liked if name in server.providers), server.providers[0])
