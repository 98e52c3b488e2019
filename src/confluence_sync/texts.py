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
    """`plain_text` of a text that may have megabytes, in UTF-8: encoded once."""
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        encoded = plain_text(text).encode()
    return encoded.replace(b"\0", "\ufffd".encode()) if b"\0" in encoded else encoded


def batched(items: list[str], size: int) -> Iterator[list[str]]:
    """`items` in order, at most `size` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
