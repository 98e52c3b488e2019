"""One call of a route: the request with its query read, the wiki it is about and the address that its links start with."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from confluence_sync.simulator.messages import Answer, Request
from confluence_sync.simulator.wiki import Wiki

Clock = Callable[[], datetime]


def real_time() -> datetime:
    return datetime.now(UTC)


class Place(StrEnum):
    """Which of the three shapes a request came to."""

    GATEWAY = "gateway"
    SITE = "site"
    DATA_CENTER = "data center"


@dataclass(frozen=True, slots=True)
class Call:
    """What a route is given. `base` is the reader's address (with /wiki on Cloud); `params` come from the path."""

    wiki: Wiki
    request: Request
    place: Place
    base: str
    params: tuple[str, ...]
    query: dict[str, list[str]]
    cloud_id: str
    user: str
    anonymous: bool = False
    clock: Clock = real_time
    time_zone: str = "UTC"

    @property
    def context(self) -> str:
        """The path part of `base`, as v1 answers give it in _links.context."""
        return "/" + self.base.partition("://")[2].partition("/")[2]

    def one(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[0]

    def many(self, name: str) -> list[str]:
        """Every value of a parameter that may be repeated or given as a comma list."""
        return [part for value in self.query.get(name, []) for part in value.split(",") if part]


@dataclass(frozen=True, slots=True)
class Route:
    """A path template such as /pages/{id}, and what answers it; any one of `scopes` opens it."""

    method: str
    template: str
    answer: Callable[[Call], Answer]
    scopes: tuple[str, ...] = ()

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{\w+\}", "([^/]+)", self.template))


def seal(*parts: object) -> str:
    """An opaque cursor."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def unseal(cursor: str) -> list[object]:
    """The parts that `seal` put in; an empty list for what it did not make."""
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, binascii.Error, UnicodeEncodeError):
        return []
    return parts if isinstance(parts, list) else []
