"""A first look at Confluence: who am I, which spaces are meant, how many pages they have, and the first titles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from confluence_sync.config import Settings
from confluence_sync.errors import SettingsError
from confluence_sync.model import Account, PageRef, Space
from confluence_sync.source.base import Source
from confluence_sync.source.credentials import describe_auth
from confluence_sync.source.spaces import choose_spaces

AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class Seen:
    """A space with the number of its current pages and the first of them, in the listing's order."""

    space: Space
    count: int
    first: tuple[PageRef, ...]


@dataclass(frozen=True, slots=True)
class Visit:
    """What an account sees of the spaces that the settings name; `problems` has a line for each that is not there."""

    account: Account
    auth: str
    spaces: tuple[Seen, ...]
    problems: tuple[str, ...]


def visit(source: Source, settings: Settings) -> Visit:
    """Asks Confluence and changes nothing. Raises what is wrong with the credentials, or SettingsError when no space is found."""
    account = source.whoami()
    chosen, problems = choose_spaces(settings.space_name, settings.space_key_filter, list(source.spaces()))
    if not chosen:
        raise SettingsError(*problems)
    seen = tuple(_look(source, one.space, settings.test_limit) for one in chosen)
    return Visit(account, describe_auth(settings), seen, tuple(problems))


def described(found: Visit) -> Iterator[str]:
    """The visit as lines for a person."""
    yield f"signed in as {found.account.name or found.account.id}, {found.auth}"
    for seen in found.spaces:
        yield f"OK: space {seen.space.name!r} is accessible (key={seen.space.key}), {seen.count} pages"
        yield from (f"- {page.id}: {page.title} ({page.updated_at[:10] or 'no date'})" for page in seen.first)
        if seen.count > len(seen.first):
            yield f"  and {seen.count - len(seen.first)} more; TEST_LIMIT shows more of them"
    yield from found.problems


def _look(source: Source, space: Space, limit: int) -> Seen:
    count, first = 0, list[PageRef]()
    for refs in source.listing(space, AT_ONCE):
        count += len(refs)
        first += refs[: limit - len(first)]
    return Seen(space, count, tuple(first))
