"""How the text of a setting becomes a value: one small kind for each shape, with the words that say what it accepts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")


class Secret:
    """A text that never prints: str() and repr() show ***; only reveal() gives it away."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return "***" if self._text else ""

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as data: .env.example, the README's table, --help and the reader all come from this.

    `aliases` are older names of the same thing, read in this order after `env`. `parse` raises ValueError for what is not `accepts`.
    """

    env: str
    help: str
    group: str
    default: str
    accepts: str
    parse: Callable[[str], object]
    aliases: tuple[str, ...] = ()
    secret: bool = False


def _declared(value: T, setting: Setting) -> T:
    return field(default=value, metadata={"setting": setting})


def text(env: str, group: str, help: str, default: str = "", aliases: tuple[str, ...] = ()) -> str:
    return _declared(default, Setting(env, help, group, default, "a text", str, aliases))


def secret(env: str, group: str, help: str, aliases: tuple[str, ...] = ()) -> Secret:
    return _declared(Secret(), Setting(env, help, group, "", "a text", Secret, aliases, secret=True))


def words(env: str, group: str, help: str, aliases: tuple[str, ...] = ()) -> tuple[str, ...]:
    def parse(raw: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in raw.split(",") if word.strip())

    return _declared((), Setting(env, help, group, "", "a list with commas", parse, aliases))


def whole(env: str, group: str, help: str, default: int, least: int, most: int, aliases: tuple[str, ...] = ()) -> int:
    """An integer in [least, most]; empty means the default."""

    def parse(raw: str) -> int:
        value = int(raw)
        if not least <= value <= most:
            raise ValueError(raw)
        return value

    return _declared(default, Setting(env, help, group, str(default), f"a whole number from {least} to {most}", parse, aliases))


def flag(env: str, group: str, help: str, default: bool = False) -> bool:
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}

    def parse(raw: str) -> bool:
        if raw.lower() not in known:
            raise ValueError(raw)
        return known[raw.lower()]

    return _declared(default, Setting(env, help, group, "1" if default else "0", "1 or 0 (also true, false, yes, no)", parse))


def choice(env: str, group: str, help: str, default: str, options: tuple[str, ...], aliases: tuple[str, ...] = ()) -> str:
    def parse(raw: str) -> str:
        if raw.lower() not in options:
            raise ValueError(raw)
        return raw.lower()

    return _declared(default, Setting(env, help, group, default, "one of " + ", ".join(options), parse, aliases))


def url(
    env: str, group: str, help: str, default: str = "", aliases: tuple[str, ...] = (), schemes: tuple[str, ...] = ("http", "https")
) -> str:
    """An absolute URL without a trailing slash. Credentials in it are refused where the scheme is http(s): they would reach logs."""

    def parse(raw: str) -> str:
        parts = urlsplit(raw)
        if parts.scheme not in schemes or not (parts.netloc or parts.path):
            raise ValueError(raw)
        if parts.scheme in ("http", "https") and (parts.username is not None or not parts.hostname):
            raise ValueError(raw)
        return raw.rstrip("/")

    accepts = " or ".join(f"{scheme}://..." for scheme in schemes)
    return _declared(default, Setting(env, help, group, default, accepts, parse, aliases))


def secret_url(env: str, group: str, help: str, schemes: tuple[str, ...]) -> Secret:
    """A URL that may carry a password (a database's): kept as a Secret."""

    def parse(raw: str) -> Secret:
        if urlsplit(raw).scheme not in schemes:
            raise ValueError(raw)
        return Secret(raw)

    return _declared(Secret(), Setting(env, help, group, "", " or ".join(f"{s}://..." for s in schemes), parse, secret=True))


def path(env: str, group: str, help: str, default: str) -> Path:
    return _declared(Path(default), Setting(env, help, group, default, "a path", Path))


def optional_path(env: str, group: str, help: str, aliases: tuple[str, ...] = ()) -> Path | None:
    return _declared(None, Setting(env, help, group, "", "a path", Path, aliases))
