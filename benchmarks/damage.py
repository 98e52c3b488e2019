"""Damages JSON and bytes a little, as a broken server, a proxy or an attacker would."""

from __future__ import annotations

import json
import random

Json = object
SOME = (
    None,
    True,
    False,
    0,
    -1,
    1,
    10**30,
    1.5,
    float("nan"),
    "",
    "x",
    "\0",
    "\ud800",
    "\x1b[31m",
    "../../etc/passwd",
    "9" * 5000,
    [],
    {},
    [[]],
    [None],
    {"": {}},
)


def damaged(value: Json, dice: random.Random) -> Json:
    """`value` with one thing in it replaced, removed, doubled or nested deeply."""
    if isinstance(value, dict) and value and dice.random() < 0.85:
        key = dice.choice(list(value))
        kept = dict(value)
        how = dice.random()
        if how < 0.15:
            del kept[key]
        elif how < 0.2:
            kept[dice.choice(["next", "results", "_links", "id", "cursor", "\ud800"])] = kept[key]
        else:
            kept[key] = damaged(value[key], dice)
        return kept
    if isinstance(value, list) and value and dice.random() < 0.85:
        at = dice.randrange(len(value))
        how = dice.random()
        if how < 0.1:
            return value[:at] + value[at + 1 :]
        if how < 0.2:
            return [*value, value[at]]
        return [*value[:at], damaged(value[at], dice), *value[at + 1 :]]
    return dice.choice(SOME)


def torn(body: bytes, dice: random.Random) -> bytes:
    """The bytes with a few of them changed, cut or repeated."""
    raw = bytearray(body or b"{}")
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(raw) + 1)
        how = dice.random()
        if how < 0.3:
            del raw[at : at + dice.randint(1, 30)]
        elif how < 0.6:
            raw[at:at] = bytes(dice.randrange(256) for _ in range(dice.randint(1, 6)))
        elif how < 0.65:
            raw[at:at] = b"[" * 100_000
        else:
            raw[at:at] = dice.choice([b'"', b"{", b"]", b"null", b"\\ud800", b"\xff", b"1e999", b"<html>"])
        raw = raw or bytearray(b"{}")
    return bytes(raw)


def damaged_bytes(body: bytes, dice: random.Random) -> bytes:
    if dice.random() < 0.3:
        return torn(body, dice)
    try:
        return json.dumps(damaged(json.loads(body), dice)).encode()
    except ValueError:
        return torn(body, dice)


def odd_headers(dice: random.Random) -> dict[str, str]:
    if dice.random() < 0.9:
        return {}
    return {
        dice.choice(["retry-after", "x-ratelimit-nearlimit", "location", "x-ratelimit-remaining"]): dice.choice(
            ["true", "0", "-1", "nan", "1e400", "Thu, 01 Jan 1970", "x" * 300, "\x1b"]
        )
    }
