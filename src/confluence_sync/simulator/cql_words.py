"""Reads CQL, Confluence's query language, into a tree of clauses."""

from __future__ import annotations

import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<operator>!=|>=|<=|!~|[=<>~])|(?P<mark>[(),])|(?P<word>[^\s"'=<>~!(),]+))"""
)
OPERATORS = {"=", "!=", ">", ">=", "<", "<=", "~", "!~", "in", "not in"}


class BadQuery(Exception):
    """The query is not CQL, or uses something that the simulator does not know."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function such as now("-4h")."""

    name: str
    argument: str


@dataclass(frozen=True, slots=True)
class Clause:
    """`field` is in lower case; several values only with in and not in."""

    field: str
    operator: str
    values: tuple[str | Function, ...]


@dataclass(frozen=True, slots=True)
class Both:
    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Either:
    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Unless:
    part: Tree


Tree = Clause | Both | Either | Unless


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query: what must hold, and the order as (field, descending)."""

    tree: Tree
    order: tuple[tuple[str, bool], ...]


@dataclass
class Words:
    """The tokens not yet read, as (kind, text)."""

    left: list[tuple[str, str]]

    def peek(self) -> str:
        """The next token if it is a keyword or a mark, in lower case; else an empty string."""
        kind, text = self.left[0] if self.left else ("", "")
        return "" if kind == "quoted" else text.lower()

    def take(self, *expected: str) -> str:
        if not self.left or (expected and self.peek() not in expected):
            found = self.left[0][1] if self.left else "the end of the query"
            raise BadQuery(f"expected {' or '.join(expected) or 'more'}, found {found}")
        kind, text = self.left.pop(0)
        return re.sub(r"\\(.)", r"\1", text[1:-1]) if kind == "quoted" else text

    def took(self, word: str) -> bool:
        if self.peek() != word:
            return False
        self.left.pop(0)
        return True


def words_of(cql: str) -> Words:
    found, at, text = [], 0, cql.strip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise BadQuery(f"cannot read {text[at : at + 20]!r}")
        found.append((str(match.lastgroup), match[str(match.lastgroup)]))
        at = match.end()
    return Words(found)


def read(cql: str) -> Query:
    """The tree of a query; raises BadQuery saying what was expected where."""
    words = words_of(cql)
    tree = Both(()) if not words.left or words.peek() == "order" else _either(words)
    order = _order(words)
    if words.left:
        raise BadQuery(f"expected AND, OR or ORDER BY, found {words.left[0][1]}")
    return Query(tree, order)


def _either(words: Words) -> Tree:
    parts = [_both(words)]
    while words.took("or"):
        parts.append(_both(words))
    return parts[0] if len(parts) == 1 else Either(tuple(parts))


def _both(words: Words) -> Tree:
    parts = [_one(words)]
    while words.took("and"):
        parts.append(_one(words))
    return parts[0] if len(parts) == 1 else Both(tuple(parts))


def _one(words: Words) -> Tree:
    if words.took("not"):
        return Unless(_one(words))
    if words.took("("):
        tree = _either(words)
        words.take(")")
        return tree
    return _clause(words)


def _clause(words: Words) -> Clause:
    field = words.take().lower()
    operator = words.take(*OPERATORS, "not").lower()
    if operator == "not":
        operator = f"not {words.take('in').lower()}"
    if operator in ("in", "not in"):
        return Clause(field, operator, _values(words))
    return Clause(field, operator, (_value(words),))


def _values(words: Words) -> tuple[str | Function, ...]:
    words.take("(")
    values = [_value(words)]
    while words.took(","):
        values.append(_value(words))
    words.take(")")
    return tuple(values)


def _value(words: Words) -> str | Function:
    if words.peek() in ("(", ")", ",", "and", "or"):
        raise BadQuery(f"expected a value, found {words.peek()}")
    value = words.take()
    if not words.took("("):
        return value
    argument = "" if words.peek() == ")" else words.take()
    words.take(")")
    return Function(value.lower(), argument)


def _order(words: Words) -> tuple[tuple[str, bool], ...]:
    if not words.took("order"):
        return ()
    words.take("by")
    keys = [_order_key(words)]
    while words.took(","):
        keys.append(_order_key(words))
    return tuple(keys)


def _order_key(words: Words) -> tuple[str, bool]:
    field = words.take().lower()
    descending = words.took("desc")
    if not descending:
        words.took("asc")
    return field, descending
