"""Writes a benchmark's section of docs/benchmarks.md and leaves the others as they are."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path

DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"
SECTION = re.compile(r"^## ", re.M)


def write_section(title: str, text: str, document: Path = DOCUMENT) -> None:
    """Replaces what stands below `## title`, or adds it at the end."""
    head, *sections = SECTION.split(document.read_text(encoding="utf-8"))
    by_title = {section.partition("\n")[0].strip(): section for section in sections}
    by_title[title] = f"{title}\n\n{text}"
    parts = [head, *(f"## {section}" for section in by_title.values())]
    document.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")


def rows_of(title: str, document: Path = DOCUMENT) -> dict[str, list[str]]:
    """The rows of the table below `## title` by their first cell; none where there is no such section."""
    sections = SECTION.split(document.read_text(encoding="utf-8"))[1:]
    text = next((section for section in sections if section.partition("\n")[0].strip() == title), "")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return {row[0]: row for row in cells[2:]}


def circumstances() -> str:
    """What the figures were measured on."""
    load = f"{os.getloadavg()[0]:.1f}"
    return f"Python {platform.python_version()}, {os.cpu_count()} CPUs, load {load} at the end; CPU seconds are of the whole process tree."


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
