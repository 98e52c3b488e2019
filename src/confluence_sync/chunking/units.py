"""Units: the pieces a chunk is made of. A block is one unit; one too large for that is cut at its rows, items, lines or sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from confluence_sync.chunking.blocks import blocks
from confluence_sync.chunking.pieces import Count, pieces, sentences
from confluence_sync.convert.escape import line_start

LINE, BLOCK, MINOR, MIDDLE, MAJOR = range(5)  # how strong the boundary before a unit is: within a block ... before a first-level heading
_SURELY = 8  # characters for each token allowed, from which on a block counts as large without being counted
_BLANK_LINES = 12  # that code larger than a chunk may begin with; more would fill it with nothing
_CELL_FRAME = 3  # tokens, at most, that an empty cell and its border take
MAX_NESTING = 6  # lists and quotes cut open within each other; deeper ones are cut as text

_STRENGTH = {1: MAJOR, 2: MAJOR, 3: MIDDLE, 4: MINOR, 5: MINOR, 6: MINOR}
_FENCE_OPEN = re.compile(r"(`{3,}|~{3,})([^`\n]*)\n")
_ITEM = re.compile(r"(?:[-*+]|\d{1,9}[.)]) ")
_FULL_LINE = re.compile(r"\n(?=[^\n]*\S)")
_NEXT_ITEM = re.compile(r"\n(?=(?:[-*+]|\d{1,9}[.)]) )")
_RULE = re.compile(r"\|(?: :?-+:? \|)+")
_QUOTE_SIGNS = re.compile(r"^(?:> ?)+", re.MULTILINE)
_CELL = re.compile(r"(?<!\\)\|")


class Unit:
    """A piece of text that no cut tears. It begins with a line that is not blank, so that token counts of units add up exactly.

    `tokens` counts the text with the separator that follows it. `reopen` goes before the text where a chunk starts in the middle of
    a block, `close` after it where one ends there; `reopen_tokens` and `close_tokens` are what they cost. `level` is a heading's.
    No dataclass, so that a compiled one has C's own fields: those of every unit are read a dozen times.
    """

    __slots__ = ("close", "close_tokens", "level", "reopen", "reopen_tokens", "sep", "strength", "text", "tokens")

    def __init__(
        self,
        text: str,
        tokens: int,
        strength: int = BLOCK,
        level: int = 0,
        sep: str = "\n\n",
        reopen: str = "",
        close: str = "",
        reopen_tokens: int = 0,
        close_tokens: int = 0,
    ) -> None:
        self.text = text
        self.tokens = tokens
        self.strength = strength
        self.level = level
        self.sep = sep
        self.reopen = reopen
        self.close = close
        self.reopen_tokens = reopen_tokens
        self.close_tokens = close_tokens


def units(markdown: str, whole: int, limit: int, count: Count) -> list[Unit]:
    """The units of a page. Blocks of at most `whole` tokens stay whole; no unit, reopened and closed, has more than `limit`."""
    cutter = _Cutter(whole, limit, count)
    return [unit for block in blocks(markdown) for unit in cutter.block(block)]


class _Cutter:
    """Cuts blocks into units of a size; `nesting` counts what was cut open around them, `quotes` says whether a quote was."""

    __slots__ = ("count", "limit", "nesting", "quotes", "whole")

    def __init__(self, whole: int, limit: int, count: Count, nesting: int = 0, quotes: bool = False) -> None:
        self.whole = whole
        self.limit = limit
        self.count = count
        self.nesting = nesting
        self.quotes = quotes

    def block(self, text: str) -> Iterable[Unit]:
        if len(text) > _SURELY * self.whole and text[0] != "#":
            return self._large(text)
        tokens = self.count(text + "\n\n")
        level = _level(text) if text[0] == "#" and "\n" not in text else 0
        if level and tokens <= self.limit:
            return (Unit(text, tokens, _STRENGTH[level], level),)
        return (Unit(text, tokens),) if tokens <= self.whole else self._large(text)

    def _large(self, text: str) -> Iterator[Unit]:
        fence = _FENCE_OPEN.match(text)
        if fence and text.endswith("\n" + fence.group(1)):
            return self._fence(text, fence)
        if text.startswith("| ") and _is_table(text.split("\n")):
            return self._table(text)
        if text.startswith(">"):
            return self._quote(text)
        if _ITEM.match(text) and self.nesting < MAX_NESTING:
            return self._list(text)
        return self._text(text)

    def _fence(self, text: str, opening: re.Match[str]) -> Iterator[Unit]:
        """Lines of code, each chunk's share in a fence of its own with the language."""
        opener, sign = opening.group().rstrip("\n"), opening.group(1)
        if self.count(opener + "\n") > self.limit // 4:
            opener = sign
        room = self.limit - self.count(opener + "\n") - self.count(sign + "\n\n") - 6
        if room < self.limit // 4:
            return self._text(text)
        inside = text[opening.end() : -len(sign) - 1]
        leading = len(inside) - len(inside.lstrip("\n"))
        lines = [part for line in _FULL_LINE.split(inside[leading:]) for part in self._fitting(line, room)]
        lines[0] = opener + "\n" * (min(leading, _BLANK_LINES) + 1) + lines[0]
        lines[-1] += "\n" + sign
        return self._grouped(lines, opener, sign)

    def _fitting(self, line: str, room: int) -> list[str]:
        """The line, in pieces where it is larger than a chunk; blank pieces, which units may not begin with, go."""
        if len(line) <= room // 4 or self.count(line + "\n") <= room:  # a character is at most four tokens
            return [line]
        return [part for part in pieces(line, room, self.count) if part.strip()] or [line.strip()[:1]]

    def _grouped(self, lines: list[str], reopen: str, close: str) -> Iterator[Unit]:
        """Units within one block: all but the first reopen it, all but the last close it."""
        reopen_tokens = self.count(reopen + "\n") if reopen else 0
        close_tokens = self.count(close + "\n\n") if close else 0
        last = len(lines) - 1
        for position, line in enumerate(lines):
            sep = "\n" if position < last else "\n\n"
            strength = LINE if position else BLOCK
            before = (reopen, reopen_tokens) if position else ("", 0)
            after = (close, close_tokens) if position < last else ("", 0)
            yield Unit(line, self.count(line + sep), strength, 0, sep, before[0], after[0], before[1], after[1])

    def _table(self, text: str) -> Iterator[Unit]:
        """Rows; the header is repeated where a chunk starts between them. One too large to repeat becomes a row under an empty one."""
        head, rule, *rows = text.split("\n")
        if self.count(f"{head}\n{rule}\n") > self.limit // 3:
            rows.insert(0, head)
            head = "|" + "  |" * rule.count("---")
        header = f"{head}\n{rule}"
        room = self.limit - self.count(header + "\n") - 2
        if room < self.limit // 3 or rule.count("---") * _CELL_FRAME > room // 2:
            return self._text(text)
        rows = [part for row in rows for part in self._row(row, room)]
        rows[:1] = ["\n".join([header, *rows[:1]])]
        return self._grouped(rows, header, "")

    def _row(self, row: str, room: int) -> list[str]:
        """A row as it is, or, larger than a chunk, as several rows that share out the text of its cells."""
        if self.count(row + "\n") <= room:
            return [row]
        cells = [cell.strip() for cell in _CELL.split(row)[1:-1]]
        rows: list[str] = []
        for column, cell in enumerate(cells):
            for part in pieces(cell, max(room - _CELL_FRAME * len(cells) - 4, 8), self.count):
                rows.append("| " + " | ".join(part.strip() if other == column else "" for other in range(len(cells))) + " |")
        return rows or [row]

    def _quote(self, text: str) -> Iterator[Unit]:
        """The blocks inside, each line with the sign of a quote; a callout's sign stays with the first. Quotes in quotes lose theirs."""
        if self.quotes:
            inside = _QUOTE_SIGNS.sub("", text)
            return (unit for block in blocks(inside) for unit in (self.block(block) if block != text else self._text(block)))
        return self._quoted_parts([line[2:] if line.startswith("> ") else line.removeprefix(">") for line in text.split("\n")])

    def _quoted_parts(self, lines: list[str]) -> Iterator[Unit]:
        sign = lines.pop(0) + "\n" if lines[0].startswith("[!") else ""
        inner = _Cutter(self.whole // 3, self.limit // 3, self.count, self.nesting + 1, quotes=True)  # a sign may treble a short line
        parts = [part for block in blocks("\n".join(lines)) for part in inner.block(block)]
        for position, part in enumerate(parts):
            shown = _quoted(part.text if position else sign + part.text)
            sep = "\n\n" if position == len(parts) - 1 else "\n>\n" if part.sep == "\n\n" else "\n"
            yield self._quoted_unit(part, shown, sep, LINE if position else BLOCK)

    def _quoted_unit(self, part: Unit, shown: str, sep: str, strength: int) -> Unit:
        reopen, close = _quoted(part.reopen), _quoted(part.close)
        reopen_tokens = self.count(reopen + "\n") if reopen else 0
        close_tokens = self.count(close + "\n\n") if close else 0
        return Unit(shown, self.count(shown + sep), strength, 0, sep, reopen, close, reopen_tokens, close_tokens)

    def _list(self, text: str) -> Iterator[Unit]:
        """Items; one larger than a chunk is cut at the blocks inside it."""
        items = _NEXT_ITEM.split(text)
        for position, item in enumerate(items):
            sep = "\n" if position < len(items) - 1 else "\n\n"
            tokens = self.count(item + sep)
            if tokens <= self.limit:
                yield Unit(item, tokens, LINE if position else BLOCK, sep=sep)
            else:
                yield from self._opened(item)

    def _opened(self, item: str) -> Iterator[Unit]:
        """A huge item's own text, then what is nested in it, moved out by the width of the marker."""
        marker = _ITEM.match(item)
        width = marker.end() if marker else 0
        first, *rest = item.split("\n")
        body = [line if line[:width].strip() else line[width:] for line in rest]
        block_inside = first[width:].startswith(("```", "~~~", "| ", "> ", "#")) or _ITEM.match(first[width:])
        text = "\n".join([first[width:], *body]) if block_inside else "\n\n".join([first, "\n".join(body).strip("\n")])
        inner = _Cutter(self.whole, self.limit, self.count, self.nesting + 1, self.quotes)
        return (unit for block in blocks(text) for unit in (inner.block(block) if block != item else self._text(block)))

    def _text(self, text: str) -> Iterator[Unit]:
        """A paragraph too large for one unit: its sentences on lines of their own, which Markdown reads as the same paragraph."""
        room = self.limit - 4
        lines: list[str] = []
        for line in _FULL_LINE.split(text):
            parts = [part.strip() for part in sentences(line.strip(), self.whole, room, self.count)]
            lines += [line_start(part) if position else part for position, part in enumerate(parts) if part]
        return self._grouped(lines or [text.strip()[:1]], "", "")


def _level(line: str) -> int:
    """Of a heading; 0 for any other line."""
    level = len(line) - len(line.lstrip("#"))
    return level if level in _STRENGTH and line[level : level + 1] == " " else 0


def _is_table(lines: list[str]) -> bool:
    return len(lines) > 1 and _RULE.fullmatch(lines[1]) is not None and all(line.startswith("|") for line in lines)


def _quoted(text: str) -> str:
    return "\n".join("> " + line if line else ">" for line in text.split("\n")) if text else ""
