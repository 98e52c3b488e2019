"""Settings: who wins, what each kind accepts, everything wrong named at once, and no secret in any message."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from confluence_sync.config import Settings, declared
from confluence_sync.errors import SettingsError
from confluence_sync.settings_files import clean, read_settings, retired
from confluence_sync.settings_kinds import Secret

ENVIRONMENT, SECRETS, ENV = "environment", ".env.secrets", ".env"


def wrong(environment: dict[str, str], folder: Path = Path()) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        read_settings({}, environment, folder)
    assert caught.value.exit_code == 2
    return caught.value.problems


# who wins


def test_the_order_of_places(tmp_path: Path) -> None:
    """Flag, environment, .env.secrets, .env, default: each goes before the next."""
    (tmp_path / ".env").write_text("COLLECTION_ID=from-env\n")
    assert read_settings({}, {}, tmp_path).collection_id == "from-env"
    (tmp_path / ".env.secrets").write_text("COLLECTION_ID=from-secrets\n")
    assert read_settings({}, {}, tmp_path).collection_id == "from-secrets"
    assert read_settings({}, {"COLLECTION_ID": "from-environment"}, tmp_path).collection_id == "from-environment"
    both = read_settings({"COLLECTION_ID": "from-flag"}, {"COLLECTION_ID": "from-environment"}, tmp_path)
    assert both.collection_id == "from-flag"
    assert read_settings({}, {}, tmp_path / "empty").collection_id == ""


def test_a_place_goes_before_a_name(tmp_path: Path) -> None:
    """An older name in the environment goes before the new one in .env; in one place the new name wins."""
    (tmp_path / ".env").write_text("CONF_BASE_URL=http://new\n")
    assert read_settings({}, {"CONFLUENCE_URL": "http://old"}, tmp_path).conf_base_url == "http://old"
    assert read_settings({}, {"CONFLUENCE_URL": "http://old", "CONF_BASE_URL": "http://new"}).conf_base_url == "http://new"


def test_an_empty_value_is_none(tmp_path: Path) -> None:
    """An empty variable, as templates leave them, hides neither a lower place nor the default."""
    (tmp_path / ".env").write_text("BATCH_SIZE=7\nSINCE_HOURS=\n")
    settings = read_settings({"BATCH_SIZE": ""}, {"BATCH_SIZE": "  ", "CONCURRENCY": '""'}, tmp_path)
    assert (settings.batch_size, settings.since_hours, settings.concurrency) == (7, 0, 4)


def test_the_process_is_the_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without arguments the environment of the process and the files of its folder are read."""
    (tmp_path / ".env").write_text("SPACE_NAME=Here\n")
    monkeypatch.setenv("COLLECTION_ID", "there")
    settings = read_settings()
    assert (settings.space_name, settings.collection_id) == (("Here",), "there")


def test_nothing_given_is_the_defaults() -> None:
    """Without any setting there is a whole Settings, equal to one made by hand."""
    assert read_settings({}, {}) == Settings()


# files


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ('COLLECTION_ID="a b"', "a b"),
        ("COLLECTION_ID='a b'", "a b"),
        ("COLLECTION_ID= a b ", "a b"),
        ("COLLECTION_ID=\" a 'b' \"", "a 'b'"),
        ('COLLECTION_ID="a', '"a'),
        ("COLLECTION_ID='a\"", "'a\""),
        ("export COLLECTION_ID=a=b", "a=b"),
        ("COLLECTION_ID=a # b", "a # b"),
        ("COLLECTION_ID=été 日本", "été 日本"),
        ("  COLLECTION_ID  =a", "a"),
        ("# COLLECTION_ID=a", ""),
        ("COLLECTION_ID", ""),
        ('COLLECTION_ID="', '"'),
    ],
)
def test_a_line_of_a_file(tmp_path: Path, line: str, value: str) -> None:
    """Quotes in pairs and blanks around are stripped; everything else is the value."""
    (tmp_path / ".env").write_text(f"\n\n{line}\r\n", encoding="utf-8")
    assert read_settings({}, {}, tmp_path).collection_id == value


def test_a_file_from_windows(tmp_path: Path) -> None:
    """A byte order mark and CRLF do no harm."""
    (tmp_path / ".env").write_bytes("\ufeffCOLLECTION_ID=a\r\nBATCH_SIZE=5\r\n".encode())
    settings = read_settings({}, {}, tmp_path)
    assert (settings.collection_id, settings.batch_size) == ("a", 5)


