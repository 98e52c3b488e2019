"""Cuts a chunk into overlapping windows that a model can read whole, each under the chunk's context line."""

from __future__ import annotations

import re
from collections.abc import Callable

Offsets = Callable[[str], list[tuple[int, int]]]
OVERLAP = 1 / 8  # of a window, so that a sentence on a border is whole in one of them
CONTEXT = 1 / 4  # of a window, at most, for the context line

_ROUGH = re.compile(r"\d|[A-Za-z]{1,4}|[^\W\d_a-zA-Z]{1,2}|[^\w\s]|_")


def cut(text: str, room: int, offsets: Offsets) -> list[str]:
    """`text` in parts of at most `room` tokens; `offsets` gives the (start, end) characters of every token."""
    tokens = offsets(text)
    if len(tokens) <= room:
        return [text]
    context = _context(text, int(room * CONTEXT), offsets)
    body = text[len(context) :]
    tokens = offsets(body)
    size = room - len(offsets(context)) - 1
    step = max(1, size - int(size * OVERLAP))
    starts = range(0, max(1, len(tokens) - int(size * OVERLAP)), step)
    return [context + "\n" + body[tokens[i][0] : tokens[min(i + size, len(tokens)) - 1][1]] for i in starts]


def _context(text: str, most: int, offsets: Offsets) -> str:
    """The first line, cut to `most` tokens; the rest of a long one stays with the body."""
    line = text.partition("\n")[0]
    tokens = offsets(line)
    return line if len(tokens) <= most else line[: tokens[most - 1][1]]


def rough_offsets(text: str) -> list[tuple[int, int]]:
    """Tokens as a model of unknown vocabulary may count them, rather too many than too few: 4 Latin letters, 2 others, 1 digit or sign."""
    return [match.span() for match in _ROUGH.finditer(text)]
