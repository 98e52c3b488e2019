"""Keeps [n] in an answer true while it streams: only numbers of real sources pass, and those that were named are remembered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from confluence_sync.answer import Source

_MARK = re.compile(r"\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\](?!\()")
_UNFINISHED = re.compile(r"\[[\d\s,;]{0,30}\]?$")


@dataclass
class Citations:
    """Feed the pieces as they come; what it gives back may lag behind by one unfinished mark, which end() gives."""

    sources: int
    cited: dict[int, None] = field(default_factory=dict)
    _held: str = ""
    _before: str = ""

    def feed(self, piece: str) -> str:
        text = self._held + piece
        cut = _UNFINISHED.search(text)
        ready, self._held = (text[: cut.start()], text[cut.start() :]) if cut else (text, "")
        return self._checked(ready)

    def end(self) -> str:
        rest, self._held = self._held, ""
        return self._checked(rest)

    def _checked(self, text: str) -> str:
        checked = _MARK.sub(lambda match: self._mark(match, text[match.start() - 1] if match.start() else self._before), text)
        self._before = text[-1:] or self._before
        return checked

    def _mark(self, match: re.Match[str], before: str) -> str:
        numbers = [int(n) for n in re.split(r"[,;\s]+", match[1]) if n]
        real = [n for n in numbers if 1 <= n <= self.sources]
        self.cited.update(dict.fromkeys(real))
        if not real and (before.isalnum() or before == "_"):
            return match[0]  # an index in code, such as row[0]
        return "".join(f"[{n}]" for n in real)


def as_list(found: Sequence[Source], cited: Sequence[int], heading: str) -> str:
    """A Markdown list of the cited sources (all when none is cited), for clients that show nothing but the text; "" without sources."""
    shown = [source for source in found if source.number in cited] or list(found)
    if not shown:
        return ""
    return f"\n\n**{heading}**\n\n" + "\n".join(f"- **{source.number}** {_link(source)}" for source in shown)


def _link(source: Source) -> str:
    name = plain_label(f"{source.title} › {source.heading}" if source.heading else source.title)
    return f"[{name}]({source.url.replace(')', '%29').replace('(', '%28')})" if source.url else name


def plain_label(text: str) -> str:
    """A title inside Markdown: nothing in it becomes a link, a tag or emphasis."""
    return re.sub(r"([\\`*_{}\[\]<>|])", r"\\\1", " ".join(text.split()))
