"""Cuts text that is larger than it may be: at sentence ends, else between words, else between characters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

Count = Callable[[str], int]

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+(?=\S)|(?<=[。！？])(?=\S)")
_WORD_END = re.compile(r"(?<=\S) +(?=\S)")


def sentences(line: str, whole: int, room: int, count: Count) -> Iterator[str]:
    """A line as it is when it has at most `whole` tokens, else its sentences, of which none has more than `room`."""
    if count(line + "\n") <= min(whole, room):
        yield line
        return
    for sentence in _split(line, _SENTENCE_END):
        if count(sentence + "\n") <= room:
            yield sentence
        else:
            yield from _packed(_words(sentence, room, count), room, count)


def pieces(line: str, room: int, count: Count) -> Iterator[str]:
    """A line in as few pieces of at most `room` tokens as its sentences and words allow; joined they are the line again."""
    parts = (part for sentence in _split(line, _SENTENCE_END) for part in _fitting(sentence, room, count))
    return _packed(parts, room, count)


def _fitting(sentence: str, room: int, count: Count) -> Iterable[str]:
    return [sentence] if count(sentence + "\n") <= room else _words(sentence, room, count)


def _words(sentence: str, room: int, count: Count) -> Iterator[str]:
    for word in _split(sentence, _WORD_END):
        yield from [word] if len(word) <= room // 4 or count(word + "\n") <= room else _characters(word, room, count)


def _characters(word: str, room: int, count: Count) -> Iterator[str]:
    """Pieces of text without spaces: base64, or a script that has none. One character is at most four tokens."""
    size = max(room // 4, 1)
    start = 0
    while start < len(word):
        while size < 8 * room and start + size < len(word) and count(word[start : start + 2 * size] + "\n") <= room:
            size *= 2
        while size > 1 and count(word[start : start + size] + "\n") > room:
            size //= 2
        yield word[start : start + size]
        start += size


def _packed(parts: Iterable[str], room: int, count: Count) -> Iterator[str]:
    """Neighbours joined again as long as they surely fit: a join adds at most a token to the sum of the parts."""
    held: list[str] = []
    size = 0
    for part in parts:
        tokens = count(part) + 1
        if held and size + tokens > room - 1:
            yield "".join(held)
            held, size = [], 0
        held.append(part)
        size += tokens
    yield "".join(held)


def _split(text: str, boundary: re.Pattern[str]) -> Iterator[str]:
    """The text cut behind every boundary, which stays at the end of its piece."""
    start = 0
    for match in boundary.finditer(text):
        yield text[start : match.end()]
        start = match.end()
    yield text[start:]
