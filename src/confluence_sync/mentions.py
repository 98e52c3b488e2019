"""Looks up the names of users that pages mention, once each, so that the text reads @Ada and not @an id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from confluence_sync.fetch import Fetched
from confluence_sync.model import Page, batched
from confluence_sync.source.base import Source
from confluence_sync.state import State


def with_names(batches: Iterable[Fetched], source: Source, state: State, users: dict[str, str]) -> Iterator[Fetched]:
    """The batches unchanged; before each, `users` has got the names of those it mentions, as far as they may be seen."""
    from confluence_sync.convert import mentioned_users

    for batch in batches:
        mentioned = {user for page in batch if isinstance(page, Page) for user in mentioned_users(page.body)}
        unknown = sorted(mentioned - users.keys())
        if unknown:
            found = {i: name for some in batched(unknown, 250) for i, name in source.names(some).items() if name}
            state.note_names(source.id, found)
            users.update(found)
        yield batch
