"""Which headings a unit stands under, as text and as the anchor that a link to the section needs."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

from confluence_sync.chunking.units import Unit

_PLAIN = re.compile(r"[\w~.-]*", re.ASCII)  # has nothing to quote
_MARKED = re.compile(r"[<\[*~`\\]")
_MARKS = re.compile(r"</?su[bp]>|<a id=\"[^\"]*\"></a>|!?\[((?:\\.|[^\]\\])*)\]\([^()]*\)|\*\*|~~|`|(?<!\\)\*|\\(?=[!-/:-@\[-`{-~])")


class Section(NamedTuple):
    """The headings above a unit, outermost first, and the anchor of the nearest ("" where there is none)."""

    path: tuple[str, ...] = ()
    anchor: str = ""

    @property
    def fragment(self) -> str:
        """What stands behind the # of an address."""
        if _PLAIN.fullmatch(self.anchor):
            return self.anchor
        return quote(self.anchor, safe="!$&'()*+,;=:@/?-._~")


def sections(units: list[Unit]) -> list[Section]:
    """For each unit the section it stands in; a heading stands in its own."""
    found: list[Section] = []
    path: list[tuple[int, str]] = []
    seen: dict[str, int] = {}
    here = Section()
    unit: Unit
    for unit in units:
        if unit.level:
            title = plain(unit.text[unit.level + 1 :])
            path = [above for above in path if above[0] < unit.level] + [(unit.level, title)]
            here = Section(tuple(name for _, name in path), _anchor(title, seen))
        found.append(here)
    return found


def plain(markdown: str) -> str:
    """The text of a heading without marks, escapes, anchors and link targets."""
    if not _MARKED.search(markdown):
        return markdown
    return " ".join(_MARKS.sub(_inside, markdown).split())


def _inside(mark: re.Match[str]) -> str:
    """What is left of a mark: the label of a link."""
    label = mark.group(1)
    return plain(label) if label else ""


def _anchor(title: str, seen: dict[str, int]) -> str:
    """As Confluence Cloud names headings: spaces as hyphens, and a number behind every further one of the same name."""
    name = title.replace(" ", "-")
    times = seen.get(name, 0)
    seen[name] = times + 1
    return f"{name}.{times}" if times else name
