"""The example files, the README's table and --help against the settings that the code declares."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from confluence_sync import config_text
from confluence_sync.config import Settings, declared
from confluence_sync.settings_files import read_settings

ROOT = Path(__file__).parent.parent
ENV, SECRETS = ROOT / ".env.example", ROOT / ".env.secrets.example"
GIVEN = {"CONF_CLOUD_ID": "cloud-1", "LLAMA_BASE_URL": "http://llama:8321"}


def filled(folder: Path) -> Path:
    """.env.example with two values filled in, as a user would."""
    text = ENV.read_text(encoding="utf-8")
    for name, value in GIVEN.items():
        assert f"\n{name}=\n" in text
        text = text.replace(f"\n{name}=\n", f"\n{name}={value}\n")
    file = folder / ".env"
    file.write_text(text, encoding="utf-8")
    return file


def expected() -> Settings:
    return Settings(conf_cloud_id="cloud-1", llama_base_url="http://llama:8321", space_name=("Known Issues",))


@pytest.mark.parametrize(
    ("file", "made"), [(ENV, config_text.env_example), (SECRETS, config_text.env_secrets_example)], ids=[".env", ".env.secrets"]
)
def test_example_files_are_current(file, made):
    """Each example file is exactly what config.py says; `python -m confluence_sync.config_text` rewrites it."""
    assert file.read_text(encoding="utf-8") == made()


def test_readme_table_is_current():
    """The README's settings table, where it has one, is exactly what config.py says."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert config_text.TABLE_BEGINS in readme
    assert config_text.with_table(readme) == readme


def test_table_is_replaced_between_its_marks():
    """Only what stands between the two marks changes, and a text without marks stays as it is."""
    marked = f"before\n{config_text.TABLE_BEGINS}\nstale words\n{config_text.TABLE_ENDS}\nafter\n"
    made = config_text.with_table(marked)
    assert made.startswith("before\n")
    assert made.endswith("\nafter\n")
    assert "stale words" not in made
    assert "| `CHUNK_TOKENS` | `1000` |" in made
    assert config_text.with_table("no marks") == "no marks"


def test_no_secret_in_the_file_that_becomes_a_config_map():
    """Every setting a person may set is in exactly one of the two files, and every secret in the second."""
    env, secrets = ENV.read_text(encoding="utf-8"), SECRETS.read_text(encoding="utf-8")
    for setting in declared().values():
        places = [
            name for name, text in (("env", env), ("secrets", secrets)) if f"\n{setting.env}=" in text or f"\n#{setting.env}=" in text
        ]
        if setting.env in config_text.SET_BY_THE_PLATFORM:
            assert places == []
        else:
            assert places == ["secrets" if config_text.is_credential(setting) else "env"], setting.env


def test_defaults_shown_are_the_defaults_used(tmp_path):
    """Removing the comment sign before every setting changes nothing: the values shown are those that hold anyway."""
    for source in (ENV, SECRETS):
        lines = source.read_text(encoding="utf-8").splitlines()
        active = [line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in lines]
        (tmp_path / source.name.removesuffix(".example")).write_text("\n".join(active), encoding="utf-8")
    assert read_settings(environment={}, folder=tmp_path) == Settings(space_name=("Known Issues",))


def test_read_from_the_folder(tmp_path):
    """A filled-in .env is read as its author meant it."""
    filled(tmp_path)
    assert read_settings(environment={}, folder=tmp_path) == expected()


def test_read_through_bash(tmp_path):
    """`set -a; source .env` gives the same settings as reading the file."""
    script = f"set -a; source {filled(tmp_path)}; env -0"
    done = subprocess.run(["bash", "-c", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    environment = dict(pair.split("=", 1) for pair in done.stdout.split("\0") if pair)
    assert read_settings(environment=environment, folder=tmp_path / "elsewhere") == expected()


def test_read_through_kubectl(tmp_path):
    """`create configmap --from-env-file`, which keeps quotes, gives the same settings."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed here")
    command = [
        "kubectl",
        "create",
        "configmap",
        "working-sync-config",
        f"--from-env-file={filled(tmp_path)}",
        "--dry-run=client",
        "-o",
        "json",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(tmp_path)}
    )
    data = json.loads(done.stdout)["data"]
    assert data["SPACE_NAME"] == '"Known Issues"'
    assert read_settings(environment=data, folder=tmp_path / "elsewhere") == expected()


def test_read_through_podman(tmp_path):
    """podman's --env-file takes each line as it stands, quotes included, and gives the same settings."""
    lines = [line for line in filled(tmp_path).read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    environment = dict(line.split("=", 1) for line in lines)
    assert environment["SPACE_NAME"] == '"Known Issues"'
    assert read_settings(environment=environment, folder=tmp_path / "elsewhere") == expected()


def test_help_names_every_setting_within_its_width():
    """--help's text names every setting with its older names, and no line is wider than asked for."""
    text = config_text.help_text(80)
    assert max(map(len, text.splitlines())) <= 80
    words = text.replace(",", " ").replace(".", " ").split()
    for setting in declared().values():
        if setting.env not in config_text.SET_BY_THE_PLATFORM:
            assert {setting.env, *setting.aliases} <= set(words), setting.env


def test_command_needs_no_readme(tmp_path):
    """Without a README the two example files are written all the same."""
    assert config_text.main(tmp_path) == 1
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == [".env.example", ".env.secrets.example"]


def test_command_rewrites_what_is_stale_and_says_so(tmp_path, capsys):
    """The generator exits 1 and names each file it had to rewrite; a second time it has nothing to do."""
    (tmp_path / "README.md").write_text(f"{config_text.TABLE_BEGINS}\n{config_text.TABLE_ENDS}\n", encoding="utf-8")
    assert config_text.main(tmp_path) == 1
    assert capsys.readouterr().out.count(" rewritten") == 3
    assert config_text.main(tmp_path) == 0
    assert (tmp_path / ".env.example").read_text(encoding="utf-8") == config_text.env_example()
