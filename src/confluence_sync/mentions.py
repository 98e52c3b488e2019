"""Looks up the names of users that pages mention, once each, so that the text reads @Ada and not @an id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import compress

from confluence_sync.convert import mentioned_users
from confluence_sync.fetch import fetched
from confluence_sync.model import Page, PageRef, Space, batched
from confluence_sync.source.base import Failure, Source
from confluence_sync.state import State
from confluence_sync.workshop import Batch

AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class _News:
    """What looking up the users of some pages gave: new names by user id, or for each page that goes in without them one it mentions."""

    names: dict[str, str]
    unnamed: dict[str, str]


_Waiting = Future[tuple[Batch, _News]]


@dataclass(frozen=True, slots=True)
class _Read:
    """Pages whose users are known, and those that wait for news of theirs."""

    named: Batch
    waiting: _Waiting | None = None


class _Naming:
    """Reads pages and has looked up who they mention. One at a time looks users up, so that no two batches ask for the same ones."""

    def __init__(self, source: Source, users: dict[str, str]) -> None:
        self._source, self._users = source, users
        self._asked = set(users)  # also for who has no name
        self._asking = ThreadPoolExecutor(1, "names")

    def pages(self, refs: list[PageRef], space: Space) -> _Read:
        batch = self._source.pages(refs, space)
        mentioned = {page.ref.id: mentioned_users(page.utf8) for page in batch if isinstance(page, Page)}
        unknown = {page_id: users for page_id, users in mentioned.items() if not users <= self._asked}
        if not unknown:
            return _Read(self._batch(batch, mentioned))
        waits = [isinstance(page, Page) and page.ref.id in unknown for page in batch]
        named = [page for page, wait in zip(batch, waits, strict=True) if not wait]
        return _Read(self._batch(named, mentioned), self._asking.submit(self._look_up, list(compress(batch, waits)), unknown))

    def _batch(self, pages: list[Page | Failure], mentioned: Mapping[str, set[str]]) -> Batch:
        """With no names but those of who is mentioned: all of a large site's would go along with every few pages."""
        users = set().union(*(mentioned[page.ref.id] for page in pages if isinstance(page, Page)))
        return Batch(pages, {user: self._users[user] for user in users if user in self._users})

    def _look_up(self, pages: list[Page | Failure], mentioned: Mapping[str, set[str]]) -> tuple[Batch, _News]:
        unknown = {page_id: users - self._asked for page_id, users in mentioned.items()}
        asked = set().union(*unknown.values())
        found = _names(self._source, sorted(asked))
        if found is None:
            return self._batch(pages, mentioned), _News({}, {page_id: min(users) for page_id, users in unknown.items() if users})
        self._users.update(found)
        self._asked |= asked
        return self._batch(pages, mentioned), _News(found, {})

    def close(self) -> None:
        self._asking.shutdown(wait=False, cancel_futures=True)


def with_names(
    source: Source, space: Space, refs: Iterable[list[PageRef]], concurrency: int, state: State, scope: str, users: dict[str, str]
) -> Iterator[Batch]:
    """The pages of each batch, with the names of those they mention, as far as they are given; `users` are those known before.

    Of a batch that mentions users who are new, only the pages that do not are given at once. On a slow line the others wait for a request
    more; until then the next batch is asked for, and they come after what of it need not wait.
    Pages that go in without names are remembered: read_unnamed_again() in the next run brings the names in.
    """
    late: list[_Waiting] = []  # one, at most: its pages are megabytes
    with closing(_Naming(source, users)) as naming:
        for read in fetched(naming, space, refs, concurrency):
            if read.named.pages or not read.waiting:
                yield read.named
            while late:
                yield _noted(state, source, scope, *late.pop().result())  # without a name here, under which it would live on
            late += [read.waiting] if read.waiting else []
        while late:
            yield _noted(state, source, scope, *late.pop().result())


def _noted(state: State, source: Source, scope: str, batch: Batch, news: _News) -> Batch:
    if news.unnamed:
        _note_unnamed(state, scope, news.unnamed)
    elif news.names:
        state.note_names(source.id, news.names)
    return batch


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
