"""Spaces by name, key, prefix or *: the one that is meant is found, and between two nobody guesses."""

from __future__ import annotations

import pytest

from confluence_sync.errors import SettingsError
from confluence_sync.model import Space
from confluence_sync.simulator.server import Simulator
from confluence_sync.source.connect import open_source
from confluence_sync.source.folder import folder_id
from confluence_sync.source.spaces import choose_spaces
from tests.conftest import HASTY, SettingsFor
from tests.simulator_client import family

KNOWN = Space("1", "KI", "Known Issues")
OPS = Space("2", "OPS", "Ops handbook")
OLD = Space("3", "OPSOLD", "Ops archive", archived=True)
TEAM_A, TEAM_B = Space("4", "TA", "Team"), Space("5", "TB", "Team")
MINE = Space("6", "~712020abc", "Ada Lovelace", "personal")
CAFE = Space("7", "CAF", "Cafe\u0301 – Stra\u00dfe")
COMMA = Space("8", "RD", "Research, development")
KEYLIKE = Space("9", "XX", "KI")
EVERY = [KNOWN, OPS, OLD, TEAM_A, TEAM_B, MINE, CAFE, COMMA]


def keys(*wanted: str, prefix: str = "", visible: list[Space] = EVERY) -> list[str]:
    """The keys that these words choose, which they must do without a problem."""
    chosen, problems = choose_spaces(wanted, prefix, visible)
    assert problems == []
    return [one.space.key for one in chosen]


def problem(*wanted: str, prefix: str = "", visible: list[Space] = EVERY) -> str:
    """The one line that is said about these words, which choose nothing."""
    chosen, problems = choose_spaces(wanted, prefix, visible)
    assert chosen == []
    [line] = problems
    return line


@pytest.mark.parametrize(
    ("wish", "key"),
    [
        ("Known Issues", "KI"),
        ("known  issues ", "KI"),
        ("KNOWN ISSUES", "KI"),
        ("KI", "KI"),
        ("ki", "KI"),
        ("~712020abc", "~712020abc"),
        ("ada lovelace", "~712020abc"),
        ("Caf\u00e9 – STRASSE", "CAF"),
        ("Ops archive", "OPSOLD"),
    ],
)
def test_a_space_is_found_by_name_or_key(wish: str, key: str) -> None:
    """Exact, then folded by case, blanks and Unicode; personal and archived spaces by their own names."""
    assert keys(wish) == [key]


def test_a_key_goes_before_a_name() -> None:
    """A word that is one space's key and another's name means the key."""
    assert keys("KI", visible=[KEYLIKE, KNOWN]) == ["KI"]


def test_an_exact_name_goes_before_a_folded_one() -> None:
    """Two names that differ in case only are told apart."""
    assert keys("team", visible=[TEAM_A, Space("10", "TC", "team")]) == ["TC"]


def test_a_living_space_goes_before_an_archived_one() -> None:
    """An archived space of the same name does not make a name ambiguous."""
    assert keys("Team", visible=[TEAM_A, Space("10", "TC", "Team", archived=True)]) == ["TA"]


def test_several_of_one_name_are_listed() -> None:
    """Two spaces of one name: their keys are named, and none is taken."""
    assert problem("Team") == "SPACE_NAME: 2 spaces are called 'Team'; set SPACE_NAME to one of their keys: TA, TB"


def test_a_name_that_is_none_shows_the_nearest() -> None:
    """A slip of the pen is answered with what it was near to, by name or key."""
    assert problem("Know Issue") == "SPACE_NAME: no visible space is called 'Know Issue'. Nearest: Known Issues (KI)"


def test_a_name_near_to_nothing_shows_what_is_visible() -> None:
    """A name unlike all others is answered with the list."""
    assert "Visible: Known Issues (KI), Ops handbook (OPS)" in problem("zzzzzzzz")


def test_a_long_list_is_cut() -> None:
    """Of hundreds of spaces twenty are shown, and how many more there are."""
    many = [Space(str(n), f"K{n}", f"Space number {n}") for n in range(300)]
    assert problem("zzzzzzzz", visible=many).endswith("Space number 19 (K19) and 280 more")


def test_several_are_chosen_in_order() -> None:
    """Names and keys may be mixed; one that comes twice is taken once."""
    assert keys("Ops handbook", "KI", "OPS") == ["OPS", "KI"]


def test_one_wrong_name_does_not_keep_the_others_out() -> None:
    """The good ones are chosen, and one line is said of each of the others."""
    chosen, problems = choose_spaces(["KI", "Team", "zzzzzzzz"], "", EVERY)
    assert [one.space.key for one in chosen] == ["KI"]
    assert len(problems) == 2


def test_a_name_with_a_comma() -> None:
    """A space whose name holds a comma is found by that name, though commas separate."""
    assert keys("Research", "development") == ["RD"]


