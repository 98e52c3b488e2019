"""The field's usual way, to measure beside ours: stock markdownify over html.parser, then windows of 1,000 tokens that share 180."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from markdownify import markdownify

from confluence_sync import tokens


def markdown(body: str) -> str:
    return str(markdownify(body))


def windows(text: str, size: int = 1000, overlap: int = 180) -> list[str]:
    encode, decode = _codec()
    numbers = encode(text.encode("utf-8", "ignore").decode())
    step = size - overlap
    return [decode(numbers[start : start + size]) for start in range(0, max(len(numbers) - overlap, 1), step)]


@cache
def _codec() -> tuple[Callable[[str], list[int]], Callable[[list[int]], str]]:
    """The same encoder as ours, which is faster than the one these programs use: the comparison is fair to them."""
    tokenizer = tokens._bindings().tokenizer_for_encoding(tokens.ENCODING)
    return tokenizer.encode, lambda numbers: _decoded(tokenizer.decode, numbers)


def _decoded(decode: Callable[[list[int]], str | None], numbers: list[int]) -> str:
    """A window can begin in the middle of a character; that is the windows' fault, not the encoder's."""
    try:
        return decode(numbers) or "\ufffd"
    except ValueError:
        return "\ufffd"
