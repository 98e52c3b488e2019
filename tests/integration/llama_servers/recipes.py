"""What it takes to install and start each version: its packages, its command line and the quirks that were met."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

OLD_CHARDET = "chardet==5.2.0"  # of the servers' own time: it guesses charsets wrong that 7 guesses right
COMMON = (
    "onnxruntime",
    "faiss-cpu",
    "sqlite-vec",
    "pysqlite3-binary",
    "aiosqlite",
    "sqlalchemy[asyncio]",
    OLD_CHARDET,
    "pypdf",
    "tokenizers",
    "orjson",  # with $MODEL_FOLDER the stand-in model runs on our own embedder
)
OLD_NUMPY = "numpy<2.3"  # with a newer one 0.2.12 cannot read its faiss index after a restart
NEW_NUMPY = "numpy>=2.3.2"  # 0.7.3 asks for it


@dataclass(frozen=True, slots=True)
class Recipe:
    """One server version. `command` may hold {config} and {port}; its first word lies in the environment's bin folder."""

    version: str
    packages: tuple[str, ...]
    command: tuple[str, ...]
    config: str
    needs_encoding: bool = False

    @property
    def all_packages(self) -> tuple[str, ...]:
        return (*self.packages, *COMMON)


def _llama(version: str, *more: str) -> tuple[str, ...]:
    return (f"llama-stack=={version}", f"llama-stack-client=={version}", *more)


RECIPES = {
    recipe.version: recipe
    for recipe in (
        Recipe(
            "0.2.12",
            _llama("0.2.12", OLD_NUMPY, "fastapi", "uvicorn", "asyncpg", "opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"),
            ("python", "-m", "llama_stack.distribution.server.server", "--config", "{config}", "--port", "{port}"),
            "own files",
        ),
        Recipe(
            "0.2.23",
            _llama("0.2.23", OLD_NUMPY),
            ("python", "-m", "llama_stack.core.server.server", "{config}", "--port", "{port}"),
            "own files",
        ),
        Recipe("0.3.5", _llama("0.3.5", OLD_NUMPY), ("llama", "stack", "run", "{config}", "--port", "{port}"), "shared storage"),
        Recipe(
            "0.7.3",
            ("llama-stack==0.7.3", "mcp<1.26", NEW_NUMPY),
            ("llama", "stack", "run", "{config}", "--port", "{port}"),
            "shared storage with processors",
            needs_encoding=True,
        ),
        Recipe(
            "ogx-1.5.0",
            ("ogx==1.5.0", "ogx-client==1.5.0", OLD_NUMPY),
            ("ogx", "run", "{config}", "--port", "{port}", "--insecure"),
            "shared storage with processors",
            needs_encoding=True,
        ),
    )
}


def run_config(recipe: Recipe, state: Path, provider: str, serves_model: bool = True) -> dict[str, object]:
    """The server's run file as data: two vector providers, `provider` the default one, and an embedding model of 384 dimensions."""
    whole = _run_config(recipe, state, provider)
    return whole if serves_model else _without_model(whole)


def _without_model(config: dict[str, object]) -> dict[str, object]:
    """A server that is up and cannot embed: neither a model nor what would bring one."""
    kept = {name: value for name, value in config.items() if name not in ("models", "registered_resources", "vector_stores")}
    providers = dict(config["providers"])  # type: ignore[call-overload]  # it is one
    return {**kept, "providers": {**providers, "inference": []}}


def _run_config(recipe: Recipe, state: Path, provider: str) -> dict[str, object]:
    own_files = recipe.config == "own files"
    apis = ["files", "inference", "vector_io"]
    apis += ["tool_runtime"] if "ogx" not in recipe.version else []
    apis += ["file_processors"] if "processors" in recipe.config else []
    config: dict[str, object] = {"version": "2" if own_files else 2, "image_name": "confluence-sync-tests", "apis": sorted(apis)}
    config["providers"] = {api: _providers(api, recipe, state) for api in sorted(apis)}
    config["server"] = {"port": 8321}
    return config | (_own_files(state) if own_files else _shared_storage(recipe, state, provider))


