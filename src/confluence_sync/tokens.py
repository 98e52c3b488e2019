"""Counts cl100k_base tokens exactly and offline: the encoder carries its tables, so a container without egress can chunk."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

ENCODING = "cl100k_base"


@cache
def counter() -> Callable[[str], int]:
    """The counting function itself, for loops. Raises UnicodeEncodeError for lone surrogates."""
    from bpe_openai import _bindings

    count: Callable[[str], int] = _bindings.tokenizer_for_encoding(ENCODING).count
    return count


def count(text: str) -> int:
    """How many cl100k_base tokens a text has. Lone surrogates, which no encoder takes, count as nothing."""
    try:
        return counter()(text)
    except UnicodeEncodeError:
        return counter()(text.encode("utf-8", "ignore").decode())
