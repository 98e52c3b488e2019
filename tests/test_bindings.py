"""What a collection was filled with is remembered: another space under one name, or another scope, stops before anything is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from confluence_sync.errors import Refused, SettingsError
from confluence_sync.plan import Wanted
from tests.torture.bench import Bench, bench
from tests.torture.world import OTHER, SPACE

REBUILD = Wanted(rebuild=True)


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "state", filled=False) as made:
        assert made.sync(SPACE_NAME="Space KB").exit == 0
        yield made


def swap_names(made: Bench) -> None:
    made.simulator.rename_space(SPACE, "Old Space")
    made.simulator.rename_space(OTHER, "Space KB")


def test_a_name_that_means_another_space_is_refused(filled: Bench) -> None:
    """Exit 4 names the space that filled the collection and the one that has the name now; nothing is changed."""
    swap_names(filled)
    before = filled.contents()
    with pytest.raises(Refused, match=r"KB \(Space KB\).*OPS \(Space KB\)") as refused:
        filled.sync(SPACE_NAME="Space KB")
    assert refused.value.exit_code == 4
    assert filled.contents() == before


def test_rebuild_takes_the_other_space_once_asked(filled: Bench) -> None:
    """--rebuild with a ceiling that allows it replaces the first space by the second, and the next plain run goes on with that."""
    swap_names(filled)
    with pytest.raises(Refused, match="--max-deletes 14"):
        filled.sync(REBUILD, SPACE_NAME="Space KB")
    assert filled.sync(REBUILD, SPACE_NAME="Space KB", MAX_DELETES="14").exit == 0
    assert filled.trouble(SPACE_NAME="Space KB") == ""
    assert filled.sync(SPACE_NAME="Space KB").exit == 0


@pytest.mark.parametrize("scope", [{"FILTER_FOLDER_ID": "1001"}, {"LABELS": "red"}])
def test_a_changed_scope_is_refused(filled: Bench, scope: dict[str, str]) -> None:
    """A folder or label added to the settings does not delete the rest of the space; it stops with exit 4 and both named."""
    before = filled.contents()
    with pytest.raises(Refused, match="the whole space") as refused:
        filled.sync(SPACE_NAME="Space KB", **scope)
    assert refused.value.exit_code == 4
    assert filled.contents() == before


def test_a_changed_scope_with_rebuild_keeps_to_the_ceiling(filled: Bench) -> None:
    """--rebuild takes the new scope; what leaves it needs its proof and the ceiling all the same."""
    scope = {"SPACE_NAME": "Space KB", "FILTER_FOLDER_ID": "1001"}
    assert filled.sync(REBUILD, **scope).pages.deleted == 7
    assert filled.trouble(**scope) == ""
    assert filled.sync(**scope).exit == 0


def test_a_renamed_space_is_the_same_space(filled: Bench) -> None:
    """The space is pinned by id: found by its key under a new name, its pages get the new name, and none is deleted."""
    filled.simulator.rename_space(SPACE, "Space with a new name")
    report = filled.sync(SPACE_NAME=SPACE)
    assert (report.exit, report.pages.changed, report.pages.deleted) == (0, 14, 0)
    assert filled.trouble(SPACE_NAME=SPACE) == ""
    assert filled.sync(SPACE_NAME=SPACE).chunks.written == 0


def test_a_space_that_vanished_is_held(filled: Bench) -> None:
    """With * a space that is no longer visible stays in the store and is reported with exit 4."""
    everything = {"SPACE_NAME": "*"}
    filled.sync(**everything)
    filled.simulator.close_space(OTHER)
    report = filled.sync(**everything)
    assert report.exit == 4
    assert (report.held[0].space, report.held[0].count) == (OTHER, 2)
    assert {"1031", "1032"} <= filled.pages()


def test_a_named_space_that_vanished_stops(filled: Bench) -> None:
    """Exit 2 with the spaces that are visible, and the store as it was."""
    filled.simulator.close_space(SPACE)
    before = filled.contents()
    with pytest.raises(SettingsError, match="no visible space"):
        filled.sync(SPACE_NAME="Space KB")
    assert filled.contents() == before


def test_one_space_that_fails_does_not_keep_the_others_out(filled: Bench) -> None:
    """Two spaces, one of which is unknown: the other goes in, and the exit code is 3."""
    filled.simulator.edit("1001", "<p>new</p>")
    report = filled.sync(SPACE_NAME="Space KB,Nowhere")
    assert (report.exit, report.pages.changed) == (3, 1)
    assert "Nowhere" in report.spaces[0].error


def test_a_site_that_moves_to_another_address(filled: Bench) -> None:
    """Links for readers follow the site's address, which its answers show; no page is deleted for that."""
    filled.simulator.options = replace(filled.simulator.options, site="https://renamed.example.com")
    report = filled.sync(SPACE_NAME="Space KB")
    assert (report.exit, report.pages.deleted) == (0, 0)
    assert filled.trouble(SPACE_NAME="Space KB") == ""
    assert all(str(m["url"]).startswith("https://renamed.example.com/wiki/") for _, m in filled.contents().values())
