"""Finds the spaces that a user means by name, key, prefix or *, and never guesses between two."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from confluence_sync.errors import SettingsError
from confluence_sync.model import Space


@dataclass(frozen=True, slots=True)
class Chosen:
    """A space, and the words of the settings that meant it (its key where they meant many)."""

    space: Space
    wish: str


def choose_spaces(wanted: Sequence[str], prefix: str, visible: Sequence[Space]) -> tuple[list[Chosen], list[str]]:
    """The chosen spaces in the order asked for, and one line for each wish that names none or several.

    Raises SettingsError when nothing is visible at all, or nothing was asked for (with the list to choose from).
    """
    if not visible:
        raise SettingsError(
            "SPACE_NAME: this account sees no space at all; give it permission to view the space, or check the token's scopes"
        )
    if not wanted and not prefix:
        raise SettingsError(f"SPACE_NAME: not set; it must name a space, or * for all. Visible: {_names(visible)}")
    chosen: dict[str, Chosen] = {}
    problems: list[str] = []
    joined = ", ".join(wanted)
    whole_name = _named(joined, visible) if len(wanted) > 1 else []
    for wish in [joined] if whole_name else wanted:
        found, problem = _find(wish, visible)
        chosen |= {space.id: Chosen(space, space.key if wish == "*" else wish) for space in found}
        problems += [problem] if problem else []
    if prefix:
        found = [space for space in visible if space.key.startswith(prefix) and not space.archived]
        chosen |= {space.id: Chosen(space, space.key) for space in found if space.id not in chosen}
        problems += [] if found else [f"SPACE_KEY_FILTER: no visible space key begins with {prefix!r}. Visible: {_names(visible)}"]
    return list(chosen.values()), problems


def _find(wish: str, visible: Sequence[Space]) -> tuple[list[Space], str]:
    if wish == "*":
        return [space for space in visible if not space.archived], ""
    found = _named(wish, visible)
    if len(found) == 1:
        return found, ""
    if found:
        keys = ", ".join(sorted(space.key for space in found))
        return [], f"SPACE_NAME: {len(found)} spaces are called {wish!r}; set SPACE_NAME to one of their keys: {keys}"
    return [], f"SPACE_NAME: no visible space is called {wish!r}. {_near(wish, visible)}"


def _named(wish: str, visible: Sequence[Space]) -> list[Space]:
    """By exact key, exact name, then folded name, then folded key; living spaces go before archived ones."""
    tests = (
        lambda s: s.key == wish,
        lambda s: s.name == wish,
        lambda s: _folded(s.name) == _folded(wish),
        lambda s: _folded(s.key) == _folded(wish),
    )
    for test in tests:
        found = [space for space in visible if test(space)]
        living = [space for space in found if not space.archived]
        if found:
            return living or found
    return []


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def _near(wish: str, visible: Sequence[Space]) -> str:
    by_name = {_folded(space.name): space for space in visible} | {_folded(space.key): space for space in visible}
    near = list(dict.fromkeys(by_name[match] for match in difflib.get_close_matches(_folded(wish), by_name, n=3, cutoff=0.5)))
    return f"Nearest: {_names(near)}" if near else f"Visible: {_names(visible)}"


def _names(spaces: Sequence[Space]) -> str:
    shown = ", ".join(f"{space.name} ({space.key})" for space in spaces[:20])
    return shown if len(spaces) <= 20 else f"{shown} and {len(spaces) - 20} more"
