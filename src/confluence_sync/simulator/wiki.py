"""The state of the simulated Confluence: its contents and spaces, what is visible, and the ordered lists its answers are cut from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from confluence_sync.model import Space
from confluence_sync.simulator.contents import Content, Held, Json, listed, number_of, parse, space_of, texts_of
from confluence_sync.simulator.source import Row, Source, big, read_at, rows

Order = tuple[int | str, int, str]
ORDERS: Mapping[str, Callable[[Content], Order]] = {
    "id": lambda c: (0, *c.order),
    "title": lambda c: (c.title, *c.order),
    "created-date": lambda c: (c.created_at, *c.order),
    "modified-date": lambda c: (c.updated_at, *c.order),
}


@dataclass(frozen=True, slots=True)
class Ordered:
    """Contents in ascending order with the keys they were ordered by."""

    contents: list[Content]
    keys: list[Order]


def in_order(contents: Iterable[Content], sort: str) -> Ordered:
    """`contents` by one of ORDERS, ascending."""
    key = ORDERS[sort]
    found = sorted(contents, key=key)
    return Ordered(found, [key(c) for c in found])


@dataclass
class Wiki:
    """All contents by id. Change them only through `put` and `drop`, so that the cached lists stay true.

    `outside` holds ancestors that the source mentions and does not contain: they have a title, and answer 404.
    """

    contents: dict[str, Content] = field(default_factory=dict)
    outside: dict[str, Content] = field(default_factory=dict)
    spaces: dict[str, Space] = field(default_factory=dict)
    restricted: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    renumbered: int = 0
    revision: int = 0
    file: BinaryIO | None = None
    _lists: dict[object, Ordered] = field(default_factory=dict)
    _children: dict[str, list[str]] = field(default_factory=dict)

    def put(self, content: Content) -> None:
        self.contents[content.id] = content
        self.changed()

    def drop(self, content_id: str) -> None:
        self.contents.pop(content_id, None)
        self.changed()

    def changed(self) -> None:
        """Forgets every cached list."""
        self.revision += 1
        self._lists.clear()
        self._children.clear()

    def seen(self, content_id: str) -> Content | None:
        """The content with this id unless this account may not see it."""
        content = self.contents.get(content_id)
        return None if content is None or self.hidden(content) else content

    def hidden(self, content: Content) -> bool:
        return content.id in self.restricted or content.space_key in self.closed

    def visible_spaces(self) -> list[Space]:
        return [space for key, space in self.spaces.items() if key not in self.closed]

    def cached(self, name: object, make: Callable[[], Ordered]) -> Ordered:
        """What `make` gives, kept under `name` until something changes; only the 64 youngest lists are kept."""
        if name not in self._lists:
            while len(self._lists) >= 64:
                del self._lists[next(iter(self._lists))]
            self._lists[name] = make()
        return self._lists[name]

    def ordered(self, name: object, wanted: Callable[[Content], bool], sort: str = "id") -> Ordered:
        """The visible contents that are `wanted`, by `sort` ascending."""
        return self.cached((name, sort), lambda: in_order((c for c in self.contents.values() if not self.hidden(c) and wanted(c)), sort))

    def in_spaces(self, keys: Collection[str], statuses: Collection[str], sort: str = "id") -> Ordered:
        """The pages of these spaces (of all, when empty) with one of these statuses."""
        chosen, allowed = frozenset(keys), frozenset(statuses)
        return self.ordered(
            ("pages", chosen, allowed),
            lambda c: c.type == "page" and c.status in allowed and (not chosen or c.space_key in chosen),
            sort,
        )

    def ancestors(self, content: Content) -> list[Content]:
        """From the root down to the parent; ends early where the source does not say who the parent is."""
        chain: list[Content] = []
        parent = content.parent_id
        while parent and all(parent != c.id for c in chain):
            above = self.contents.get(parent) or self.outside.get(parent)
            if above is None:
                break
            chain.append(above)
            parent = above.parent_id
        return chain[::-1]

    def children(self, content_id: str) -> list[Content]:
        """The visible, current contents right below, in the order of the page tree."""
        if not self._children:
            self._index_children()
        below = [self.contents[child] for child in self._children.get(content_id, [])]
        return sorted((c for c in below if c.status == "current" and not self.hidden(c)), key=lambda c: (c.position, c.order))

    def _index_children(self) -> None:
        self._children[""] = []
        for content in self.contents.values():
            if content.type in ("page", "folder"):
                self._children.setdefault(content.parent_id, []).append(content.id)

    def descendants(self, content_id: str, depth: int = 1_000) -> Iterator[tuple[Content, int]]:
        """Everything below with its distance, parents first, level by level."""
        level, seen = [content_id], {content_id}
        for distance in range(1, depth + 1):
            below = [c for above in level for c in self.children(above) if c.id not in seen]
            yield from ((c, distance) for c in below)
            level = [c.id for c in below]
            seen.update(level)
            if not level:
                return

    def homepage(self, space: Space) -> str:
        """The id of the space's first page without a parent, or an empty string."""
        roots = [c for c in self.in_spaces([space.key], ["current"]).contents if not c.parent_id]
        return min(roots, key=lambda c: (c.position, c.order)).id if roots else ""

    def texts(self, content: Content) -> Mapping[str, str]:
        """The bodies of a content by representation, read from the source file where they stayed there."""
        if isinstance(content.body, Held):
            return content.body.texts
        assert self.file is not None
        return texts_of(read_at(self.file, content.body))

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None


def load(source: Source, *, as_pages: bool = False) -> Wiki:
    """A wiki with everything the source holds. `as_pages` turns comments, drafts and the like into current pages."""
    wiki = Wiki()
    for row in rows(source):
        _take_in(wiki, row, as_pages)
    if isinstance(source, Path) and big(source):
        wiki.file = source.open("rb")
    _raise_folders(wiki)
    return wiki


def _raise_folders(wiki: Wiki) -> None:
    """Folders become contents: a source made from page objects names them only as ancestors."""
    folders = {c.id: c for c in wiki.outside.values() if c.type == "folder"}
    wiki.contents = {**folders, **wiki.contents}
    wiki.changed()


def _take_in(wiki: Wiki, row: Row, as_pages: bool) -> None:
    thing, place = row
    content = parse(thing, place)
    if content.id in wiki.contents:  # ids are unique in Confluence; a folder gathered from several sites may repeat them
        wiki.renumbered += 1
        content = replace(content, id=str(9_000_000_000 + number_of(f"{content.id} {wiki.renumbered}")))
    if as_pages:
        content = replace(content, type="page", status="current")
    wiki.contents[content.id] = content
    wiki.spaces.setdefault(content.space_key, space_of(thing))
    mention_ancestors(wiki, thing)


def mention_ancestors(wiki: Wiki, thing: Json) -> None:
    """Remembers the ancestors a content object names, with what is above each of them."""
    above = ""
    above_type = ""
    for stub in listed(thing, "ancestors"):
        content = replace(parse({**stub, "space": thing.get("space")}), parent_id=above, parent_type=above_type)
        wiki.outside.setdefault(content.id, content)
        above, above_type = content.id, content.type


def named(spaces: Collection[Space], key: str) -> Space | None:
    """The space with this key; keys compare without regard to case, as in Confluence."""
    return next((space for space in spaces if space.key.casefold() == key.casefold()), None)
