"""A run that is given too little time stops between pages and the next one goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from confluence_sync.plan import Wanted
from confluence_sync.pricing import PAGES_A_SECOND, price
from confluence_sync.run import Means
from confluence_sync.settings_files import read_settings
from confluence_sync.simulator.sample import SAMPLE
from confluence_sync.simulator.server import Simulator
from confluence_sync.stores.memory import MemoryBackend
from confluence_sync.sync import plans, run
from tests.test_patch import tell
from tests.torture.bench import bench
from tests.torture.world import PAGES, settings_for


@pytest.fixture
def settings_and_site(tmp_path: Path):
    with Simulator(SAMPLE) as site:
        access = site.options.access
        variables = {
            "CONF_GATEWAY_URL": site.gateway_url,
            "CONF_CLOUD_ID": site.cloud_id,
            "CONF_USER": access.user,
            "CONF_API_TOKEN": access.token,
            "SPACE_NAME": "Known Issues",
            "STATE_DIR": str(tmp_path),
        }
        yield read_settings({}, variables, tmp_path), site


def test_time_over_leaves_the_rest_for_the_next_run(settings_and_site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What did not fit is counted as deferred with exit 3, nothing is lost, and a second run without a limit brings the rest."""
    settings, _ = settings_and_site
    monkeypatch.setattr("confluence_sync.patch.PAGES_AT_ONCE", 10)
    monkeypatch.setattr("confluence_sync.workshop.GROUP_BYTES", 1)
    backend = MemoryBackend()
    first = run(settings, Wanted(), Means(backend=backend, max_minutes=1e-9))
    assert (first.exit, first.pages.new, first.pages.deferred) == (3, 10, first.pages.listed - 10)
    second = run(settings, Wanted(), Means(backend=backend))
    assert (second.exit, second.pages.new, second.pages.unchanged) == (0, first.pages.deferred, 10)


def test_pages_that_the_store_refused_are_not_lost_from_the_count(tmp_path: Path) -> None:
    """Time over after a bundle of which the store refused a page: written, failed and left over are all pages that there are."""
    with bench(tmp_path / "state") as made:
        told = tell(made)
        told.poison = "edited 1001"
        for number in range(1, PAGES + 1):
            made.simulator.edit(f"{1000 + number}", f"<p>edited {1000 + number}</p>")
        report = run(settings_for(made.simulator, made.folder), Wanted(), Means(backend=made.backend, max_minutes=1e-9))
        pages = report.pages
        assert (report.exit, pages.failed, pages.changed) == (3, 1, 1)
        assert pages.deferred == PAGES - 2
        told.poison = "\0"
        assert made.sync().exit == 0
        assert made.trouble() == ""


def test_enough_time_is_no_limit(settings_and_site) -> None:
    """A run that ends in time is done, whatever its limit."""
    settings, _ = settings_and_site
    report = run(settings, Wanted(), Means(backend=MemoryBackend(), max_minutes=60))
    assert (report.exit, report.pages.deferred) == (0, 0)


def test_a_plan_names_its_price(settings_and_site) -> None:
    """Requests are those that the sync then sends; minutes follow the last run that wrote enough pages to tell."""
    settings, site = settings_and_site
    backend = MemoryBackend()
    for job, plan in plans(settings, Wanted(), Means(backend=backend)):
        cold = price(job.state, plan)
        assert cold.minutes == pytest.approx(plan.fetches / PAGES_A_SECOND / 60)
    report = run(settings, Wanted(), Means(backend=backend))
    listing_and_looks = 3
    mentioned = 1
    assert report.requests["confluence"] == cold.requests + listing_and_looks + mentioned
    site.edit("72451004", "<p>Short now.</p>")
    for job, plan in plans(settings, Wanted(), Means(backend=backend)):
        warm = price(job.state, plan)
        assert (warm.requests, plan.fetches) == (2, 1)
        speed = report.pages.new / json.loads(report.as_json())["seconds"]
        assert warm.minutes == pytest.approx(1 / speed / 60, rel=0.2)
        assert "requests to Confluence" in warm.as_text()


def test_what_could_not_be_converted_is_counted(settings_and_site) -> None:
    """Macros without a Markdown form are counted by name and by page in the report, never silently dropped."""
    settings, site = settings_and_site
    site.edit(
        "72451004",
        '<p>Before</p><ac:structured-macro ac:name="gantt-of-nobody"><ac:parameter ac:name="x">1</ac:parameter></ac:structured-macro>',
    )
    report = run(settings, Wanted(), Means(backend=MemoryBackend()))
    assert report.spaces[0].degraded["gantt-of-nobody"] == 1
    assert report.spaces[0].degraded_pages["72451004"] == {"gantt-of-nobody": 1}
