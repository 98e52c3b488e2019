"""What keyword search does with text: pairs for scripts without spaces, and a user's words made harmless."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from operator import add

# Kana, Han, Hangul, Thai, Lao, Khmer and Burmese: a run of them is one token to most tokenizers, so pairs are stored as well.
_UNSPACED = re.compile(
    r"[\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7a3\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\U00020000-\U0003134f]+"
)
# In UTF-8 each of them begins with one of these bytes, which accents, dashes and quotation marks do not.
_OTHER_BYTES = bytes(byte for byte in range(256) if byte not in (0xE0, 0xE1, *range(0xE3, 0xEE), 0xEF, 0xF0))
_PIECES = re.compile(r"[^\W_]+")
_BETWEEN = re.compile(r"[\W_]+")
_ACCENTS = re.compile("[\u0300-\u036f]")
_ASCII_BETWEEN = {i: " " for i in range(128) if not chr(i).isalnum()}
MOST_WORDS = 48


def pairs(text: str, encoded: bytes = b"") -> str:
    """The overlapping pairs of every unspaced run, separated by spaces; empty for other scripts. A run of one stays alone. `encoded` is the
    text in UTF-8, where the caller has it."""
    if text.isascii() or not (encoded or text.encode("utf-8", "replace")).translate(None, _OTHER_BYTES):
        return ""
    found: list[str] = []
    for run in _UNSPACED.findall(text):
        if len(run) > 2:
            found += map(add, run, run[1:])
        else:
            found.append(run)
    return " ".join(found)


def words(question: str) -> list[str]:
    """The words of a question, each once, at most MOST_WORDS: compounds such as ORA-00942 or get_user both whole and in pieces."""
    found: dict[str, None] = {}
    for word in question.replace("\0", " ").split():
        pieces = [piece for piece in _PIECES.findall(word) if not _UNSPACED.fullmatch(piece)]
        whole = " ".join(pieces)
        found.update(dict.fromkeys([whole, *pieces] if len(pieces) < 5 else pieces))
    found.update(dict.fromkeys(pairs(question).split()))
    return [word for word in found if word][:MOST_WORDS]


def fts5(question: str) -> str:
    """The FTS5 expression for a question: every word quoted, so that nothing a user types is syntax; empty when there is no word."""
    return either(words(question))


def either(asked: Sequence[str]) -> str:
    """An FTS5 expression that any of these words or phrases satisfies."""
    return " OR ".join(f'"{word}"' for word in asked)


def scaled(bm25: float) -> float:
    """A BM25 score (0 and up, unbounded) in 0..1, order kept."""
    return bm25 / (bm25 + 10.0) if bm25 > 0 else 0.0


def plain(text: str) -> str:
    """`text` in lower case, without accents, with one space for every run of punctuation and white space."""
    lower = text.lower()
    if lower.isascii():
        return " ".join(lower.translate(_ASCII_BETWEEN).split())  # five times as fast as the expression, and every chunk goes through here
    return _BETWEEN.sub(" ", unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFKD", lower)))).strip()


def folded(text: str) -> str:
    """`text` for an index that splits at spaces only: plain, and the pairs of unspaced scripts behind it."""
    return f"{plain(text)} {plain(pairs(text))}".strip()


def folded_words(text: str) -> list[str]:
    """The words of `folded(text)`, without putting them together first where that is not needed."""
    lower = text.lower()
    return lower.translate(_ASCII_BETWEEN).split() if lower.isascii() else folded(text).split()
