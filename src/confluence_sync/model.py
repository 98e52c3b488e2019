"""The nouns of the program, all frozen: what a page, a chunk and a hit are."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import NamedTuple

from confluence_sync.texts import batched as batched
from confluence_sync.texts import digest as digest
from confluence_sync.texts import plain_text as plain_text
from confluence_sync.texts import utf8 as utf8

Scalar = str | int | float | bool
MetadataValue = Scalar | list[str]


@dataclass(frozen=True, slots=True)
class Space:
    """A Confluence space. Names are not unique, keys are; the id survives a change of either."""

    id: str
    key: str
    name: str
    type: str = "global"
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """Who the server says we are. `name` never goes into a log at INFO."""

    id: str
    name: str
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class PageRef:
    """What a listing without bodies shows of a page."""

    id: str
    version: int
    title: str
    parent_id: str = ""
    updated_at: str = ""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the listing shows a change: moves do not raise a version, so title and parent count too."""
        return digest(str(self.version), self.title, self.parent_id, size=8)


LABELS_UNKNOWN = "?"  # in the state, of a page whose labels nobody gave us; Confluence allows no such label


@dataclass(frozen=True, slots=True)
class Page:
    """A page with its body in UTF-8: as a str, one emoji makes it four times as large, and megabytes of pages wait in a run.

    `site` is the address a reader uses, with /wiki on Cloud; `updated_at` is RFC 3339 in UTC. `labels` are () also where this account
    was not given them, and then `labels_known` is False.
    """

    ref: PageRef
    source: str
    space_key: str
    space_name: str
    site: str
    url: str
    utf8: bytes
    representation: str = "storage"
    labels: tuple[str, ...] = ()
    updated_at: str = ""
    labels_known: bool = True

    @property
    def body(self) -> str:
        """The body, decoded anew each time."""
        return self.utf8.decode("utf-8", "surrogatepass")

    @property
    def labels_text(self) -> str:
        """The labels as the state keeps them."""
        return ",".join(self.labels) if self.labels_known else LABELS_UNKNOWN


class Metadata(NamedTuple):
    """What is stored beside a chunk's text, for filters, citations and for rebuilding a lost state.

    `heading_path` joins the headings above the chunk with " > ". `url` points at the section where it has an anchor.
    `fingerprint` and `version` are those of the page when the chunk was written or last retagged.
    A tuple, because making a frozen dataclass of fifteen fields takes six times as long, and each chunk has one.
    """

    source: str
    space_key: str
    page_id: str
    title: str
    url: str
    heading_path: str
    labels: tuple[str, ...]
    version: int
    last_modified: str
    chunk_index: int
    chunk_count: int
    content_hash: str
    tokens: int
    recipe: str
    fingerprint: str

    def as_dict(self) -> dict[str, MetadataValue]:
        """The same as plain JSON values, labels as a list."""
        return {**self._asdict(), "labels": list(self.labels)}

    @property
    def reader_hash(self) -> str:
        """Of the page-level values that a reader or a filter sees, so that a store without RETAG knows when to rewrite."""
        return digest(self.title, self.url.partition("#")[0], "\0".join(self.labels), size=8)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a page as it is stored: `text` is Markdown that begins with its context line.

    `id` is digest(source, space key, page id, content hash, occurrence): it changes with the text and with nothing else.
    """

    id: str
    text: str
    metadata: Metadata

    @property
    def page_id(self) -> str:
        return self.metadata.page_id


@dataclass(frozen=True, slots=True)
class Stored:
    """A chunk as a store lists it. `metadata` is None for what another program left there."""

    chunk_id: str
    metadata: Metadata | None


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer to a query; a higher score is a better hit, comparable only within one answer."""

    chunk_id: str
    score: float
    text: str
    metadata: Metadata | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which chunks a query may return: each non-empty field must match one of its values; dates are RFC 3339, inclusive."""

    space_keys: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    page_ids: tuple[str, ...] = ()
    modified_since: str = ""
    modified_before: str = ""

    def matches(self, m: Metadata) -> bool:
        return (
            (not self.space_keys or m.space_key in self.space_keys)
            and (not self.labels or bool(set(self.labels) & set(m.labels)))
            and (not self.page_ids or m.page_id in self.page_ids)
            and (not self.modified_since or m.last_modified >= self.modified_since)
            and (not self.modified_before or m.last_modified <= self.modified_before)
        )

    def __bool__(self) -> bool:
        return any(getattr(self, f.name) for f in fields(self))


EVERYTHING = Filter()


@dataclass(frozen=True, slots=True)
class Entry:
    """What may be in the store for one page, as the state remembers it.

    `settled` is False between the moment the state names the chunks and the moment the store has exactly these; until then the
    store may hold any part of them. `labels` are joined with commas.
    """

    page_id: str
    version: int
    fingerprint: str
    recipe: str
    title: str
    parent_id: str
    labels: str
    chunk_ids: tuple[str, ...]
    reader_hash: str
    settled: bool


class Presence(StrEnum):
    """What asking for one page by its id showed, for a page that a complete listing did not contain."""

    CURRENT = "still there"
    TRASHED = "trashed"
    ARCHIVED = "archived"
    MOVED = "moved to another space"
    OUT_OF_SCOPE = "outside the folder or labels of this scope"
    INVISIBLE = "no longer visible to this account"
    UNKNOWN = "could not be told"

    @property
    def gone(self) -> bool:
        """Whether its chunks may be deleted."""
        return self not in (Presence.CURRENT, Presence.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Scope:
    """What one collection is for, of one space: the whole of it, or what a folder or labels select, or one shard of it."""

    space: Space
    folder_id: str = ""
    labels: tuple[str, ...] = ()
    shard: int = 0
    shards: int = 1

    def owns(self, page_id: str) -> bool:
        """Whether this shard is the one that keeps the page; stable across machines and runs."""
        return self.shards == 1 or int(digest(page_id, size=4), 16) % self.shards == self.shard

    @property
    def selection(self) -> str:
        """What the scope takes of its space; a run refuses to go on when this changed under a filled collection."""
        parts = [f"below page or folder {self.folder_id}"] if self.folder_id else []
        parts += [f"labels {', '.join(sorted(self.labels))}"] if self.labels else []
        return ", ".join(parts) or "the whole space"

    def describe(self) -> str:
        parts = [f"space {self.space.key} ({self.space.name})"]
        parts += [self.selection] if self.folder_id or self.labels else []
        parts += [f"shard {self.shard + 1} of {self.shards}"] if self.shards > 1 else []
        return ", ".join(parts)
