"""CQL over spaces: GET /rest/api/search?cql=type=space and space.title ~ "..."."""

from __future__ import annotations

from confluence_sync.model import Space
from confluence_sync.simulator.cql import resembles
from confluence_sync.simulator.cql_words import BadQuery, Both, Clause, Either, Tree, Unless


def only_spaces(tree: Tree) -> bool:
    """Whether the query asks for spaces: type = space, alone or with something else that must hold."""
    if isinstance(tree, Both):
        return any(only_spaces(part) for part in tree.parts)
    return isinstance(tree, Clause) and tree.field == "type" and tree.operator in ("=", "in") and tree.values == ("space",)


def select_spaces(tree: Tree, spaces: list[Space]) -> list[Space]:
    return sorted((s for s in spaces if holds(tree, s)), key=lambda s: s.key)


def holds(tree: Tree, space: Space) -> bool:
    match tree:
        case Unless(part):
            return not holds(part, space)
        case Both(parts):
            return all(holds(part, space) for part in parts)
        case Either(parts):
            return any(holds(part, space) for part in parts)
        case _:
            return _clause(tree, space)


def _clause(clause: Clause, space: Space) -> bool:
    said = _said(clause.field, space)
    values = [str(value) for value in clause.values]
    if clause.operator in ("~", "!~"):
        return resembles(said, values[0]) is (clause.operator == "~")
    if clause.operator not in ("=", "!=", "in", "not in"):
        raise BadQuery(f"the field '{clause.field}' does not support '{clause.operator}'")
    return (said.casefold() in {value.casefold() for value in values}) is (clause.operator in ("=", "in"))


def _said(field: str, space: Space) -> str:
    known = {
        "type": "space",
        "space.type": space.type,
        "space": space.key,
        "space.key": space.key,
        "title": space.name,
        "space.title": space.name,
    }
    if field not in known:
        raise BadQuery(f"the field '{field}' does not exist for spaces")
    return known[field]
