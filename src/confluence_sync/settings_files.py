"""Reads settings from flags, the environment, .env.secrets and .env, and names everything that is wrong at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from confluence_sync.config import RETIRED, Settings, declared
from confluence_sync.errors import SettingsError
from confluence_sync.settings_kinds import Setting

Values = Mapping[str, str]


def read_settings(flags: Values | None = None, environment: Values | None = None, folder: Path | None = None) -> Settings:
    """The settings that hold here: flag, then environment, then .env.secrets, then .env in `folder`, then default.

    Raises SettingsError with one line for every value that cannot be used.
    """
    layers = _layers(flags or {}, os.environ if environment is None else environment, folder or Path())
    problems: list[str] = []
    values = {}
    for name, setting in declared().items():
        found = _find(setting, layers, problems)
        if found is not None:
            values[name] = _parse(setting, *found, problems)
    if problems:
        raise SettingsError(*problems)
    settings = Settings(**values)  # type: ignore[arg-type]  # each was made by its own setting's parse
    _check_together(settings)
    return settings


def retired(environment: Values | None = None, folder: Path | None = None) -> list[str]:
    """One line for each name that older programs read and this one answers otherwise."""
    layers = _layers({}, os.environ if environment is None else environment, folder or Path())
    return [f"{name} is not used: {answer}" for name, answer in RETIRED.items() if any(name in layer for layer in layers)]


def _layers(flags: Values, environment: Values, folder: Path) -> list[Values]:
    return [flags, environment, _env_file(folder / ".env.secrets"), _env_file(folder / ".env")]


def _env_file(file: Path) -> dict[str, str]:
    """KEY=VALUE lines, as bash, kubectl --from-env-file and podman --env-file all read them; `export ` and # lines are allowed."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    pairs = (line.strip().removeprefix("export ").partition("=") for line in lines if line.strip() and not line.lstrip().startswith("#"))
    return {key.strip(): value for key, _, value in pairs}


def _find(setting: Setting, layers: list[Values], problems: list[str]) -> tuple[str, str] | None:
    """The name under which a value was given and the value, or None. An empty value counts as not given."""
    for layer in layers:
        for name in (setting.env, *setting.aliases):
            value = clean(layer.get(name, ""))
            if value:
                return name, value
            if setting.secret and clean(layer.get(f"{name}_FILE", "")):
                return _from_file(f"{name}_FILE", clean(layer[f"{name}_FILE"]), problems)
    return None


def _from_file(name: str, file: str, problems: list[str]) -> tuple[str, str] | None:
    try:
        return name, clean(Path(file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        problems.append(f"{name}={file!r}: {why}; it must name a readable file that holds the value")
        return None


def clean(value: str) -> str:
    """Without surrounding white space and one matching pair of quotes: kubectl keeps quotes that bash needs."""
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1].strip()
    return value


def _parse(setting: Setting, name: str, value: str, problems: list[str]) -> object:
    try:
        return setting.parse(value)
    except ValueError:
        given = "the value given (not shown: it is a secret)" if setting.secret or "@" in value else repr(value)
        problems.append(f"{name}: {given} is not accepted; it must be {setting.accepts}")
        return None


def _check_together(settings: Settings) -> None:
    problems = []
    if settings.chunk_overlap * 2 > settings.chunk_tokens:
        problems.append(f"CHUNK_OVERLAP: {settings.chunk_overlap} is more than half of CHUNK_TOKENS ({settings.chunk_tokens}); lower it")
    if settings.job_completion_index >= settings.shard_count and settings.shard_count > 1:
        problems.append(f"JOB_COMPLETION_INDEX: {settings.job_completion_index} must be below SHARD_COUNT ({settings.shard_count})")
    if settings.conf_ca_bundle and not settings.conf_ca_bundle.is_file():
        problems.append(f"CONF_CA_BUNDLE: {str(settings.conf_ca_bundle)!r} is not a file; it must name a PEM file")
    if problems:
        raise SettingsError(*problems)
