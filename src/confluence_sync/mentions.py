"""Looks up the names of users that pages mention, once each, so that the text reads @Ada and not @an id."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from threading import Lock

from confluence_sync.convert import mentioned_users
from confluence_sync.fetch import Fetched, fetched
from confluence_sync.model import Page, PageRef, Space, batched
from confluence_sync.source.base import Source
from confluence_sync.state import State

AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class _News:
    """What looking up the users of a batch gave: names by user id, or for each page that goes in without them one user it mentions."""

    names: dict[str, str]
    unnamed: dict[str, str]


class _Naming:
    """Reads pages and looks up who they mention, in the threads that read; what was found waits in `news` for the run to note it.

    One at a time looks users up, so that two batches do not ask for the same ones.
    """

    def __init__(self, source: Source, users: dict[str, str]) -> None:
        self._source, self._users, self._lock = source, users, Lock()
        self.news: deque[_News] = deque()

    def pages(self, refs: list[PageRef], space: Space) -> Fetched:
        batch = self._source.pages(refs, space)
        mentioned = {page.ref.id: mentioned_users(page.body) for page in batch if isinstance(page, Page)}
        with self._lock:
            unknown = {page_id: [user for user in users if user not in self._users] for page_id, users in mentioned.items()}
            found = _names(self._source, sorted(set().union(*unknown.values())))
            if found is None:
                self.news.append(_News({}, {page_id: min(users) for page_id, users in unknown.items() if users}))
            elif found:
                self._users.update(found)
                self.news.append(_News(found, {}))
        return batch


def with_names(
    source: Source, space: Space, refs: Iterable[list[PageRef]], concurrency: int, state: State, scope: str, users: dict[str, str]
) -> Iterator[Fetched]:
    """The pages of each batch, in order; before each, `users` has got the names of those it mentions, as far as they are given.

    Pages that go in without are remembered: read_unnamed_again() in the next run brings the names in.
    """
    naming = _Naming(source, users)
    for batch in fetched(naming, space, refs, concurrency):
        while naming.news:
            news = naming.news.popleft()
            if news.unnamed:
                _note_unnamed(state, scope, news.unnamed)
            else:
                state.note_names(source.id, news.names)
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


def forget_unnamed(state: State, scope: str) -> None:
    """Every page of the scope is about to be read anew."""
    state.database.run("delete from unnamed where scope = ?", [scope])


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
