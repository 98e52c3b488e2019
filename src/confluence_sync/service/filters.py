"""The Vector API's filter: an equality map with a few operators, over metadata of scalars and lists of scalars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confluence_sync.jsonvalue import JsonObject
from confluence_sync.model import Filter, Scalar
from confluence_sync.service.fields import is_scalar, shown
from confluence_sync.service.problems import invalid

OPERATORS = ("$in", "$ne", "$gte", "$lte")


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison: `operator` is one of OPERATORS; only $in may have other than one value."""

    field: str
    operator: str
    values: tuple[Scalar, ...]

    def holds(self, metadata: Mapping[str, object]) -> bool:
        """A list in the metadata matches when one of its items does ($ne: when none is equal); a missing field only ever matches $ne."""
        held = _listed(metadata.get(self.field))
        if self.operator == "$in":
            return any(_same(item, value) for item in held for value in self.values)
        if self.operator == "$ne":
            return not any(_same(item, self.values[0]) for item in held)
        return any(_ordered(item, self.operator, self.values[0]) for item in held)


Conditions = tuple[Condition, ...]


def conditions(filter: JsonObject) -> Conditions:
    """The conditions of a filter, all of which must hold; a Problem (422) for an operator or a value that is not known."""
    return tuple(condition for field, wanted in filter.items() for condition in _of(field, wanted))


def holds(wanted: Conditions, metadata: Mapping[str, object]) -> bool:
    return all(condition.holds(metadata) for condition in wanted)


def narrowed(wanted: Conditions) -> Filter:
    """What a store of ours can tell by itself: never less than the conditions let through, usually not much more."""
    spaces = _any_of(wanted, "space_key")
    pages = _any_of(wanted, "page_id")
    return Filter(space_keys=spaces, page_ids=pages)


def _any_of(wanted: Conditions, field: str) -> tuple[str, ...]:
    """The texts that `field` must equal one of; empty when the conditions do not say so (a number is left to holds())."""
    for c in wanted:
        texts = tuple(value for value in c.values if isinstance(value, str))
        if c.field == field and c.operator == "$in" and texts and len(texts) == len(c.values):
            return texts
    return ()


def _of(field: str, wanted: object) -> Iterable[Condition]:
    if not isinstance(wanted, dict):
        yield Condition(field, "$in", _values(field, wanted if isinstance(wanted, list) else [wanted]))
        return
    for operator, value in wanted.items():
        if operator not in OPERATORS:
            raise invalid(f"filter.{field}: {shown(operator)} is no operator; known are {', '.join(OPERATORS)}", field=field)
        if operator == "$in" and not isinstance(value, list):
            raise invalid(f"filter.{field}.$in must be a list, but is {shown(value)}", field=field)
        yield Condition(field, operator, _values(field, value if operator == "$in" else [value]))


def _values(field: str, values: list[object]) -> tuple[Scalar, ...]:
    wrong = [value for value in values if not is_scalar(value)]
    if wrong:
        raise invalid(f"filter.{field}: {shown(wrong[0])} must be a text, a number, true or false", field=field)
    return tuple(value for value in values if isinstance(value, (str, int, float, bool)))


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _same(one: object, other: object) -> bool:
    """Equal as JSON: true is not 1, and "1" is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def _ordered(held: object, operator: str, value: Scalar) -> bool:
    if isinstance(held, str) and isinstance(value, str):
        return held >= value if operator == "$gte" else held <= value
    if isinstance(held, (int, float)) and isinstance(value, (int, float)):
        return held >= value if operator == "$gte" else held <= value
    return False
