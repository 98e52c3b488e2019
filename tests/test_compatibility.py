"""Every setting that the programs before this one read is a promise: kept, an older name of one, or answered in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from confluence_sync.config import RETIRED, Settings, declared
from confluence_sync.settings_files import read_settings, retired
from confluence_sync.settings_kinds import Secret
from confluence_sync.stores.detect import collection_name
from confluence_sync.stores.variants import variant_named

KEPT: dict[str, tuple[str, str]] = {
    "CONF_CLOUD_ID": ("conf_cloud_id", ""),
    "CONF_USER": ("conf_user", ""),
    "CONF_API_TOKEN": ("conf_api_token", ""),
    "CONF_BASE_URL": ("conf_base_url", ""),
    "CONFLUENCE_URL": ("conf_base_url", ""),
    "CONFLUENCE_BASE_URL": ("conf_base_url", ""),
    "CONFLUENCE_EMAIL": ("conf_user", ""),
    "CONFLUENCE_USERNAME": ("conf_user", ""),
    "CONFLUENCE_API_TOKEN": ("conf_api_token", ""),
    "CONFLUENCE_PASSWORD": ("conf_api_token", ""),
    "SPACE_NAME": ("space_name", ""),
    "CONFLUENCE_SPACE": ("space_name", ""),
    "FILTER_SPACE_KEYS": ("space_name", ""),
    "SPACE_KEY_FILTER": ("space_key_filter", ""),
    "FILTER_FOLDER_ID": ("filter_folder_id", ""),
    "LABELS": ("labels", ""),
    "FILTER_LABELS": ("labels", ""),
    "FILTER_PAGE_IDS": ("filter_page_ids", ""),
    "SINCE_HOURS": ("since_hours", "0"),
    "TEST_LIMIT": ("test_limit", "10"),
    "VECTOR_API_BASE_URL": ("vector_api_base_url", ""),
    "LLAMA_BASE_URL": ("llama_base_url", ""),
    "DATABASE_URL": ("database_url", ""),
    "COLLECTION_ID": ("collection_id", ""),
    "VECTOR_DB_ID": ("vector_db_id", ""),
    "EMBEDDING_MODEL_ID": ("embedding_model_id", ""),
    "VECTOR_DB_PROVIDER": ("vector_db_provider", ""),
    "BATCH_SIZE": ("batch_size", "100"),
    "MAX_CHUNKS_PER_INSERT": ("batch_size", "100"),
    "CHUNK_TOKENS": ("chunk_tokens", "1000"),
    "CHUNK_OVERLAP": ("chunk_overlap", "180"),
    "VERBOSE": ("verbose", "0"),
    "LOG_LEVEL": ("log_level", "info"),
    "EMBED_MODEL_TYPE": ("embedding_backend", "auto"),
    "LOCAL_EMBED_MODEL_NAME": ("embedding_model_path", ""),
    "LOCAL_EMB_MODEL": ("embedding_model_path", ""),
    "EMBED_DIM": ("embed_dim", "0"),
    "LITELLM_API_BASE": ("litellm_api_base", ""),
    "LITELLM_MODEL": ("litellm_model", ""),
    "LITELLM_API_KEY": ("litellm_api_key", ""),
    "OPENAI_API_KEY": ("litellm_api_key", ""),
    "MISTRAL_API_KEY": ("litellm_api_key", ""),
    "API_KEY": ("api_key", ""),
    "EXPORT_BASE_DIR": ("export_base_dir", ""),
    "DOCS_DIR": ("export_base_dir", ""),
    "PIPELINE_TITLE": ("pipeline_title", "Confluence"),
}
"""A name of an earlier program: the setting that it means here, and the default of that."""

ANSWERED = {
    "CHUNK_SIZE": "CHUNK_TOKENS",
    "DATA_DIR": "STATE_DIR",
    "FORCE_INITIAL": "--rebuild",
    "VECTOR_INDEX_DIR": "STATE_DIR",
    "DOCS_ROOT_DIR": "export",
    "PIPELINES_URLS": "open_webui_pipeline",
}
"""A name without a setting here, and a word that its answer must hold."""

OURS = {
    "CONF_PAT": "",
    "CONF_GATEWAY_URL": "https://api.atlassian.com",
    "CONF_CA_BUNDLE": "",
    "CONCURRENCY": "4",
    "VECTOR_BACKEND": "auto",
    "VECTOR_API_KEY": "",
    "EMBEDDING_BACKEND": "auto",
    "EMBEDDING_URL": "",
    "EMBEDDING_API_KEY": "",
    "EMBEDDING_MODEL_PATH": "",
    "STATE_DIR": ".confluence-sync",
    "STATE_URL": "",
    "MAX_DELETES": "-1",
    "RECONCILE_AFTER_RUNS": "1",
    "REFRESH_LABELS": "0",
    "LIVE_COLLECTION_FILE": "",
    "SHARD_COUNT": "1",
    "JOB_COMPLETION_INDEX": "0",
    "LOG_FORMAT": "auto",
    "PUSHGATEWAY_URL": "",
    "NOTIFY_WEBHOOK_URL": "",
}
"""The names that came with this program, and their defaults."""


def sample(field: str) -> str:
    """A value that this setting accepts and that is not its default."""
    setting = declared()[field]
    if "://" in setting.accepts:
        return "postgresql://h/d" if "postgres" in setting.accepts else "https://h.test"
    if "whole number" in setting.accepts:
        return "400"
    return {"log_level": "debug", "embedding_backend": "openai", "verbose": "1"}.get(field, "value")


@pytest.mark.parametrize("name", sorted(KEPT))
def test_a_name_is_kept(name: str) -> None:
    """The value arrives in the setting that the name means here."""
    field, default = KEPT[name]
    given = sample(field)
    value = getattr(read_settings({}, {name: given}), field)
    plain = value.reveal() if isinstance(value, Secret) else value
    assert plain == declared()[field].parse(given) or plain == given
    assert value != getattr(Settings(), field)
    assert declared()[field].default == default


@pytest.mark.parametrize("name", sorted(ANSWERED))
def test_a_name_is_answered(name: str) -> None:
    """A name without a setting gets a line that says what replaced it."""
    [line] = retired({name: "x"})
    assert line.startswith(f"{name} is not used: ")
    assert ANSWERED[name] in line


def test_no_answered_name_is_forgotten_here() -> None:
    """Every name that the program answers stands in the table above."""
    assert set(RETIRED) == set(ANSWERED)


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_name_of_ours_has_its_default(name: str) -> None:
    """The newer settings are there with the defaults that the design gives them."""
    assert {setting.env: setting.default for setting in declared().values()}[name] == OURS[name]


def test_collection_names_fall_back_to_each_other() -> None:
    """COLLECTION_ID on Vector APIs, VECTOR_DB_ID on Llama Stack; each gives way to the other, then to the first programs' defaults."""
    underscore, dash = variant_named("underscore"), variant_named("dash")
    both = Settings(collection_id="c", vector_db_id="v")
    assert (collection_name(both, underscore), collection_name(both, dash)) == ("c", "v")
    assert collection_name(Settings(vector_db_id="v"), underscore) == "v"
    assert collection_name(Settings(collection_id="c"), dash) == "c"
    assert (collection_name(Settings(), underscore), collection_name(Settings(), dash)) == ("confluence", "conf-known-issues")


def test_files_are_told_apart_by_what_they_hold(tmp_path: Path) -> None:
    """Both files of the first programs are read together, the one with secrets first."""
    (tmp_path / ".env").write_text("CONF_CLOUD_ID=id\nCONF_API_TOKEN=old\n")
    (tmp_path / ".env.secrets").write_text("CONF_API_TOKEN=new\n")
    settings = read_settings({}, {}, tmp_path)
    assert (settings.conf_cloud_id, settings.conf_api_token.reveal()) == ("id", "new")
