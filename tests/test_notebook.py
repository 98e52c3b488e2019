"""ingest_conf.ipynb: it runs from top to bottom on the sample space, with and without matplotlib, and is stored without outputs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from confluence_sync.config import Settings
from confluence_sync.model import Hit
from confluence_sync.notebook import bars, histogram, hits, open_place, report_page, search
from confluence_sync.plan import Wanted
from confluence_sync.run import Means
from confluence_sync.sync import run

ROOT = Path(__file__).parent.parent
NOTEBOOK = json.loads((ROOT / "ingest_conf.ipynb").read_text(encoding="utf-8"))
WITHOUT_MATPLOTLIB = "import sys; sys.modules['matplotlib'] = None; sys.modules['matplotlib.figure'] = None\n"
SHOWN_LAST = "print(type({0}).__name__, {0}._repr_html_()[:400] if hasattr({0}, '_repr_html_') else '')\n"


def code_cells() -> list[str]:
    return ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def as_script() -> str:
    """The code cells one after another; a cell whose last line is a call that is shown is asked for its HTML."""
    parts = []
    for cell in code_cells():
        *before, last = cell.splitlines()
        shown = last.startswith(("bars(", "histogram(", "hits(", "report_page("))
        parts += [*before, f"_shown = {last}", SHOWN_LAST.format("_shown")] if shown else [cell]
    return "\n".join(parts)


def test_runs_on_the_sample_space(tmp_path):
    """With no variable set and no matplotlib every cell runs, the first run fills the store and the second writes only what changed."""
    script = WITHOUT_MATPLOTLIB + as_script()
    (tmp_path / "src").symlink_to(ROOT / "src")
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    summaries = [line for line in done.stdout.splitlines() if ", exit 0" in line]
    assert len(summaries) == 2
    assert ": 0 new, 0 changed" not in summaries[0]
    assert done.stdout.count("Shown ") == 6
    assert "Disk full on /var" in done.stdout


def test_is_stored_clean():
    """No outputs and no execution counts are committed, and every cell has an id."""
    for cell in NOTEBOOK["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
        assert cell["id"]
    assert NOTEBOOK["nbformat"] == 4


def test_nothing_set_means_the_sample_space(tmp_path):
    """Without a Confluence in the environment the place is a simulator and a temporary store; both are gone after closing."""
    place = open_place({"LLAMA_BASE_URL": "http://127.0.0.1:9"}, tmp_path)
    assert place.simulator is not None
    assert place.settings.llama_base_url == ""
    assert place.settings.state_dir.is_dir()
    place.close()
    assert not place.settings.state_dir.exists()


def test_works_inside_a_running_event_loop(tmp_path):
    """Jupyter runs cells inside an event loop of its own; the simulated Confluence starts there too."""

    async def cell() -> str:
        place = open_place({}, tmp_path)
        place.close()
        return place.settings.conf_gateway_url

    assert asyncio.run(cell()).startswith("http://127.0.0.1:")


def test_a_real_space_is_taken_as_it_is_set(tmp_path):
    """With a cloud id the settings are those of the environment, destination included, and nothing is simulated."""
    place = open_place({"CONF_CLOUD_ID": "c", "LLAMA_BASE_URL": "http://llama:8321"}, tmp_path)
    assert place.simulator is None
    assert place.settings == Settings(conf_cloud_id="c", llama_base_url="http://llama:8321")


@pytest.mark.parametrize("installed", [True, False], ids=["with matplotlib", "without"])
def test_plots_are_drawn_either_way(installed, monkeypatch):
    """With matplotlib or without it a plot is inline SVG."""
    if installed:
        pytest.importorskip("matplotlib", reason="matplotlib is not installed here; the other case is the fallback")
    else:
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for shown in (bars("Pages", [("new", 3), ("changed", 1)]), histogram("Ages", [1, 2, 2, 30], "days")):
        assert "<svg" in shown.html
        assert "</svg>" in shown.html


def test_histogram_counts_every_value():
    """Without matplotlib the bins together hold every value, also when all are equal or there is none."""
    from confluence_sync.notebook import _counted

    assert sum(count for _, count, _ in _counted([1, 2, 2, 30], 5)) == 4
    assert sum(count for _, count, _ in _counted([7, 7], 5)) == 2
    assert sum(count for _, count, _ in _counted([], 5)) == 0


def test_foreign_hits_are_left_out():
    """A hit without our metadata has no title to show; an empty answer says so."""
    assert hits([Hit("x", 1.0, "text", None)]).html == "<p>nothing found</p>"


def test_what_was_synced_is_found_with_its_link(tmp_path):
    """After a run of the place's settings a question gives hits that are shown as links, and the run is shown as a framed page."""
    place = open_place({}, tmp_path)
    report = run(place.settings, Wanted(limit=40), Means())
    found = hits(search(place.settings, "disk full on /var", 3))
    place.close()
    assert '<a href="http' in found._repr_html_()
    assert "Disk full on /var" in found.html
    assert report_page(report).html.startswith("<iframe srcdoc=")
