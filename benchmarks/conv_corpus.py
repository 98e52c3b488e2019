"""The pages a measurement runs over: content objects as Confluence's REST interface answers them, one a file or one a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from confluence_sync.model import Page, PageRef, utf8

SAMPLE = Path(__file__).parent.parent / "src/confluence_sync/simulator/data"
_REPRESENTATIONS = ("storage", "view", "export_view", "styled_view")


def pages(places: list[str]) -> list[Page]:
    """Every page with a body in these files and folders (default: the bundled sample space). Exits with a message when there is none."""
    roots = [Path(place) for place in places] or [SAMPLE]
    found = [page for root in roots for path in _files(root) for page in _read(path)]
    if not found:
        sys.exit(f"no pages in {', '.join(map(str, roots))}: give --corpus a folder of .json or .jsonl content objects")
    return found


def _files(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    return sorted(path for path in root.rglob("*") if path.suffix in (".json", ".jsonl"))


def _read(path: Path) -> Iterator[Page]:
    text = path.read_text(encoding="utf-8")
    for line in text.strip().split("\n") if path.suffix == ".jsonl" else [text]:
        content = json.loads(line) if line else None
        page = _page(content, path) if isinstance(content, dict) else None
        if page is not None:
            yield page


def _page(content: dict[str, object], path: Path) -> Page | None:
    body = content.get("body")
    if not isinstance(body, dict) or "title" not in content:
        return None
    for representation in _REPRESENTATIONS:
        value = (body.get(representation) or {}).get("value")
        if value:
            break
    else:
        return None
    space = content.get("space")
    key = str(space.get("key", "DOC")) if isinstance(space, dict) else "DOC"
    number = str(content.get("id") or path.stem)
    site = "https://wiki.example.org/wiki"
    ref = PageRef(number, 1, str(content["title"]))
    return Page(ref, "bench", key, key, site, f"{site}/spaces/{key}/pages/{number}", utf8(value), representation)