def test_quotes_that_kubectl_keeps_are_stripped() -> None:
    """Values from the environment may still carry the quotes that a shell would have taken off."""
    assert read_settings({}, {"SPACE_NAME": '"Known Issues"'}).space_name == ("Known Issues",)
    assert clean(" 'x' ") == "x"


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    """A .env in another encoding is exit 2 with the file and the byte."""
    (tmp_path / ".env").write_bytes(b"SPACE_NAME=\xe9t\xe9\n")
    assert wrong({}, tmp_path)[0].endswith(".env is not UTF-8 text (byte 11); save it as UTF-8")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A folder in the place of .env is exit 2 with its name."""
    (tmp_path / ".env").mkdir()
    assert ".env cannot be read: Is a directory" in wrong({}, tmp_path)[0]


# secrets


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    """NAME_FILE works for each secret and its older names, and the value in NAME goes before it."""
    (tmp_path / "token").write_text(' "s3cret"\n')
    file = str(tmp_path / "token")
    for name in ("CONF_API_TOKEN_FILE", "CONFLUENCE_PASSWORD_FILE"):
        assert read_settings({}, {name: file}).conf_api_token.reveal() == "s3cret"
    assert read_settings({}, {"CONF_API_TOKEN": "direct", "CONF_API_TOKEN_FILE": file}).conf_api_token.reveal() == "direct"


def test_only_secrets_come_from_files(tmp_path: Path) -> None:
    """LIVE_COLLECTION_FILE is a setting of its own, and no file is read for what is no secret."""
    (tmp_path / "x").write_text("value")
    assert read_settings({}, {"COLLECTION_ID_FILE": str(tmp_path / "x")}).collection_id == ""


def test_a_secret_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing or unreadable file of a secret is one line with its name and what it must be."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    gone, binary = str(tmp_path / "gone"), str(tmp_path / "binary")
    problems = wrong({"CONF_API_TOKEN_FILE": gone, "VECTOR_API_KEY_FILE": binary})
    assert problems[0] == f"CONF_API_TOKEN_FILE={gone!r}: No such file or directory; it must name a readable file that holds the value"
    assert problems[1].startswith(f"VECTOR_API_KEY_FILE={binary!r}: it is not text in UTF-8;")


def test_a_secret_never_prints() -> None:
    """str, repr, format and the repr of Settings show *** for a secret, and nothing for an empty one."""
    secret = Secret("s3cret")
    settings = read_settings({}, {"CONF_API_TOKEN": "s3cret", "DATABASE_URL": "postgresql://u:s3cret@h/d"})
    for shown in (str(secret), repr(secret), f"{secret}", repr(settings), str([secret])):
        assert "s3cret" not in shown
        assert "***" in shown
    assert (str(Secret()), bool(Secret()), bool(secret)) == ("", False, True)
    assert secret == Secret("s3cret")
    assert secret != "s3cret"
    assert len({secret, Secret("s3cret"), Secret("x")}) == 2
    assert secret.reveal() == "s3cret"


def test_a_secret_survives_a_copy() -> None:
    """Settings can be copied with a change, and sent to another process."""
    settings = read_settings({}, {"CONF_API_TOKEN": "s3cret"})
    assert replace(settings, batch_size=7).conf_api_token.reveal() == "s3cret"
    assert pickle.loads(pickle.dumps(settings)) == settings


@pytest.mark.parametrize(
    "environment",
    [
        {"DATABASE_URL": "mysql://user:s3cret@host/db"},
        {"STATE_URL": "s3cret"},
        {"NOTIFY_WEBHOOK_URL": "ftp://hooks/s3cret"},
        {"CONF_BASE_URL": "https://user:s3cret@wiki.example.com"},
        {"VECTOR_API_BASE_URL": "http://:s3cret@host"},
        {"LLAMA_BASE_URL": "user:s3cret@host:8321"},
    ],
)
def test_a_wrong_value_with_a_secret_in_it_is_not_shown(environment: dict[str, str]) -> None:
    """The message names the setting and what it accepts; a password, also one inside an address, is not in it."""
    [problem] = wrong(environment)
    assert problem.startswith(next(iter(environment)))
    assert "it must be" in problem
    assert "s3cret" not in problem


# what is accepted


def test_everything_wrong_is_named_at_once() -> None:
    """Five wrong values are five lines, each with the name used, what was given and what is accepted."""
    problems = wrong(
        {
            "CONCURRENCY": "many",
            "BATCH_SIZE": "0",
            "VECTOR_BACKEND": "qdrant",
            "CONFLUENCE_URL": "wiki.example.com",
            "REFRESH_LABELS": "maybe",
        }
    )
    assert [problem.partition(":")[0] for problem in problems] == [
        "CONFLUENCE_URL", "CONCURRENCY", "VECTOR_BACKEND", "BATCH_SIZE", "REFRESH_LABELS",
    ]  # fmt: skip
    assert "CONFLUENCE_URL: 'wiki.example.com' is not accepted; it must be http://... or https://..." in problems
    assert "BATCH_SIZE: '0' is not accepted; it must be a whole number from 1 to 10000" in problems
    assert "it must be one of auto, sqlite, underscore" in problems[2]
    assert "1 or 0 (also true, false, yes, no)" in problems[4]


@pytest.mark.parametrize(
    ("given", "value"), [("1", True), ("true", True), ("YES", True), ("on", True), ("0", False), ("False", False), ("no", False)]
)
def test_flags(given: str, value: bool) -> None:
    """A flag takes the words that people write."""
    assert read_settings({}, {"KEEP_HISTORY": given}).keep_history is value


@pytest.mark.parametrize(
    ("given", "value"), [("a,b", ("a", "b")), (" a , b ,", ("a", "b")), ("a", ("a",)), ("a b,c", ("a b", "c")), (",", ())]
)
def test_lists(given: str, value: tuple[str, ...]) -> None:
    """A list is separated by commas; blanks around and empty items go."""
    assert read_settings({}, {"LABELS": given}).labels == value


@pytest.mark.parametrize("given", ["http://", "https:///x", "ftp://x", "http//x", "//host", "http://[bad", "wiki", "http://user@host"])
def test_addresses_that_are_none(given: str) -> None:
    """An address needs a scheme and a host, and must not carry a user."""
    assert wrong({"CONF_BASE_URL": given})[0].startswith("CONF_BASE_URL")


def test_addresses_lose_their_last_slash() -> None:
    """An address is kept without a slash at its end; VECTOR_API_BASE_URL may be a file."""
    settings = read_settings({}, {"CONF_BASE_URL": "https://x.test/wiki//", "VECTOR_API_BASE_URL": "file:milvus.db"})
    assert (settings.conf_base_url, settings.vector_api_base_url) == ("https://x.test/wiki", "file:milvus.db")


def test_choices_know_no_case() -> None:
    """A choice is taken in any case."""
    assert read_settings({}, {"VECTOR_BACKEND": "SQLite", "LOG_LEVEL": "DEBUG"}).vector_backend == "sqlite"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"CHUNK_TOKENS": "100", "CHUNK_OVERLAP": "60"}, "CHUNK_OVERLAP: 60 is more than half of CHUNK_TOKENS (100)"),
        ({"SHARD_COUNT": "3", "JOB_COMPLETION_INDEX": "3"}, "JOB_COMPLETION_INDEX: 3 must be below SHARD_COUNT (3)"),
        ({"CONF_CA_BUNDLE": "/nowhere/ca.pem"}, "CONF_CA_BUNDLE: '/nowhere/ca.pem' is not a file"),
    ],
)
def test_values_that_do_not_go_together(environment: dict[str, str], words: str) -> None:
    """What is right alone and wrong together is named with both."""
    assert words in wrong(environment)[0]


def test_an_index_without_shards_does_no_harm() -> None:
    """Kubernetes sets the index on every indexed job, sharded or not."""
    assert read_settings({}, {"JOB_COMPLETION_INDEX": "3"}).shard_count == 1


# older names


def test_older_names_are_answered(tmp_path: Path) -> None:
    """A name that another program read gets one line that says what replaced it, wherever it stands."""
    (tmp_path / ".env").write_text("CHUNK_SIZE=200\n")
    lines = retired({"FORCE_INITIAL": "1"}, tmp_path)
    assert lines == [
        "CHUNK_SIZE is not used: chunks are counted in tokens: set CHUNK_TOKENS",
        "FORCE_INITIAL is not used: only changed pages are written; `confluence-sync sync --rebuild` makes everything anew",
    ]
    assert retired({}, tmp_path / "empty") == []


def test_older_names_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments the process's own environment is looked through."""
    monkeypatch.setenv("DATA_DIR", "/data")
    assert len(retired()) == 1


# the declaration


def test_no_name_is_declared_twice() -> None:
    """A variable means one setting only, under whichever name."""
    names = [name for setting in declared().values() for name in (setting.env, *setting.aliases)]
    assert len(names) == len(set(names))


def test_every_default_is_what_it_says() -> None:
    """The default that people read is the default that holds, for every setting."""
    for name, setting in declared().items():
        if setting.default:
            assert setting.parse(setting.default) == getattr(Settings(), name), name
        else:
            assert not getattr(Settings(), name), name


def test_every_setting_is_explained() -> None:
    """Each setting has a sentence of help that ends, and says what it accepts."""
    for setting in declared().values():
        assert setting.help.endswith(".")
        assert setting.accepts


def test_the_environment_of_the_tests_is_clean() -> None:
    """No setting of this machine reaches a test: this would fail for whoever has one set."""
    assert not [name for name in os.environ if name.startswith("CONF")]
