"""Answers a CQL query from the wiki: which contents it selects, and in which order."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from confluence_sync.simulator.contents import Content
from confluence_sync.simulator.cql_words import BadQuery, Both, Clause, Either, Function, Query, Tree, Unless, read
from confluence_sync.simulator.wiki import Ordered, Wiki

Wanted = Callable[[Content], bool]
COMPARE: dict[str, Callable[[str, str], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
UNITS = {"y": 365 * 24 * 60, "M": 30 * 24 * 60, "w": 7 * 24 * 60, "d": 24 * 60, "h": 60, "m": 1}
DATES = ("%Y-%m-%d %H:%M", "%Y-%m-%d", "%Y/%m/%d %H:%M", "%Y/%m/%d")
SORTS: dict[str, Callable[[Content], object]] = {
    "id": lambda c: c.order,
    "title": lambda c: c.title,
    "created": lambda c: c.created_at,
    "lastmodified": lambda c: c.updated_at,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a query is read against: the wiki, the present moment, and the user's time zone, in which dates are meant."""

    wiki: Wiki
    now: datetime
    time_zone: str = "UTC"
    statuses: frozenset[str] = frozenset({"current"})


def select(cql: str, asked: Asked) -> list[Content]:
    """The visible contents that the query selects, in its order (by id where it gives none)."""
    query = read(cql)
    name = ("cql", query, asked.statuses, moment_key(query.tree, asked))
    return asked.wiki.cached(name, lambda: Ordered(_selected(query, asked), [])).contents


def _selected(query: Query, asked: Asked) -> list[Content]:
    wanted = predicate(query.tree, asked)
    contents = [c for c in asked.wiki.contents.values() if c.status in asked.statuses and not asked.wiki.hidden(c) and wanted(c)]
    return in_order(sorted(contents, key=lambda c: c.order), query)


def moment_key(tree: Tree, asked: Asked) -> str:
    """What the cache must tell apart besides the query: the minute, where the query says now()."""
    return f"{asked.now:%Y%m%d%H%M}" if "Function(" in repr(tree) else ""


def in_order(contents: list[Content], query: Query) -> list[Content]:
    for field, descending in reversed(query.order):
        if field not in SORTS:
            raise BadQuery(f"cannot order by {field}")
        contents = sorted(contents, key=SORTS[field], reverse=descending)  # type: ignore[arg-type]  # one kind of key a field
    return contents


def predicate(tree: Tree, asked: Asked) -> Wanted:
    match tree:
        case Unless(part):
            inner = predicate(part, asked)
            return lambda c: not inner(c)
        case Both(parts):
            every = [predicate(part, asked) for part in parts]
            return lambda c: all(holds(c) for holds in every)
        case Either(parts):
            each = [predicate(part, asked) for part in parts]
            return lambda c: any(holds(c) for holds in each)
        case _:
            return _clause(tree, asked)


def _clause(clause: Clause, asked: Asked) -> Wanted:
    if clause.field in ("lastmodified", "created"):
        return _dated(clause, asked)
    if clause.operator in ("~", "!~"):
        return _fuzzy(clause, asked)
    if clause.operator not in ("=", "!=", "in", "not in") or clause.field not in FIELDS:
        raise BadQuery(f"the field '{clause.field}' does not support '{clause.operator}', or does not exist")
    holds = FIELDS[clause.field](frozenset(str(value) for value in clause.values), asked)
    return holds if clause.operator in ("=", "in") else lambda c: not holds(c)


def _types(values: frozenset[str], asked: Asked) -> Wanted:
    unknown = values - {"page", "blogpost", "comment", "attachment", "folder", "whiteboard", "database", "embed", "space", "user"}
    if unknown:
        raise BadQuery(f"unsupported content type {', '.join(sorted(unknown))}")
    return lambda c: c.type in values


