"""Looks up the names of users that pages mention, once each, so that the text reads @Ada and not @an id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from confluence_sync.fetch import Fetched
from confluence_sync.model import Page, batched
from confluence_sync.source.base import Source
from confluence_sync.state import State

AT_ONCE = 250


def with_names(batches: Iterable[Fetched], source: Source, state: State, scope: str, users: dict[str, str]) -> Iterator[Fetched]:
    """The batches unchanged; before each, `users` has got the names of those it mentions, as far as they are given.

    Pages that go in without are remembered: read_unnamed_again() in the next run brings the names in.
    """
    from confluence_sync.convert import mentioned_users

    for batch in batches:
        mentioned = {page.ref.id: mentioned_users(page.body) - users.keys() for page in batch if isinstance(page, Page)}
        unnamed = {page_id: some for page_id, some in mentioned.items() if some}
        found = _names(source, sorted(set().union(*unnamed.values())))
        if found is None:
            _note_unnamed(state, scope, {page_id: min(some) for page_id, some in unnamed.items()})
        elif found:
            state.note_names(source.id, found)
            users.update(found)
        yield batch


def read_unnamed_again(source: Source, state: State, scope: str) -> None:
    """Pages that went in without names are read again once names are given; where they are not, asking costs a request a run."""
    rows = state.database.rows("select page_id, user_id from unnamed where scope = ?", [scope])
    asked = sorted({str(user_id) for _, user_id in rows})[:AT_ONCE]
    if asked and source.names(asked) is not None:
        pages = [(scope, page_id) for page_id, _ in rows]
        with state.database.transaction():
            state.database.run_many("update entry set recipe = '' where scope = ? and page_id = ?", pages)
            state.database.run_many("delete from unnamed where scope = ? and page_id = ?", pages)


def _note_unnamed(state: State, scope: str, users: Mapping[str, str]) -> None:
    """Pages that are about to go in without the name of a user they mention, each with one such user."""
    with state.database.transaction():
        state.database.run_many(
            "insert into unnamed values (?, ?, ?) on conflict (scope, page_id) do update set user_id = excluded.user_id",
            [(scope, page_id, user_id) for page_id, user_id in users.items()],
        )


def _names(source: Source, user_ids: list[str]) -> dict[str, str] | None:
    """Names by user id, without those of the nameless; None where this account is not given any."""
    found: dict[str, str] = {}
    for some in batched(user_ids, AT_ONCE):
        names = source.names(some)
        if names is None:
            return None
        found |= {user_id: name for user_id, name in names.items() if name}
    return found
