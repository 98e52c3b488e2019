"""Small things that everything does with texts: hash them, make them storable, encode them, take them a few at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator


def digest(*parts: str, size: int = 16) -> str:
    """A hex digest of `size` bytes over parts whose borders count: digest("a", "b") is not digest("ab").

    Lone surrogates, which Confluence titles can hold, are hashed as they are rather than refused.
    """
    h = hashlib.blake2b(digest_size=size)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        h.update(len(raw).to_bytes(8, "big"))
        h.update(raw)
    return h.hexdigest()


def plain_text(text: str) -> str:
    """`text` as every database and file takes it: lone surrogates and NUL, which Confluence lets into titles, become U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def utf8(text: str) -> bytes:
    """`text` in UTF-8; lone surrogates, which have no place there, as if they had."""
    return text.encode("utf-8", "surrogatepass")


def batched(items: list[str], size: int) -> Iterator[list[str]]:
    """`items` in order, at most `size` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