def _spaces(values: frozenset[str], asked: Asked) -> Wanted:
    keys = {value.casefold() for value in values}
    return lambda c: c.space_key.casefold() in keys


def _below(values: frozenset[str], asked: Asked) -> Wanted:
    below = {c.id for above in values for c, _ in asked.wiki.descendants(above)}
    return lambda c: c.id in below


def _titles(values: frozenset[str], asked: Asked) -> Wanted:
    titles = {value.casefold() for value in values}
    return lambda c: c.title.casefold() in titles


FIELDS: dict[str, Callable[[frozenset[str], Asked], Wanted]] = {
    "type": _types,
    "space": _spaces,
    "space.key": _spaces,
    "id": lambda values, asked: lambda c: c.id in values,
    "content": lambda values, asked: lambda c: c.id in values,
    "label": lambda values, asked: lambda c: not values.isdisjoint(c.labels),
    "parent": lambda values, asked: lambda c: c.parent_id in values,
    "creator": lambda values, asked: lambda c: c.author_id in values,
    "ancestor": _below,
    "title": _titles,
    "space.title": lambda values, asked: lambda c: asked.wiki.spaces[c.space_key].name in values,
}


def _fuzzy(clause: Clause, asked: Asked) -> Wanted:
    texts: dict[str, Callable[[Content], str]] = {
        "title": lambda c: c.title,
        "space.title": lambda c: asked.wiki.spaces[c.space_key].name,
        "text": lambda c: c.title + " " + " ".join(asked.wiki.texts(c).values()),
    }
    if clause.field not in texts:
        raise BadQuery(f"the field '{clause.field}' does not support '{clause.operator}'")
    said = texts[clause.field]
    like = clause.operator == "~"
    return lambda c: resembles(said(c), str(clause.values[0])) is like


def resembles(said: str, words: str) -> bool:
    """Whether every word of `words` occurs in `said`, as CQL's ~ does it; * stands for the rest of a word."""
    patterns = [re.escape(word).replace(r"\*", r"\w*") for word in re.findall(r"[\w*]+", words.casefold())]
    return bool(patterns) and all(re.search(rf"\b{pattern}\b", said.casefold()) for pattern in patterns)


def _dated(clause: Clause, asked: Asked) -> Wanted:
    """Dates compare by the minute, as in Confluence: an edit in the same minute is not > it."""
    if clause.operator not in COMPARE:
        raise BadQuery(f"the field '{clause.field}' does not support '{clause.operator}'")
    limit, holds = minute(clause.values[0], asked), COMPARE[clause.operator]
    if clause.field == "created":
        return lambda c: holds(c.created_at[:16], limit)
    return lambda c: holds(c.updated_at[:16], limit)


def zone(name: str) -> tzinfo:
    """UTC needs no time zone database, which small images lack."""
    return UTC if name == "UTC" else ZoneInfo(name)


def minute(value: str | Function, asked: Asked) -> str:
    """The moment in UTC, to the minute, as in 2026-01-31T08:30."""
    if isinstance(value, Function):
        return f"{_computed(value, asked):%Y-%m-%dT%H:%M}"
    for form in DATES:
        try:
            local = datetime.strptime(value, form).replace(tzinfo=zone(asked.time_zone))
        except ValueError:
            continue
        return f"{local.astimezone(UTC):%Y-%m-%dT%H:%M}"
    raise BadQuery(f"could not parse the date '{value}'; use yyyy-MM-dd HH:mm or yyyy-MM-dd")


def _computed(function: Function, asked: Asked) -> datetime:
    shift = re.fullmatch(r"([+-]?\d+)([yMwdhm])", function.argument or "+0m")
    if shift is None or function.name not in ("now", "startofday"):
        raise BadQuery(f"cannot compute {function.name}({function.argument})")
    moment = asked.now + timedelta(minutes=int(shift[1]) * UNITS[shift[2]])
    if function.name == "now":
        return moment
    local = moment.astimezone(zone(asked.time_zone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