def _provider(kind: str, name: str, config: dict[str, object]) -> dict[str, object]:
    return {"provider_id": name, "provider_type": f"inline::{kind}", "config": config}


def _providers(api: str, recipe: Recipe, state: Path) -> list[dict[str, object]]:
    own_files = recipe.config == "own files"
    rag = _provider("rag-runtime", "rag-runtime", {}) if "0.7" not in recipe.version else _provider("file-search", "file-search", {})
    metadata: dict[str, object] = _file(state, "files") if own_files else {"table_name": "files_metadata", "backend": "sql"}
    return {
        "inference": [_provider("sentence-transformers", "sentence-transformers", {})],
        "vector_io": [_faiss(own_files, state), _sqlite_vec(recipe, state)],
        "files": [_provider("localfs", "localfs", {"storage_dir": str(state / "uploads"), "metadata_store": metadata})],
        "tool_runtime": [rag],
        "file_processors": [_provider("pypdf", "pypdf", {})],
    }[api]


def _file(state: Path, name: str) -> dict[str, object]:
    return {"type": "sqlite", "db_path": str(state / f"{name}.db")}


def _faiss(own_files: bool, state: Path) -> dict[str, object]:
    where: dict[str, object] = {"kvstore": _file(state, "faiss")} if own_files else {"persistence": _namespace("vector_io::faiss")}
    return _provider("faiss", "faiss", where)


def _sqlite_vec(recipe: Recipe, state: Path) -> dict[str, object]:
    where: dict[str, object] = {"db_path": str(state / "sqlite_vec.db")}
    if recipe.config != "own files":
        where["persistence"] = _namespace("vector_io::sqlite_vec")
    elif recipe.version != "0.2.12":
        where["kvstore"] = _file(state, "sqlite_vec_registry")
    return _provider("sqlite-vec", "sqlite-vec", where)


def _namespace(name: str) -> dict[str, object]:
    return {"namespace": name, "backend": "kv"}


def _resources(recipe: Recipe) -> dict[str, object]:
    model = {
        "model_id": "all-MiniLM-L6-v2",
        "provider_id": "sentence-transformers",
        "provider_model_id": "all-MiniLM-L6-v2",
        "model_type": "embedding",
        "metadata": {"embedding_dimension": 384},
    }
    groups = [{"toolgroup_id": "builtin::rag", "provider_id": "rag-runtime"}]
    has_rag = not recipe.needs_encoding
    return {"models": [model]} | ({"tool_groups": groups} if has_rag else {})


def _own_files(state: Path) -> dict[str, object]:
    stores: dict[str, object] = {"metadata_store": _file(state, "registry"), "inference_store": _file(state, "inference")}
    return stores | _resources(RECIPES["0.2.12"])


def _shared_storage(recipe: Recipe, state: Path, provider: str) -> dict[str, object]:
    sql_prompts = "ogx" in recipe.version
    stores: dict[str, object] = {
        "metadata": {"namespace": "registry", "backend": "kv"},
        "inference": {"table_name": "inference", "backend": "sql", "max_write_queue_size": 100, "num_writers": 1},
        "conversations": {"table_name": "conversations", "backend": "sql"},
    }
    if recipe.needs_encoding:
        stores["prompts"] = {"table_name": "prompts", "backend": "sql"} if sql_prompts else {"namespace": "prompts", "backend": "kv"}
        stores["connectors"] = (
            {"table_name": "connectors", "backend": "sql"} if sql_prompts else {"namespace": "connectors", "backend": "kv"}
        )
    backends = {
        "kv": {"type": "kv_sqlite", "db_path": str(state / "kv.db")},
        "sql": {"type": "sql_sqlite", "db_path": str(state / "sql.db")},
    }
    model = {"provider_id": "sentence-transformers", "model_id": "all-MiniLM-L6-v2"}
    return {
        "storage": {"backends": backends, "stores": stores},
        "registered_resources": _resources(recipe),
        "vector_stores": {"default_provider_id": provider, "default_embedding_model": model},
    }
