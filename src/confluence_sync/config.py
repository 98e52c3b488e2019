"""Every setting once, as data: add a line here and .env.example, the README's table and --help follow."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from confluence_sync.settings_kinds import Secret, Setting, choice, flag, optional_path, path, secret, secret_url, text, url, whole, words

SOURCE, SCOPE, TARGET, EMBED, RUN, LOG, SERVE = (
    "Confluence",
    "What to sync",
    "Where to",
    "Embedding",
    "The run",
    "Logs, metrics and notices",
    "Answers, service and export",
)

BACKENDS = ("auto", "sqlite", "underscore", "vector-stores", "dash", "rag-tool", "pgvector", "milvus", "memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one run, checked and typed; build it with read_settings() or, in a notebook or test, by hand."""

    conf_cloud_id: str = text("CONF_CLOUD_ID", SOURCE, "Your site's cloud id; requests go through Atlassian's gateway with it.")
    conf_base_url: str = url(
        "CONF_BASE_URL",
        SOURCE,
        "The site (https://example.atlassian.net) or Data Center address, when there is no cloud id.",
        aliases=("CONFLUENCE_URL", "CONFLUENCE_BASE_URL"),
    )
    conf_user: str = text(
        "CONF_USER",
        SOURCE,
        "E-mail of the account that owns the token; empty: the token is sent as Bearer.",
        aliases=("CONFLUENCE_EMAIL", "CONFLUENCE_USERNAME"),
    )
    conf_api_token: Secret = secret(
        "CONF_API_TOKEN",
        SOURCE,
        "API token (Cloud) or password (Data Center).",
        aliases=("CONFLUENCE_API_TOKEN", "CONFLUENCE_PASSWORD", "CONF_ACCESS_TOKEN"),
    )
    conf_pat: Secret = secret("CONF_PAT", SOURCE, "Personal access token of a Data Center account; sent as Bearer.")
    conf_gateway_url: str = url(
        "CONF_GATEWAY_URL", SOURCE, "Atlassian's gateway; change it for a proxy or a test.", "https://api.atlassian.com"
    )
    conf_ca_bundle: Path | None = optional_path(
        "CONF_CA_BUNDLE",
        SOURCE,
        "PEM file with further certificate authorities, for every connection.",
        aliases=("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"),
    )
    concurrency: int = whole("CONCURRENCY", SOURCE, "Requests to Confluence in flight at once.", 4, 1, 32)

    space_name: tuple[str, ...] = words(
        "SPACE_NAME",
        SCOPE,
        "Space by name or key; several with commas; * means every visible space.",
        aliases=("CONFLUENCE_SPACE", "FILTER_SPACE_KEYS"),
    )
    space_key_filter: str = text("SPACE_KEY_FILTER", SCOPE, "Every space whose key begins with this.")
    filter_folder_id: str = text(
        "FILTER_FOLDER_ID",
        SCOPE,
        "Only what lies below this page or folder: its id, or the link from Copy link.",
        aliases=("FILTER_ANCESTOR_ID",),
    )
    labels: tuple[str, ...] = words("LABELS", SCOPE, "Only pages with one of these labels.", aliases=("FILTER_LABELS",))
    filter_page_ids: tuple[str, ...] = words("FILTER_PAGE_IDS", SCOPE, "Only these pages, for a try; nothing is deleted then.")
    since_hours: int = whole(
        "SINCE_HOURS",
        SCOPE,
        "New pages older than this wait; stored pages are always brought up to date. 0: no bound.",
        0,
        0,
        10**6,
    )
    test_limit: int = whole("TEST_LIMIT", SCOPE, "How many titles test_confluence.py shows.", 10, 1, 1000)

    vector_api_base_url: str = url(
        "VECTOR_API_BASE_URL",
        TARGET,
        "The Vector API or Milvus that is kept in step; goes before the next two.",
        schemes=("http", "https", "file"),
    )
    llama_base_url: str = url("LLAMA_BASE_URL", TARGET, "The Llama Stack server that is kept in step.")
    database_url: Secret = secret_url(
        "DATABASE_URL", TARGET, "PostgreSQL with pgvector that is kept in step; holds the state, too.", ("postgresql", "postgres")
    )
    vector_backend: str = choice("VECTOR_BACKEND", TARGET, "Forces a kind of store; auto asks the server what it can do.", "auto", BACKENDS)
    vector_api_key: Secret = secret("VECTOR_API_KEY", TARGET, "Key of the Vector API; sent as Bearer.")
    collection_id: str = text("COLLECTION_ID", TARGET, "Collection on a Vector API or a store of ours (confluence when empty).")
    vector_db_id: str = text("VECTOR_DB_ID", TARGET, "Collection on Llama Stack (conf-known-issues when empty).")
    vector_db_provider: str = text("VECTOR_DB_PROVIDER", TARGET, "Vector provider on Llama Stack; empty: the best one it has.")
    batch_size: int = whole(
        "BATCH_SIZE", TARGET, "Most chunks in one write; a store may take fewer.", 100, 1, 10_000, aliases=("MAX_CHUNKS_PER_INSERT",)
    )
    chunk_tokens: int = whole("CHUNK_TOKENS", TARGET, "Most tokens (cl100k_base) in a chunk, overlap included.", 1000, 64, 8000)
    chunk_overlap: int = whole("CHUNK_OVERLAP", TARGET, "Most tokens that a chunk repeats of the one before.", 180, 0, 4000)
    live_collection_file: Path | None = optional_path(
        "LIVE_COLLECTION_FILE",
        TARGET,
        "File that names the live collection, for readers of a rotated one (conf_known_issues.vdb in the image).",
    )
    rotate_min_change: int = whole(
        "ROTATE_MIN_CHANGE", TARGET, "Per cent of pages that must differ before a collection that cannot delete is rebuilt.", 0, 0, 100
    )

    embedding_backend: str = choice(
        "EMBEDDING_BACKEND",
        EMBED,
        "Who makes vectors for stores that need them; none: keyword search only.",
        "auto",
        ("auto", "none", "onnx", "openai", "local"),
        aliases=("EMBED_MODEL_TYPE",),
    )
    embedding_model_id: str = text("EMBEDDING_MODEL_ID", EMBED, "Model that the server or endpoint must have; empty: the server's own.")
    embedding_url: str = url("EMBEDDING_URL", EMBED, "An OpenAI-compatible endpoint (its /v1 address).")
    embedding_api_key: Secret = secret("EMBEDDING_API_KEY", EMBED, "Key of EMBEDDING_URL; sent as Bearer.")
    embedding_model_path: Path | None = optional_path(
        "EMBEDDING_MODEL_PATH",
        EMBED,
        "Folder of a local ONNX or sentence-transformers model.",
        aliases=("LOCAL_EMBED_MODEL_NAME", "LOCAL_EMB_MODEL"),
    )
    embed_dim: int = whole("EMBED_DIM", EMBED, "Checked against the model's dimension; 0: not checked.", 0, 0, 65536)

    state_dir: Path = path("STATE_DIR", RUN, "Folder of the state and of the embedded store.", ".confluence-sync")
    state_url: Secret = secret_url("STATE_URL", RUN, "State in PostgreSQL instead of STATE_DIR.", ("postgresql", "postgres", "sqlite"))
    max_deletes: int = whole(
        "MAX_DELETES", RUN, "Raises the ceiling on deleted pages for this run; -1: the built-in ceiling.", -1, -1, 10**7
    )
    reconcile_after_runs: int = whole(
        "RECONCILE_AFTER_RUNS", RUN, "A page must be missing in this many runs before it is deleted.", 1, 1, 30
    )
    eval_file: Path | None = optional_path(
        "EVAL_FILE", RUN, "Golden questions (as `confluence-sync eval` reads them) that are asked after each run."
    )
    eval_least: int = whole(
        "EVAL_LEAST", RUN, "Per cent of them that must find their page among the first five; fewer is exit code 3.", 90, 0, 100
    )
    refresh_labels: bool = flag("REFRESH_LABELS", RUN, "Ask for the labels of every page, not only of changed ones.")
    shard_count: int = whole("SHARD_COUNT", RUN, "Split the pages over this many runs side by side.", 1, 1, 1000)
    job_completion_index: int = whole("JOB_COMPLETION_INDEX", RUN, "Which of them this one is; Kubernetes sets it.", 0, 0, 999)
    in_image: bool = flag("CONFLUENCE_SYNC_IMAGE", RUN, "Set in the container image, where a destination must be named.")

    log_format: str = choice(
        "LOG_FORMAT", LOG, "text or json lines; auto: bars on a terminal, text elsewhere.", "auto", ("auto", "text", "json")
    )
    log_level: str = choice("LOG_LEVEL", LOG, "How much is logged.", "info", ("debug", "info", "warning", "error"))
    verbose: bool = flag("VERBOSE", LOG, "The same as LOG_LEVEL=debug.")
    pushgateway_url: str = url("PUSHGATEWAY_URL", LOG, "Prometheus Pushgateway that gets the run's metrics.")
    metrics_textfile: Path | None = optional_path("METRICS_TEXTFILE", LOG, "File for node_exporter's textfile collector.")
    notify_webhook_url: Secret = secret_url(
        "NOTIFY_WEBHOOK_URL", LOG, "Gets the report of each run (Slack-compatible JSON).", ("http", "https")
    )

    api_key: Secret = secret("API_KEY", SERVE, "One key of the answering service; more with `confluence-sync keys`.")
    cors_origins: tuple[str, ...] = words("CORS_ORIGINS", SERVE, "Origins whose pages may call the service.")
    litellm_api_base: str = url(
        "LITELLM_API_BASE", SERVE, "OpenAI-compatible endpoint or Ollama that writes answers.", aliases=("LLM_BASE_URL",)
    )
    litellm_model: str = text(
        "LITELLM_MODEL", SERVE, "Model that writes answers; empty: the best passages instead.", aliases=("LLM_MODEL",)
    )
    litellm_api_key: Secret = secret(
        "LITELLM_API_KEY", SERVE, "Key of LITELLM_API_BASE; sent as Bearer.", aliases=("LLM_API_KEY", "OPENAI_API_KEY", "MISTRAL_API_KEY")
    )
    llm_timeout: int = whole("LLM_TIMEOUT", SERVE, "Seconds the answering model may take for the next piece of an answer.", 60, 1, 3600)
    llm_context_tokens: int = whole("LLM_CONTEXT_TOKENS", SERVE, "Most tokens of passages and question sent to it.", 6000, 500, 10**6)
    keep_history: bool = flag("KEEP_HISTORY", SERVE, "Conversations are kept in STATE_DIR, by session and key.", True)
    query_log: Path | None = optional_path("QUERY_LOG", SERVE, "File that gets each question and answer as JSON lines; empty: none.")
    rate_limit: int = whole("RATE_LIMIT", SERVE, "Requests a minute from one key or address; 0: no limit.", 120, 0, 10**6)
    jwt_jwks_url: str = url("JWT_JWKS_URL", SERVE, "Key set of the identity provider whose tokens are accepted beside keys.")
    jwt_issuer: str = text("JWT_ISSUER", SERVE, "Issuer those tokens must name.")
    jwt_audience: str = text("JWT_AUDIENCE", SERVE, "Audience those tokens must name.")
    tls_cert: Path | None = optional_path("TLS_CERT", SERVE, "PEM file: the service speaks TLS with this certificate.")
    tls_key: Path | None = optional_path("TLS_KEY", SERVE, "PEM file with its private key.")
    tls_client_ca: Path | None = optional_path(
        "TLS_CLIENT_CA", SERVE, "PEM file: only clients with a certificate of this authority get in."
    )
    pipeline_title: str = text("PIPELINE_TITLE", SERVE, "Name of the model in Open WebUI.", "Confluence")
    export_base_dir: Path | None = optional_path("EXPORT_BASE_DIR", SERVE, "Folder for `confluence-sync export`.", aliases=("DOCS_DIR",))


def declared() -> dict[str, Setting]:
    """Every setting by the name of its field in Settings, in reading order."""
    return {f.name: f.metadata["setting"] for f in fields(Settings)}


RETIRED = {
    "CHUNK_SIZE": "chunks are counted in tokens: set CHUNK_TOKENS",
    "DATA_DIR": "state and embedded store live in STATE_DIR; `confluence-sync simulate DIR` serves a folder of pages",
    "FORCE_INITIAL": "only changed pages are written; `confluence-sync sync --rebuild` makes everything anew",
    "VECTOR_INDEX_DIR": "the embedded store lives in STATE_DIR",
    "DOCS_ROOT_DIR": "`confluence-sync export DIR` writes the folder; its address on your side is not needed",
    "PIPELINES_URLS": "point Open WebUI at our service, or give the Pipelines host integrations/open_webui_pipeline.py",
}
