"""The documents against the tree: links lead somewhere, commands and words of make exist, figures' commands can be started."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from confluence_sync.cli import VERBS

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)(?:#[^)]*)?\)")
VERB = re.compile(r"confluence-sync(?: --debug-http)? ([a-z]+)\b(?!-)")
WORD = re.compile(r"(?:^|`)make ([a-z-]+)", re.M)
BENCH = re.compile(r"python -m (benchmarks\.\w+|confluence_sync\.\w+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document names a file or folder of the tree."""
    prose = re.sub(r"```.*?```|`[^`\n]+`", "", document.read_text(encoding="utf-8"), flags=re.S)
    missing = [link for link in LINK.findall(prose) if not (document.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_exist(document: Path) -> None:
    """Every verb, word of make and module that a document tells people to run is there."""
    text = "\n".join(re.findall(r"```.*?```|`[^`\n]+`|^    .*$", document.read_text(encoding="utf-8"), re.S | re.M))
    words = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert {verb for verb in VERB.findall(text) if verb not in VERBS} == set()
    assert set(WORD.findall(text)) <= words
    assert [name for name in BENCH.findall(text) if importlib.util.find_spec(name) is None] == []


def test_two_commands_stand_first() -> None:
    """A newcomer finds the two commands in the first block of the README."""
    first = re.search(r"```console\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    assert first is not None
    assert first.group(1).split("\n")[:2] == ["make demo", "make test"]
