"""Writes what people read about settings (.env.example, .env.secrets.example, the README's table, --help) from config.py."""

from __future__ import annotations

import sys
import textwrap
from itertools import groupby
from pathlib import Path

from confluence_sync.config import declared
from confluence_sync.settings_kinds import Setting

TABLE_BEGINS, TABLE_ENDS = "<!-- settings: made by `python -m confluence_sync.config_text` -->", "<!-- end of settings -->"

ASKED_FOR = {
    "CONF_CLOUD_ID": "",
    "CONF_USER": "",
    "CONF_API_TOKEN": "",
    "SPACE_NAME": '"Known Issues"',
    "VECTOR_API_BASE_URL": "",
    "LLAMA_BASE_URL": "",
}
"""What most people fill in, with the value shown; everything else stands as a comment with its default."""

SET_BY_THE_PLATFORM = ("CONFLUENCE_SYNC_IMAGE", "JOB_COMPLETION_INDEX")

ENV_HEAD = """\
# Settings without secrets. Copy this file to .env; secrets go into .env.secrets (see .env.secrets.example).
# `set -a; source .env`, `kubectl create configmap --from-env-file=.env` and `podman run --env-file=.env` read it alike.
# Made by `python -m confluence_sync.config_text`: change src/confluence_sync/config.py, not this file.
"""

SECRETS_HEAD = """\
# Credentials. Copy this file to .env.secrets, which git ignores; `kubectl create secret generic confluence-creds
# --from-env-file=.env.secrets` takes it as it is. Each name below can also be given as NAME_FILE: the path of a file with the value.
# Made by `python -m confluence_sync.config_text`: change src/confluence_sync/config.py, not this file.
"""


def is_credential(setting: Setting) -> bool:
    """Whether it belongs into the Secret rather than the ConfigMap: secrets, and the account that goes with them."""
    return setting.secret or setting.env == "CONF_USER"


def env_example() -> str:
    """The text of .env.example: every setting that is no credential."""
    return ENV_HEAD + _sections([s for s in _by_hand() if not is_credential(s)])


def env_secrets_example() -> str:
    """The text of .env.secrets.example: every credential."""
    return SECRETS_HEAD + _sections([s for s in _by_hand() if is_credential(s)])


def readme_table() -> str:
    """Markdown: one table for each group of settings."""
    return "\n\n".join(f"**{group}**\n\n{_table(settings)}" for group, settings in _grouped(list(declared().values()))) + "\n"


def help_text(width: int = 100) -> str:
    """The settings as --help shows them: plain text, `width` columns."""
    return "\n\n".join(
        f"{group}:\n" + "\n".join(_help_entry(setting, width) for setting in settings) for group, settings in _grouped(_by_hand())
    )


def with_table(readme: str) -> str:
    """`readme` with what stands between the two marks replaced by the table; unchanged when there are no marks."""
    before, begins, rest = readme.partition(TABLE_BEGINS)
    _, ends, after = rest.partition(TABLE_ENDS)
    return f"{before}{begins}\n\n{readme_table()}\n{ends}{after}" if begins and ends else readme


def _by_hand() -> list[Setting]:
    return [s for s in declared().values() if s.env not in SET_BY_THE_PLATFORM]


def _grouped(settings: list[Setting]) -> list[tuple[str, list[Setting]]]:
    return [(group, list(members)) for group, members in groupby(settings, key=lambda s: s.group)]


def _sections(settings: list[Setting]) -> str:
    return "".join(f"\n# ---- {group} ----\n" + "".join(map(_env_lines, members)) for group, members in _grouped(settings))


def _env_lines(setting: Setting) -> str:
    """A comment of its own line (kubectl would take a trailing one for part of the value) and NAME=value."""
    shown = f"{setting.env}={ASKED_FOR[setting.env]}" if setting.env in ASKED_FOR else f"#{setting.env}={setting.default}"
    comment = textwrap.fill(setting.help + _also(setting), 118, initial_indent="# ", subsequent_indent="# ")
    return f"{comment}\n{shown}\n"


def _also(setting: Setting) -> str:
    return f" Also read as {', '.join(setting.aliases)}." if setting.aliases else ""


def _table(settings: list[Setting]) -> str:
    return "| setting | default | what it is |\n|---|---|---|\n" + "\n".join(map(_row, settings))


def _row(setting: Setting) -> str:
    default = f"`{setting.default}`" if setting.default else ""
    name = f"`{setting.env}`" + (" (secret)" if setting.secret else "")
    also = " Also: " + ", ".join(f"`{alias}`" for alias in setting.aliases) + "." if setting.aliases else ""
    return f"| {name} | {default} | {setting.help}{also} |".replace("*", r"\*")


def _help_entry(setting: Setting, width: int) -> str:
    default = f" [{setting.default}]" if setting.default else ""
    about = f"{setting.help}{default}{_also(setting)}"
    return textwrap.fill(about, width, initial_indent=f"  {setting.env:<22} ", subsequent_indent=" " * 25)


def main(root: Path = Path()) -> int:
    """Rewrites the three files below `root`; 1 when one of them was out of date, so that a check can tell."""
    readme = root / "README.md"
    wanted = {root / ".env.example": env_example(), root / ".env.secrets.example": env_secrets_example()}
    if readme.is_file():
        wanted[readme] = with_table(readme.read_text(encoding="utf-8"))
    stale = [file for file, text in wanted.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    for file in stale:
        file.write_text(wanted[file], encoding="utf-8")
        print(f"{file} rewritten")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
