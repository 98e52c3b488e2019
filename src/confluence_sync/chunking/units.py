"""Units: the pieces a chunk is made of. A block is one unit; one too large for that is cut at its rows, items, lines or words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from confluence_sync.chunking.blocks import blocks

Count = Callable[[str], int]

LINE, BLOCK, MINOR, MIDDLE, MAJOR = range(5)  # how strong the boundary before a unit is: within a block ... before a first-level heading

_HEADING = re.compile(r"(#{1,6}) ")
_STRENGTH = {1: MAJOR, 2: MAJOR, 3: MIDDLE, 4: MINOR, 5: MINOR, 6: MINOR}
_FENCE_OPEN = re.compile(r"(`{3,}|~{3,})([^`\n]*)\n")
_ITEM = re.compile(r"(?:[-*+]|\d{1,9}[.)]) ")
_FULL_LINE = re.compile(r"\n(?=[^\n]*\S)")
_NEXT_ITEM = re.compile(r"\n(?=(?:[-*+]|\d{1,9}[.)]) )")
_RULE = re.compile(r"\|(?: :?-+:? \|)+")
_CELL = re.compile(r"(?<!\\)\|")


class Unit(NamedTuple):
    """A piece of text that no cut tears. It begins with a line that is not blank, so that token counts of units add up exactly.

    `tokens` counts the text with the separator that follows it. `reopen` goes before the text where a chunk starts in the middle of
    a block, `close` after it where one ends there; `reopen_tokens` and `close_tokens` are what they cost.
    """

    text: str
    tokens: int
    strength: int = BLOCK
    level: int = 0
    sep: str = "\n\n"
    reopen: str = ""
    close: str = ""
    reopen_tokens: int = 0
    close_tokens: int = 0


def units(markdown: str, whole: int, limit: int, count: Count) -> list[Unit]:
    """The units of a page. Blocks of at most `whole` tokens stay whole; no unit, reopened and closed, has more than `limit`."""
    cutter = _Cutter(whole, limit, count)
    return [unit for block in blocks(markdown) for unit in cutter.block(block)]


class _Cutter:
    """Cuts blocks into units of a size."""

    def __init__(self, whole: int, limit: int, count: Count) -> None:
        self.whole = whole
        self.limit = limit
        self.count = count

    def block(self, text: str) -> Iterator[Unit]:
        tokens = self.count(text + "\n\n")
        heading = _HEADING.match(text) if text[0] == "#" else None
        if heading and "\n" not in text and tokens <= self.limit:
            level = len(heading.group(1))
            yield Unit(text, tokens, _STRENGTH[level], level)
        elif tokens <= self.whole:
            yield Unit(text, tokens)
        else:
            yield from self._large(text, tokens)

    def _large(self, text: str, tokens: int) -> Iterator[Unit]:
        fence = _FENCE_OPEN.match(text)
        if fence and text.endswith("\n" + fence.group(1)):
            return self._fence(text, fence)
        if text.startswith("| ") and _is_table(text):
            return self._table(text)
        if text.startswith(">"):
            return self._quote(text)
        if _ITEM.match(text):
            return self._list(text)
        return self._words(text, tokens)

    def _fence(self, text: str, opening: re.Match[str]) -> Iterator[Unit]:
        """Lines of code, each chunk's share in a fence of its own with the language."""
        opener, sign = opening.group().rstrip("\n"), opening.group(1)
        if self.count(opener + "\n") > self.limit // 4:
            opener = sign
        close = "\n" + sign
        room = self.limit - self.count(opener + "\n") - self.count(sign + "\n\n") - 1
        inside = text[opening.end() : -len(close)] if opening.end() <= len(text) - len(close) else ""
        leading = len(inside) - len(inside.lstrip("\n"))
        lines = [part for line in _FULL_LINE.split(inside[leading:]) for part in self._cut(line, room)]
        lines[0] = opener + "\n" + "\n" * leading + lines[0]
        lines[-1] += close
        return self._grouped(lines, opener, sign)

    def _grouped(self, lines: list[str], opener: str, close: str) -> Iterator[Unit]:
        costs = self.count(opener + "\n") if opener else 0, self.count(close + "\n\n") if close else 0
        last = len(lines) - 1
        for position, line in enumerate(lines):
            sep = "\n" if position < last else "\n\n"
            first = position == 0
            yield Unit(
                line,
                self.count(line + sep),
                BLOCK if first else LINE,
                sep=sep,
                reopen="" if first else opener,
                close=close if position < last else "",
                reopen_tokens=0 if first else costs[0],
                close_tokens=costs[1] if position < last else 0,
            )

    def _table(self, text: str) -> Iterator[Unit]:
        """Rows; the header is repeated where a chunk starts between them."""
        head, rule, *rows = text.split("\n")
        header = head + "\n" + rule
        if self.count(header + "\n") > self.limit // 3:
            rows.insert(0, head)
            head = "|" + "  |" * rule.count("---")
            header = head + "\n" + rule
        if self.count(header + "\n") > self.limit // 3:
            return self._words(text, 0)
        room = self.limit - self.count(header + "\n") - 1
        rows = [part for row in rows for part in self._row(row, room)]
        rows[:1] = [header + "\n" + rows[0]] if rows else [header]
        return self._grouped(rows, header, "")

    def _row(self, row: str, room: int) -> list[str]:
        """A row as it is, or, larger than a chunk, as several rows that share out its cells' text."""
        if self.count(row + "\n") <= room:
            return [row]
        cells = [cell.strip() for cell in _CELL.split(row)[1:-1]]
        frame = self.count("|" + "  |" * len(cells) + "\n") + 2 * len(cells)
        rows: list[str] = []
        for column, cell in enumerate(cells):
            for part in self._cut(cell, max(room - frame, room // 2)):
                shown = [""] * len(cells)
                shown[column] = part.strip()
                rows.append("| " + " | ".join(shown) + " |")
        return rows

    def _quote(self, text: str) -> Iterator[Unit]:
        """The blocks inside, each in a quote of its own line prefix; a callout's sign stays with the first."""
        lines = [line[2:] if line.startswith("> ") else line[1:] if line.startswith(">") else line for line in text.split("\n")]
        inner = _Cutter(self.whole, self.limit * 2 // 3, self.count)
        sign = lines.pop(0) if lines[0].startswith("[!") else ""
        parts = [part for block in blocks("\n".join(lines)) for part in inner.block(block)]
        for position, part in enumerate(parts):
            shown = sign + "\n" + part.text if sign and position == 0 else part.text
            yield from self._requoted(part, shown, position == 0, position == len(parts) - 1)

    def _requoted(self, part: Unit, shown: str, first: bool, last: bool) -> Iterator[Unit]:
        text, reopen, close = (_quoted(one) for one in (shown, part.reopen, part.close))
        sep = "\n\n" if last else "\n>\n" if part.sep == "\n\n" else "\n"
        costs = self.count(reopen + "\n") if reopen else 0, self.count(close + "\n\n") if close else 0
        tokens = self.count(text + sep)
        if tokens + sum(costs) <= self.limit:
            yield Unit(text, tokens, BLOCK if first else LINE, 0, sep, reopen, close, *costs)
        else:
            yield from self._words(text, tokens)

    def _list(self, text: str) -> Iterator[Unit]:
        """Items; one larger than a chunk is cut at the blocks inside it."""
        items = _NEXT_ITEM.split(text)
        last = len(items) - 1
        for position, item in enumerate(items):
            sep = "\n" if position < last else "\n\n"
            tokens = self.count(item + sep)
            if tokens <= self.limit:
                yield Unit(item, tokens, LINE if position else BLOCK, sep=sep)
            else:
                yield from self._unwrapped(item)

    def _unwrapped(self, item: str) -> Iterator[Unit]:
        """A huge item's own text, then what is nested in it, moved out by the width of the marker."""
        marker = _ITEM.match(item)
        width = marker.end() if marker else 2
        lines = item.split("\n")
        body = [line[width:] if not line[:width].strip() else line for line in lines[1:]]
        first = lines[0]
        if any(line and not line[0].isspace() and not _ITEM.match(line) for line in body) or first[width:].startswith(("`", "|", ">")):
            return self._words(item, 0)
        inner = "\n\n".join([first, "\n".join(body).strip("\n")])
        return (unit for block in blocks(inner) for unit in (self.block(block) if block != item else self._words(block, 0)))

    def _words(self, text: str, tokens: int) -> Iterator[Unit]:
        """A paragraph too large for one unit, cut at its lines, sentences or words."""
        parts = [part for line in _FULL_LINE.split(text) for part in self._cut(line.strip(), min(self.limit, max(self.whole, 1)))]
        return self._grouped([part for part in parts if part] or [text.strip()[:1]], "", "")

    def _cut(self, line: str, room: int) -> list[str]:
        """One line in pieces of at most `room` tokens: at sentence ends, else at words, else between characters."""
        room = max(room, 8)
        if self.count(line + "\n\n") <= room:
            return [line]
        return list(_packed(_particles(line, room, self.count), room, self.count))


_SENTENCE = re.compile(r"(?<=[.!?…])\s+(?=\S)|(?<=[。！？])(?=\S)")


def _particles(line: str, room: int, count: Count) -> Iterator[str]:
    for sentence in _SENTENCE.split(line):
        if count(sentence + "\n\n") <= room:
            yield sentence
            continue
        for word in re.split(r"(?<=\S) (?=\S)", sentence):
            yield from [word] if count(word + "\n\n") <= room else _characters(word, room, count)


def _characters(word: str, room: int, count: Count) -> Iterator[str]:
    """Pieces of a word without spaces: base64, or a text in a script that has none. A character is at most three or four tokens."""
    step = max(room // 4, 1)
    start = 0
    while start < len(word):
        size = step
        while start + 2 * size <= len(word) and size < 8 * step and count(word[start : start + 2 * size] + "\n\n") <= room:
            size *= 2
        yield word[start : start + size]
        start += size


def _packed(particles: Iterator[str], room: int, count: Count) -> Iterator[str]:
    """Neighbouring particles joined again as long as they fit."""
    held: list[str] = []
    size = 0
    for particle in particles:
        tokens = count(particle + " ") + 2
        if held and size + tokens > room:
            yield " ".join(held)
            held, size = [], 0
        held.append(particle)
        size += tokens
    if held:
        yield " ".join(held)


def _quoted(text: str) -> str:
    return "\n".join("> " + line if line else ">" for line in text.split("\n")) if text else ""


def _is_table(text: str) -> bool:
    head, _, rest = text.partition("\n")
    return bool(_RULE.fullmatch(rest.partition("\n")[0]))
