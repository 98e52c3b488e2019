"""Pages to convert in tests. Run as a program it writes the golden Markdown anew, to be read in the diff before it is committed."""

from __future__ import annotations

from pathlib import Path

from confluence_sync.chunk import Limits, chunks
from confluence_sync.convert import to_markdown
from confluence_sync.model import Chunk, Page, PageRef, digest

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.xml"))
USERS = {"557058:aa": "Ada Byron", "8a7f": "Grace"}
SITE = "https://wiki.example.org/wiki"
PINNED = GOLDEN / "pinned.txt"


def page(body: str, representation: str = "storage", title: str = "The press") -> Page:
    ref = PageRef("1001", 3, title)
    url = f"{SITE}/spaces/PRESS/pages/1001"
    raw = body.encode("utf-8", "surrogatepass")  # the converter takes what no answer brings in, too
    return Page(ref, "wiki.example.org", "PRESS", "Press room", SITE, url, raw, representation, ("ink",), "2026-05-01T08:00:00Z")


def golden(name: str) -> Page:
    return page((GOLDEN / f"{name}.xml").read_text(encoding="utf-8").removesuffix("\n"), title=name.replace("_", " "))


def markdown(body: str) -> str:
    return to_markdown(page(body), USERS).markdown


def cut(body: str, limits: Limits | None = None) -> list[Chunk]:
    whole = page(body)
    return chunks(whole, to_markdown(whole, USERS).markdown, limits or Limits())


def pinned() -> str:
    """One line a golden page: a hash over its chunk ids, at the default limits and at small ones."""
    lines = []
    for name in NAMES:
        whole = golden(name)
        text = to_markdown(whole, USERS).markdown
        ids = [chunk.id for limits in (Limits(), Limits(100, 20)) for chunk in chunks(whole, text, limits)]
        lines.append(f"{name} {len(ids)} {digest(*ids)}\n")
    return "".join(lines)


if __name__ == "__main__":
    for each in NAMES:
        (GOLDEN / f"{each}.md").write_text(to_markdown(golden(each), USERS).markdown + "\n", encoding="utf-8")
    PINNED.write_text(pinned(), encoding="utf-8")