def test_a_star_is_every_living_space() -> None:
    """* takes all visible spaces but archived ones."""
    assert keys("*") == ["KI", "OPS", "TA", "TB", "~712020abc", "CAF", "RD"]


def test_a_prefix_is_of_keys() -> None:
    """SPACE_KEY_FILTER takes the living spaces whose key begins so, also beside names."""
    assert keys(prefix="T") == ["TA", "TB"]
    assert keys("KI", prefix="OPS") == ["KI", "OPS"]
    assert problem(prefix="ZZ").startswith("SPACE_KEY_FILTER: no visible space key begins with 'ZZ'. Visible: ")


def test_what_was_meant_is_remembered() -> None:
    """A space chosen by its name keeps that name, one chosen by * or prefix its key, so that a later change of meaning is seen."""
    chosen, _ = choose_spaces(["Known Issues", "*"], "", [KNOWN, OPS])
    assert {one.space.key: one.wish for one in chosen} == {"KI": "KI", "OPS": "OPS"}
    assert choose_spaces(["Known Issues"], "K", [KNOWN])[0][0].wish == "Known Issues"


def test_nothing_asked_for_shows_what_there_is() -> None:
    """Without a name: exit 2 with the visible spaces."""
    with pytest.raises(SettingsError, match=r"SPACE_NAME: not set; it must name a space, or \* for all. Visible: Known Issues \(KI\)"):
        choose_spaces([], "", EVERY)


def test_nothing_visible_is_said() -> None:
    """No visible space at all is a matter of permission, not of names."""
    with pytest.raises(SettingsError, match="this account sees no space at all; give it permission"):
        choose_spaces(["KI"], "", [])


@pytest.mark.parametrize("shape", ["gateway", "site", "dc"])
def test_every_shape_shows_all_spaces(settings_for: SettingsFor, shape: str) -> None:
    """Names with quotes, personal and archived spaces come through every route, with their ids."""
    with Simulator(family(1)) as simulator:
        simulator.make_space("~712020abc", 'Ada "the" Countess')
        simulator.make_space("OLD", "Old things")
        simulator.archive_space("OLD")
        source = open_source(settings_for(simulator, shape), HASTY)
        spaces = {space.key: space for space in source.spaces()}
        source.close()
    assert set(spaces) == {"OPS", "~712020abc", "OLD"}
    assert spaces["~712020abc"].name == 'Ada "the" Countess'
    assert (spaces["OLD"].archived, spaces["OPS"].archived) == (True, False)
    assert all(space.id.isdecimal() for space in spaces.values())


def test_a_name_of_any_kind_is_read(settings_for: SettingsFor) -> None:
    """Half a character and NUL in a space's name become U+FFFD, as any state or terminal takes them."""
    with Simulator(family(1)) as simulator:
        simulator.rename_space("OPS", "Ops \ud83d \0")
        for shape in ("gateway", "dc"):
            source = open_source(settings_for(simulator, shape), HASTY)
            assert [space.name for space in source.spaces()] == ["Ops \ufffd \ufffd"]
            source.close()


def test_hundreds_of_spaces_are_seen(settings_for: SettingsFor) -> None:
    """A site with more spaces than one answer holds shows them all."""
    with Simulator(family(1)) as simulator:
        for number in range(600):
            simulator.make_space(f"S{number}")
        for shape in ("gateway", "dc"):
            source = open_source(settings_for(simulator, shape), HASTY)
            assert len(list(source.spaces())) == 601
            source.close()


@pytest.mark.parametrize(
    ("pasted", "found"),
    [
        ("", ""),
        ("12345", "12345"),
        (" 12345 ", "12345"),
        ("https://x.atlassian.net/wiki/spaces/OPS/pages/12345/A+title", "12345"),
        ("https://x.atlassian.net/wiki/spaces/OPS/pages/12345", "12345"),
        ("https://x.atlassian.net/wiki/spaces/OPS/folder/12345?atlOrigin=abc", "12345"),
        ("https://x.atlassian.net/wiki/spaces/OPS/pages/edit-v2/12345", "12345"),
        ("https://wiki.example.com/pages/viewpage.action?pageId=12345", "12345"),
        ("https://wiki.example.com/pages/viewpage.action?spaceKey=X&pageId=12345#top", "12345"),
    ],
)
def test_a_folder_is_what_was_pasted(pasted: str, found: str) -> None:
    """The number itself, or any link that carries it."""
    assert folder_id(pasted) == found


@pytest.mark.parametrize("pasted", ["https://x.atlassian.net/wiki/x/AbCd", "Runbooks", "https://x.atlassian.net/wiki/spaces/OPS/overview"])
def test_a_link_without_a_number_is_refused(pasted: str) -> None:
    """A short link or a title hides the number: exit 2 with what to paste instead."""
    with pytest.raises(SettingsError, match=r"FILTER_FOLDER_ID: .* has no page or folder id in it") as caught:
        folder_id(pasted)
    assert pasted in str(caught.value)
