"""Keys of the service: made at random, shown once, kept as hashes, each with the scopes it opens."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from confluence_sync.config import Settings
from confluence_sync.errors import SettingsError
from confluence_sync.service_file import ServiceFile

SCOPES = ("query", "sync", "vector")
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what they may: the name of a key, never the key."""

    name: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is listed."""

    name: str
    scopes: tuple[str, ...]
    created_at: str


ANYONE = Caller("", frozenset(SCOPES))


@dataclass
class KeyRing:
    """The keys of the settings (API_KEY, VECTOR_API_KEY) and those made with `confluence-sync keys`."""

    file: ServiceFile
    fixed: dict[str, Caller] = field(default_factory=dict)  # by hash

    def add(self, name: str, scopes: Iterable[str]) -> str:
        """A new key, which is not kept anywhere else. Raises SettingsError for a name that is taken or a scope that does not exist."""
        wanted = tuple(sorted(set(scopes)))
        wrong = [scope for scope in wanted if scope not in SCOPES]
        if wrong or not wanted or not _NAME.fullmatch(name):
            raise SettingsError(f"key {name!r} with scopes {wanted}: a name has letters, digits and ._@-; scopes are {', '.join(SCOPES)}")
        if name in {key.name for key in self.all()}:
            raise SettingsError(f"there is a key {name!r} already; remove it first, or choose another name")
        key = f"cs-{secrets.token_urlsafe(32)}"
        with self.file.writing() as connection:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            connection.execute("INSERT INTO keys VALUES (?, ?, ?, ?)", (name, hashed(key), ",".join(wanted), now))
        return key

    def remove(self, name: str) -> bool:
        """Whether there was such a key; it stops opening anything at once."""
        with self.file.writing() as connection:
            return connection.execute("DELETE FROM keys WHERE name = ?", (name,)).rowcount > 0

    def all(self) -> list[Key]:
        rows = self.file.mine().execute("SELECT name, scopes, created_at FROM keys ORDER BY name").fetchall()
        return [Key(name, tuple(scopes.split(",")), created) for name, scopes, created in rows]

    @property
    def empty(self) -> bool:
        """Whether everybody may do everything."""
        return not self.fixed and not self.all()

    def caller(self, key: str) -> Caller | None:
        """Whose key this is; None when it opens nothing. Hashes are compared, so the time taken tells nothing about a key."""
        given = hashed(key)
        for known, caller in self.fixed.items():
            if hmac.compare_digest(known, given):
                return caller
        row = self.file.mine().execute("SELECT name, scopes FROM keys WHERE hash = ?", (given,)).fetchone()
        return Caller(row[0], frozenset(row[1].split(","))) if row else None


def open_keys(settings: Settings, file: ServiceFile) -> KeyRing:
    """API_KEY asks and syncs, and writes to the Vector API where that has no key of its own; VECTOR_API_KEY writes there and asks."""
    fixed = {}
    if settings.api_key:
        scopes = {"query", "sync"} if settings.vector_api_key else set(SCOPES)
        fixed[hashed(settings.api_key.reveal())] = Caller("API_KEY", frozenset(scopes))
    if settings.vector_api_key:
        vector = hashed(settings.vector_api_key.reveal())
        same = fixed[vector].scopes if vector in fixed else frozenset[str]()
        fixed[vector] = Caller("VECTOR_API_KEY", frozenset({"vector", "query"}) | same)
    return KeyRing(file, fixed)


def hashed(key: str) -> str:
    """Keys are random and long, so one round of SHA-256 is enough; a person's choice in API_KEY is never written down."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
