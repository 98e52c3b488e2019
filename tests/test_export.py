"""Export to a folder against the simulator: names that last, bytes that only change with the page, deletions with proof."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from confluence_sync.config import Settings
from confluence_sync.errors import SettingsError
from confluence_sync.export import export
from confluence_sync.export_folder import FolderStore, file_name, file_text
from confluence_sync.model import Page, PageRef
from confluence_sync.plan import Wanted
from confluence_sync.report import Report
from confluence_sync.run import Means
from confluence_sync.simulator.server import Simulator
from tests.conftest import HASTY, SettingsFor

Export = Callable[..., Report]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "export"


@pytest.fixture
def settings(simulator: Simulator, settings_for: SettingsFor) -> Settings:
    return settings_for(simulator)


@pytest.fixture
def exported(settings: Settings, folder: Path) -> Export:
    """Runs an export; `wanted` as keywords."""

    def run(**wanted: object) -> Report:
        return export(settings, folder, Wanted(**wanted), Means(patience=HASTY))  # type: ignore[arg-type]  # a test's own

    return run


def files(folder: Path) -> dict[str, tuple[bytes, float]]:
    """Every exported file with its bytes and modification time."""
    found = [file for file in folder.rglob("*") if file.is_file() and ".confluence-sync" not in file.parts]
    return {str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mtime) for file in found}


def front(file: Path) -> tuple[dict[str, object], str]:
    """The front matter and what follows it."""
    _, head, body = file.read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(head), body


def a_page(simulator: Simulator, folder: Path, n: int = 2) -> tuple[str, Path]:
    """The id and file of one exported page."""
    name = sorted(files(folder))[n]
    return Path(name).stem, folder / name


def test_a_space_becomes_files(exported: Export, simulator: Simulator, folder: Path) -> None:
    """One file a page, by space and id, with front matter, title and text, dated as the page is."""
    report = exported()
    assert (report.exit, report.pages.new, len(files(folder))) == (0, 7, 7)
    page_id, file = a_page(simulator, folder)
    head, body = front(file)
    assert list(head) == ["id", "title", "url", "version", "labels", "space", "last_modified"]
    assert (head["id"], head["space"], file.parent.name) == (page_id, "OPS", "OPS")
    assert str(head["url"]).endswith(page_id) or page_id in str(head["url"])
    assert body.lstrip().startswith(f"# {head['title']}\n")
    assert file.stat().st_mtime == int(datetime.fromisoformat(str(head["last_modified"])).timestamp())


def test_nothing_changed_nothing_written(exported: Export, folder: Path) -> None:
    """A second run leaves every byte and every date alone, and fetches no body."""
    first = exported()
    before = files(folder)
    second = exported()
    assert files(folder) == before
    assert (second.pages.unchanged, second.pages.new, second.pages.changed) == (7, 0, 0)
    assert second.requests["confluence"] < first.requests["confluence"]


def test_edits_renames_additions_and_deletions_are_followed(exported: Export, simulator: Simulator, folder: Path) -> None:
    """A rename keeps the file's name; a deleted page's file goes; everything else stays untouched."""
    exported()
    before = files(folder)
    names = sorted(before)
    edited, renamed, deleted = (Path(name).stem for name in names[1:4])
    simulator.edit(edited, "<p>Entirely new text</p>")
    simulator.rename(renamed, "Another title")
    simulator.trash(deleted)
    added = simulator.add_page("Fresh", "<p>Fresh page</p>", "OPS")
    report = exported()
    after = files(folder)
    assert (report.exit, report.pages.new, report.pages.changed, report.pages.deleted) == (0, 1, 2, 1)
    assert "Entirely new text" in after[f"OPS/{edited}.md"][0].decode()
    assert front(folder / f"OPS/{renamed}.md")[0]["title"] == "Another title"
    assert f"OPS/{deleted}.md" not in after
    assert f"OPS/{added}.md" in after
    same = set(names) - {f"OPS/{one}.md" for one in (edited, renamed, deleted)}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}


def test_many_deletions_are_held(exported: Export, simulator: Simulator, folder: Path) -> None:
    """More than the ceiling allows: nothing is deleted, exit 4, and the files stay."""
    exported()
    for name in sorted(files(folder))[:5]:
        simulator.trash(Path(name).stem)
    report = exported()
    assert (report.exit, len(files(folder))) == (4, 7)
    assert report.held


def test_a_limited_run_deletes_nothing(exported: Export, simulator: Simulator, folder: Path) -> None:
    """With a limit the listing is partial, and proves nothing about what is gone."""
    exported()
    simulator.trash(a_page(simulator, folder)[0])
    assert exported(limit=3).pages.deleted == 0
    assert len(files(folder)) == 7


def test_a_file_that_was_removed_comes_back(exported: Export, simulator: Simulator, folder: Path) -> None:
    """What somebody deleted by hand is written again."""
    exported()
    before = files(folder)
    a_page(simulator, folder)[1].unlink()
    exported()
    assert files(folder) == before


def test_a_run_that_was_cut_goes_on(exported: Export, simulator: Simulator, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dying while files are written leaves whole files only, and the next run completes them."""
    real, calls = FolderStore.put, [0]

    def dying(self: FolderStore, name: str, text: str, modified: str) -> bool:
        calls[0] += 1
        if calls[0] == 4:
            raise KeyboardInterrupt
        return real(self, name, text, modified)

    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "put", dying)
        with pytest.raises(KeyboardInterrupt):
            exported()
    assert len(files(folder)) == 3
    assert exported().exit == 0
    assert len(files(folder)) == 7


