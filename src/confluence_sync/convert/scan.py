"""Four looks at a text's characters. A compiled installation has faster ones (compiled/confluence_sync/convert/scan.pyx)."""

from __future__ import annotations

import re

_MARKS = re.compile(r"[\\`*_\[\]<~&]")
_ESCAPES = re.compile(
    r"\\(?=[!-/:-@\[-`{-~]|\Z)"
    r"|`"
    r"|\*(?<!\s\*)|\*(?!\s)"
    r"|__*(?![^\W_])|_(?<![^\W_]_)_*"
    r"|\](?=[(\[:]|\Z)"
    r"|<(?=[A-Za-z/!?]|\Z)"
    r"|~~+"
    r"|&(?=#?\w+;)"
)
_HALVES = re.compile("[\ud800-\udfff]")


def marked(text: str) -> bool:
    """Whether a character is in `text` that Markdown may read as markup."""
    return _MARKS.search(text) is not None


def escaped(text: str) -> str:
    """`text` with a backslash before each character that Markdown would read as markup where it stands."""
    return _ESCAPES.sub(_with_backslashes, text)


def _with_backslashes(match: re.Match[str]) -> str:
    return "".join("\\" + c for c in match.group())


def collapsed(text: str) -> str:
    """The words of `text` with one space between them."""
    return " ".join(text.split())


def whole(text: str) -> bool:
    """Whether `text` is free of lone surrogates, which JSON can carry and UTF-8 cannot."""
    return text.isascii() or _HALVES.search(text) is None
