"""Takes foreign JSON apart with the types it must have; anything else is a BadAnswer that names the field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from confluence_sync.errors import BadAnswer
from confluence_sync.model import plain_text, utf8

JsonObject: TypeAlias = Mapping[str, object]


def as_object(value: object, where: str) -> JsonObject:
    if not isinstance(value, dict):
        raise BadAnswer(f"{where} must be a JSON object, but is {_kind(value)}")
    return value


def as_list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise BadAnswer(f"{where} must be a JSON list, but is {_kind(value)}")
    return value


def objects(parent: JsonObject, key: str, where: str) -> list[JsonObject]:
    """The list of objects under `key`, which must be there."""
    return [as_object(item, f"{where}.{key}[{i}]") for i, item in enumerate(as_list(parent.get(key), f"{where}.{key}"))]


def taken(parent: JsonObject, key: str, where: str) -> Iterator[JsonObject]:
    """The objects under `key`, each let go once the next is asked for: what is made of them takes their place in memory."""
    items = as_list(parent.get(key), f"{where}.{key}")
    for i, item in enumerate(items):
        items[i] = None
        yield as_object(item, f"{where}.{key}[{i}]")


def child(parent: JsonObject, key: str, where: str) -> JsonObject:
    """The object under `key`; an empty one when the key is missing or null."""
    value = parent.get(key)
    return {} if value is None else as_object(value, f"{where}.{key}")


def text(parent: JsonObject, key: str, where: str, default: str | None = None) -> str:
    """The string under `key`, as every database takes it; a number is taken as its digits (Confluence sends ids both ways)."""
    value = parent.get(key, default)
    if value is None and default is not None:
        return default
    return plain_text(_text(value, f"{where}.{key}"))


def body(parent: JsonObject, where: str) -> bytes | None:
    """The text under `value` in UTF-8, as every database takes it; None where there is none. It may have megabytes."""
    value = parent.get("value")
    return None if value is None else utf8(_text(value, f"{where}.value"))


def _text(value: object, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise BadAnswer(f"{where} must be a text, but is {_kind(value)}")
    return str(value)


def whole(parent: JsonObject, key: str, where: str) -> int:
    value = parent.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadAnswer(f"{where}.{key} must be a whole number, but is {_kind(value)}")
    if not -(2**63) <= value < 2**63:
        raise BadAnswer(f"{where}.{key} must be a whole number of 64 bits, but has {value.bit_length()}")
    return value


def _kind(value: object) -> str:
    return "missing" if value is None else type(value).__name__