def test_the_folder_may_come_from_the_settings(simulator: Simulator, settings_for: SettingsFor, tmp_path: Path) -> None:
    """EXPORT_BASE_DIR names it, CONFLUENCE_URL and a personal token reach a Data Center, and SPACE_KEY_FILTER chooses by prefix."""
    settings = settings_for(simulator, "dc", EXPORT_BASE_DIR=str(tmp_path / "data"), SPACE_NAME="", SPACE_KEY_FILTER="OP")
    assert export(settings, None, Wanted(), Means(patience=HASTY)).pages.new == 7
    assert (tmp_path / "data" / "OPS").is_dir()


def test_no_folder_is_a_clear_error(settings: Settings) -> None:
    """Without a folder the setting is named."""
    with pytest.raises(SettingsError, match="EXPORT_BASE_DIR"):
        export(settings, None, Wanted(), Means())


def test_a_folder_that_cannot_be_written(settings: Settings, tmp_path: Path) -> None:
    """A file in the folder's place is told with its path."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsError, match="file"):
        export(settings, tmp_path / "file", Wanted(), Means(patience=HASTY))


def test_titles_of_every_kind() -> None:
    """Quotes, colons, line feeds, NUL and half characters in a title leave front matter that can be read back."""
    for title in ("a: \"b\" 'c' #d", "- [x]", "---", "two\nlines", "nul\0", "half \ud83d", "émoji 🎉", "yes", "123"):
        page = Page(PageRef("1", 3, title), "s", "~me", "Me", "https://x/wiki", "https://x/wiki/1", b"", labels=("a b", "c"))
        text = file_text(page, "Body\n\n---\n\nmore")
        head = yaml.safe_load(text.split("---\n", 2)[1])
        assert head["title"] == title.replace("\0", "\ufffd").replace("\ud83d", "\ufffd")
        assert (head["id"], head["labels"]) == ("1", ["a b", "c"])
        text.encode()


def test_a_key_cannot_leave_the_folder() -> None:
    """Whatever a server calls a space, its files stay below the folder."""
    page = Page(PageRef("../../x", 1, "t"), "s", "../..", "n", "", "", b"")
    assert ".." not in file_name(page)
