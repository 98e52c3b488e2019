"""Takes a request's JSON apart with the types it must have; anything else is a 422 that names the field, the value and what is accepted."""

from __future__ import annotations

import math
from collections.abc import Mapping

from confluence_sync.jsonvalue import JsonObject
from confluence_sync.model import Scalar
from confluence_sync.service.problems import Problem, invalid

LONGEST_SHOWN = 80
SINGLE = ("page_id", "space_key")  # the stores file chunks under these, so they cannot be lists


def shown(value: object) -> str:
    """A value as an error shows it: short, whatever was sent."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}… ({len(text)} characters)"


def text_field(body: JsonObject, name: str, default: str | None = None, most: int = 100_000) -> str:
    """The string under `name`; `default` when it is missing or null, and without a default it must be there and not empty."""
    value = body.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise invalid(f"{name} must be a text that is not empty, but is {shown(value)}", field=name)
    if len(value) > most:
        raise Problem(413, f"{name} has {len(value)} characters; at most {most} are accepted", details={"field": name, "limit": most})
    return value


def whole_field(body: Mapping[str, object], name: str, default: int, least: int, most: int) -> int:
    """The whole number under `name`, within [least, most]; digits in a text count, as query strings have nothing else."""
    value = body.get(name, default)
    if value is None:
        return default
    try:
        number = int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or not least <= number <= most:
        raise invalid(f"{name} must be a whole number from {least} to {most}, but is {shown(value)}", field=name)
    return number


def flag_field(body: JsonObject, name: str, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise invalid(f"{name} must be true or false, but is {shown(value)}", field=name)
    return value


def texts_field(body: JsonObject, name: str) -> tuple[str, ...]:
    """The list of strings under `name`; one string counts as a list of one, a missing one as none."""
    value = body.get(name)
    items = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(items, list) or not all(isinstance(item, str) and item for item in items):
        raise invalid(f"{name} must be a list of texts, but is {shown(value)}", field=name)
    return tuple(items)


def object_field(body: JsonObject, name: str) -> JsonObject:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(f"{name} must be an object, but is {shown(value)}", field=name)
    return value


def scalars(value: object, where: str) -> dict[str, Scalar | list[Scalar]]:
    """Metadata: an object of scalars and lists of scalars; null values are left out."""
    if not isinstance(value, dict):
        raise invalid(f"{where} must be an object, but is {shown(value)}", field=where)
    wrong = [key for key, held in value.items() if not _plain(held)]
    if wrong:
        raise invalid(f"{where}.{wrong[0]} must be a text, a number, true, false or a list of those", field=f"{where}.{wrong[0]}")
    listed = [key for key in SINGLE if isinstance(value.get(key), list)]
    if listed:
        raise invalid(f"{where}.{listed[0]} must be one value, not a list", field=f"{where}.{listed[0]}")
    return {key: held for key, held in value.items() if held is not None}


def vector(value: object, where: str) -> tuple[float, ...]:
    """A list of finite numbers."""
    if not isinstance(value, list) or not value or not all(map(_finite, value)):
        raise invalid(f"{where} must be a list of numbers, but is {shown(value)}", field=where)
    return tuple(map(float, value))


def is_scalar(value: object) -> bool:
    return isinstance(value, (str, int, float, bool))


def _plain(value: object) -> bool:
    return value is None or is_scalar(value) or (isinstance(value, list) and all(map(is_scalar, value)))


def _finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
