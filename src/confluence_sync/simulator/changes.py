"""What people do to a wiki while it is being read: edits, renames, moves, deletions and the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from confluence_sync.model import Space
from confluence_sync.simulator.contents import Held, Json, number_of, parse, space_of
from confluence_sync.simulator.source import Source
from confluence_sync.simulator.wiki import Wiki, load, mention_ancestors, named


@dataclass
class Changes:
    """The changes one can make. As in Confluence, edits and renames raise the version; moves and labels do not.

    Every method may be called from any thread. An id that is not there raises KeyError.
    """

    wiki: Wiki
    lock: threading.RLock = field(default_factory=threading.RLock)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def _replace(self, content_id: str, **changes: object) -> None:
        with self.lock:
            self.wiki.put(replace(self.wiki.contents[content_id], **changes))  # type: ignore[arg-type]  # names are Content's own

    def _raised(self, content_id: str, **changes: object) -> None:
        moment = self.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with self.lock:
            self._replace(content_id, version=self.wiki.contents[content_id].version + 1, updated_at=moment, **changes)

    def edit(self, content_id: str, body: str) -> None:
        """Replaces the page's storage body."""
        self._raised(content_id, body=Held({"storage": body}))

    def replace_text(self, content_id: str, old: str, new: str) -> None:
        """Edits the page where its storage body says `old`; raises ValueError where it does not."""
        body = self.body(content_id)
        if old not in body:
            raise ValueError(f"page {content_id} does not say {old[:60]!r}")
        self.edit(content_id, body.replace(old, new, 1))

    def body(self, content_id: str) -> str:
        """The page's storage body as it is now."""
        with self.lock:
            return self.wiki.texts(self.wiki.contents[content_id]).get("storage", "")

    def rename(self, content_id: str, title: str) -> None:
        self._raised(content_id, title=title)

    def move(self, content_id: str, parent_id: str) -> None:
        """Puts the page below another page or folder; an empty parent makes it a root."""
        with self.lock:
            parent = self.wiki.contents[parent_id] if parent_id else None
            self._replace(content_id, parent_id=parent_id, parent_type=parent.type if parent else "")

    def move_space(self, content_id: str, space_key: str, space_name: str = "") -> None:
        """Moves the page (not those below it) to another space, which is made when there is none of that key."""
        with self.lock:
            self.make_space(space_key, space_name)
            self._replace(content_id, space_key=space_key, parent_id="", parent_type="")

    def make_space(self, key: str, name: str = "") -> Space:
        with self.lock:
            space = named(list(self.wiki.spaces.values()), key) or space_of({"space": {"key": key, "name": name or key}})
            self.wiki.spaces[space.key] = space
            self.wiki.changed()
            return space

    def rename_space(self, key: str, name: str) -> None:
        with self.lock:
            self.wiki.spaces[key] = replace(self.wiki.spaces[key], name=name)
            self.wiki.changed()

    def archive_space(self, key: str, archived: bool = True) -> None:
        with self.lock:
            self.wiki.spaces[key] = replace(self.wiki.spaces[key], archived=archived)
            self.wiki.changed()

    def close_space(self, key: str, closed: bool = True) -> None:
        """Takes this account's permission for a space away, or gives it back: everything in it vanishes with status 200."""
        with self.lock:
            (self.wiki.closed.add if closed else self.wiki.closed.discard)(key)
            self.wiki.changed()

    def delete(self, content_id: str) -> None:
        """Deletes and purges: the id answers 404. Pages below move up to the parent."""
        with self.lock:
            gone = self.wiki.contents[content_id]
            for child in [c for c in self.wiki.contents.values() if c.parent_id == content_id]:
                self.wiki.contents[child.id] = replace(child, parent_id=gone.parent_id, parent_type=gone.parent_type)
            self.wiki.drop(content_id)

    def trash(self, content_id: str) -> None:
        self._replace(content_id, status="trashed")

    def archive(self, content_id: str) -> None:
        self._replace(content_id, status="archived")

    def restore(self, content_id: str) -> None:
        self._replace(content_id, status="current")

    def relabel(self, content_id: str, labels: tuple[str, ...]) -> None:
        self._replace(content_id, labels=tuple(labels))

    def restrict(self, content_id: str, restricted: bool = True) -> None:
        """Hides the page from this account: 404 by id, absent from lists."""
        with self.lock:
            (self.wiki.restricted.add if restricted else self.wiki.restricted.discard)(content_id)
            self.wiki.changed()

    def add(self, thing: Json) -> str:
        """Adds a content object in v1 shape (or replaces the one with its id) and returns its id."""
        with self.lock:
            content = parse(thing)
            self.wiki.spaces.setdefault(content.space_key, space_of(thing))
            mention_ancestors(self.wiki, thing)
            self.wiki.put(content)
            return content.id

    def add_page(self, title: str, body: str, space_key: str, parent_id: str = "") -> str:
        """Adds a page and returns its new id."""
        with self.lock:
            parent = self.wiki.contents.get(parent_id)
            page_id = str(8_000_000_000 + number_of(f"{title} {len(self.wiki.contents)}"))
            content = parse({"id": page_id, "title": title, "space": {"key": space_key}, "body": {"storage": {"value": body}}})
            moment = self.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
            parent_type = parent.type if parent else ""
            self.make_space(space_key)
            self.wiki.put(replace(content, parent_id=parent_id, parent_type=parent_type, updated_at=moment, created_at=moment))
            return page_id

    def replace_all(self, source: Source) -> None:
        """Another wiki in place of this one, as after a night of changes or a restored backup."""
        fresh = load(source)
        with self.lock:
            self.wiki.close()
            fresh.revision = self.wiki.revision + 1
            self.wiki.__dict__.update(fresh.__dict__)

    def apply(self, op: Mapping[str, object]) -> None:
        """Applies {"op", "id", "content"}: `content` is the page as it is afterwards; without it, `op` says what to do (see OPS)."""
        content = op.get("content")
        if isinstance(content, Mapping):
            self.add(content)
            return
        name = str(op.get("op", ""))
        if name not in OPS:
            raise ValueError(f"there is no change called {name!r}; use one of {', '.join(sorted(OPS))}, or give `content`")
        OPS[name](self, str(op.get("id", "")), op)


