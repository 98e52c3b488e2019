"""JSON as it is stored and sent: through orjson, and through the standard library what orjson is too strict for."""

from __future__ import annotations

import json

import orjson


def loads(raw: bytes | bytearray | str) -> object:
    """The value of a JSON text. Half a surrogate pair, NaN and UTF-16, which real servers send, are taken, too.

    Raises ValueError for what is no JSON, RecursionError for what is nested too deep.
    """
    try:
        value: object = orjson.loads(raw)
    except orjson.JSONDecodeError:
        value = json.loads(raw)
    return value


def dumps(value: object) -> bytes:
    """A value as JSON in UTF-8, without spaces; half a surrogate pair, which UTF-8 cannot hold, as an escape."""
    try:
        return orjson.dumps(value)
    except TypeError:  # orjson's word for a lone surrogate and for a number of more than 64 bits; what is no JSON at all fails again
        return json.dumps(value, separators=(",", ":")).encode()
