"""Markdown to chunks: by structure, at most so many tokens, stable under edits. Pure; the same on every machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from confluence_sync import tokens
from confluence_sync.chunking.cuts import spans
from confluence_sync.chunking.units import BLOCK, Unit, units
from confluence_sync.convert import CONVERTER_VERSION, escape
from confluence_sync.model import Chunk, Metadata, Page, digest

CHUNKER_VERSION = 1  # raised on purpose whenever the chunks of any page change: it is part of every chunk's recipe

_WHOLE = 0.33  # of the core budget: a block up to this size is never torn
_UNIT = 0.85  # of the core budget: the most that any unit takes, so that the headings above it still fit in front
_CONTEXT = 0.1  # of the limit: the most that a context line may take
_ANCHOR = re.compile(r'<a id="([^"]*)"></a>')
_MARKED = re.compile(r"[<\[*~`\\]")
_MARKS = re.compile(r"</?su[bp]>|<a id=\"[^\"]*\"></a>|!?\[((?:\\.|[^\]\\])*)\]\([^()]*\)|\*\*|~~|`|(?<!\\)\*|\\(?=[!-/:-@\[-`{-~])")


@dataclass(frozen=True, slots=True)
class Limits:
    """The most cl100k_base tokens a chunk may have, and how many of them may repeat the end of the chunk before it."""

    tokens: int = 1000
    overlap: int = 180


@dataclass(frozen=True, slots=True)
class _Section:
    """The headings above a unit, outermost first, and the anchor of the nearest."""

    path: tuple[str, ...] = ()
    anchor: str = ""


class _Draft(NamedTuple):
    text: str
    section: _Section
    tokens: int


def recipe(limits: Limits) -> str:
    """Fingerprint of all that decides how a page becomes chunks, except the page."""
    return digest(str(CONVERTER_VERSION), str(CHUNKER_VERSION), str(limits.tokens), str(limits.overlap), size=6)


def chunks(page: Page, markdown: str, limits: Limits = Limits()) -> list[Chunk]:  # noqa: B008  # frozen
    """The chunks of a page in reading order; none for a page without text. Each begins with its context line."""
    count = tokens.counter()
    room = max(int(limits.tokens * _CONTEXT), 8)
    core = limits.tokens - max(limits.overlap, room)
    parts = units(_encodable(markdown), int(core * _WHOLE), int(core * _UNIT), count)
    sections = _sections(parts)
    texts: set[str] = set()
    drafts = []
    end_before = 0
    for start, end in spans(parts, core):
        section = sections[start]
        body_tokens = _core_tokens(parts, start, end)
        for context in _contexts(page, section, room, count):
            context_tokens = count(context + "\n\n")
            first = _overlap_start(parts, start, end_before, min(limits.overlap, limits.tokens - context_tokens - body_tokens))
            text = context + "\n\n" + _rendered(parts, first, end)
            if text not in texts:
                break
        texts.add(text)
        drafts.append(_Draft(text, section, context_tokens + _tokens(parts, first, end, count)))
        end_before = start
    return _finished(page, drafts, recipe(limits))


def _finished(page: Page, drafts: Sequence[_Draft], made_by: str) -> list[Chunk]:
    found = []
    for position, draft in enumerate(drafts):
        content_hash, section = digest(draft.text), draft.section
        metadata = Metadata(
            source=page.source,
            space_key=page.space_key,
            page_id=page.ref.id,
            title=page.ref.title,
            url=f"{page.url}#{section.anchor}" if section.anchor else page.url,
            heading_path=" > ".join(section.path),
            labels=page.labels,
            version=page.ref.version,
            last_modified=page.updated_at,
            chunk_index=position,
            chunk_count=len(drafts),
            content_hash=content_hash,
            tokens=draft.tokens,
            recipe=made_by,
            fingerprint=page.ref.fingerprint,
        )
        found.append(Chunk(digest(page.source, page.space_key, page.ref.id, content_hash, "0"), draft.text, metadata))
    return found


def _sections(parts: Sequence[Unit]) -> list[_Section]:
    """For each unit the section it stands in; a heading stands in its own."""
    found: list[_Section] = []
    path: list[tuple[int, str]] = []
    seen: dict[str, int] = {}
    here = _Section()
    for unit in parts:
        if unit.level:
            title = plain(unit.text[unit.level + 1 :])
            path = [above for above in path if above[0] < unit.level] + [(unit.level, title)]
            here = _Section(tuple(name for _, name in path), _anchor(title, seen))
        found.append(here)
    return found


def plain(markdown: str) -> str:
    """The text of a heading without marks, escapes, anchors and link targets."""
    return " ".join(_MARKS.sub(lambda m: m.group(1) or "", markdown).split()) if _MARKED.search(markdown) else markdown


def _anchor(title: str, seen: dict[str, int]) -> str:
    """As Confluence Cloud names headings: spaces as hyphens, a number after the second of the same name."""
    name = title.replace(" ", "-")
    times = seen.get(name, 0)
    seen[name] = times + 1
    return quote(f"{name}.{times}" if times else name, safe="!$&'()*+,;=:@/?-._~")


def _contexts(page: Page, section: _Section, room: int, count: Callable[[str], int]) -> Iterator[str]:
    """The context line, then with ordinals, for a text that occurs again under the same path."""
    names = [escape.text(_encodable(name)) for name in (page.space_name or page.space_key, page.ref.title, *section.path)]
    line = escape.line_start(" ".join(" > ".join(name for name in names if name.strip()).split()))
    ordinal = 1
    while True:
        suffix = f" ({ordinal})" if ordinal > 1 else ""
        yield _shortened(line, room - (count(suffix) if suffix else 0), count) + suffix
        ordinal += 1


def _shortened(line: str, room: int, count: Callable[[str], int]) -> str:
    """The line, or as much of it as fits with an ellipsis; a name of 255 characters in some scripts is 500 tokens."""
    if count(line + "\n\n") <= room:
        return line
    low, high = 0, len(line)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count(line[:middle] + "…\n\n") <= room else (low, middle - 1)
    return line[:low].rstrip("\\ ") + "…"


def _core_tokens(parts: Sequence[Unit], start: int, end: int) -> int:
    return parts[start].reopen_tokens + sum(unit.tokens for unit in parts[start:end]) + parts[end - 1].close_tokens


def _tokens(parts: Sequence[Unit], first: int, end: int, count: Callable[[str], int]) -> int:
    """Exactly what the rendered units count: each was counted with its separator, which the last does not have."""
    last = parts[end - 1]
    ending = count(last.text + "\n") + count(last.close) if last.close else count(last.text)
    return parts[first].reopen_tokens + sum(unit.tokens for unit in parts[first : end - 1]) + ending


def _overlap_start(parts: Sequence[Unit], start: int, end_before: int, allowance: int) -> int:
    """Where the chunk that owns units from `start` begins: with whole trailing units of the chunk before, none across a heading: a section starts with its own path, and
    an edit at the end of one must not change the next."""
    if start == 0 or parts[start].strength > BLOCK:
        return start
    first, size = start, 0
    while first > end_before:
        unit = parts[first - 1]
        size += unit.tokens
        if size + unit.reopen_tokens > allowance + parts[start].reopen_tokens:
            break
        first -= 1
    return first


def _rendered(parts: Sequence[Unit], first: int, end: int) -> str:
    """Units as text: a block that starts before the chunk is opened again, one that goes on after it is closed."""
    opening = parts[first].reopen + "\n" if parts[first].reopen else ""
    body = "".join(unit.text + unit.sep for unit in parts[first : end - 1])
    last = parts[end - 1]
    return opening + body + last.text + ("\n" + last.close if last.close else "")


def _encodable(text: str) -> str:
    """Without lone surrogates, which JSON can carry and UTF-8 cannot."""
    return text if text.isascii() else text.encode("utf-8", "ignore").decode()