OPS: Mapping[str, Callable[[Changes, str, Mapping[str, object]], object]] = {
    "delete": lambda changes, page, op: changes.delete(page),
    "trash": lambda changes, page, op: changes.trash(page),
    "archive": lambda changes, page, op: changes.archive(page),
    "restore": lambda changes, page, op: changes.restore(page),
    "restrict": lambda changes, page, op: changes.restrict(page),
    "unrestrict": lambda changes, page, op: changes.restrict(page, False),
    "edit": lambda changes, page, op: changes.edit(page, str(op["body"])),
    "replace": lambda changes, page, op: changes.replace_text(page, str(op["old"]), str(op["new"])),
    "rename": lambda changes, page, op: changes.rename(page, str(op["title"])),
    "move": lambda changes, page, op: changes.move(page, str(op.get("parent", ""))),
    "move_space": lambda changes, page, op: changes.move_space(page, str(op["space"])),
    "relabel": lambda changes, page, op: changes.relabel(page, tuple(_names(op.get("labels")))),
    "close_space": lambda changes, page, op: changes.close_space(page),
    "open_space": lambda changes, page, op: changes.close_space(page, False),
    "rename_space": lambda changes, page, op: changes.rename_space(page, str(op["name"])),
    "archive_space": lambda changes, page, op: changes.archive_space(page),
}


def _names(value: object) -> list[str]:
    return [str(name) for name in value] if isinstance(value, (list, tuple)) else []
