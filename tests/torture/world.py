"""A small Confluence with two days, the four ways to read it, and runs against it that take milliseconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch as replaced

from confluence_sync import first_fill, listing, patch, sync, workshop, writing
from confluence_sync.config import Settings
from confluence_sync.http import Patience
from confluence_sync.plan import Wanted
from confluence_sync.report import Report
from confluence_sync.run import Means
from confluence_sync.settings_files import read_settings
from confluence_sync.simulator.access import PAT, SITE_TOKEN, TOKEN, USER
from confluence_sync.simulator.faults import Rule, read_rules
from confluence_sync.simulator.server import Simulator
from confluence_sync.simulator.site import CLOUD_ID
from confluence_sync.stores import remote
from confluence_sync.stores.base import Backend

HURRIED = Patience(tries=2, first_wait=0.01, longest_wait=0.05, timeout=10)
KINDS = ("v2", "cql", "v1", "dc")
CLOSED_ROUTES = {
    "v2": "",
    "cql": "api/v2 -> 410; GET .*rest/api/content[?/](?!search) -> 410",
    "v1": "api/v2 -> 410; rest/api/(content/)?search -> 410",
    "dc": "",
}
SPACE, OTHER = "KB", "OPS"
PAGES = 14


def body(page: int, words: str = "first") -> str:
    """A page of three sections, so that it has several chunks; it mentions a user, a new one on the second day."""
    sections = (
        f"<h2>Section {n} of {page}</h2><p>{words or 'first'} words about part {n} of page {page}. {'More of it. ' * 17}</p>"
        for n in (1, 2, 3)
    )
    asked = f'<ac:link><ri:user ri:account-id="557058:u{page % 21}"/></ac:link>'
    return f"<p>Page {page} begins, says {asked}.</p>{''.join(sections)}"


def page(number: int, text: str, space: str = SPACE) -> dict[str, object]:
    """A content object as the simulator reads it."""
    return {
        "id": str(1000 + number),
        "type": "page",
        "title": f"Page {number}",
        "space": {"key": space, "name": f"Space {space}", "id": {SPACE: "501", OTHER: "502"}[space]},
        "version": {"number": 1, "when": "2026-01-02T03:04:05.000Z"},
        "body": {"storage": {"value": text}},
        "metadata": {"labels": {"results": [{"name": "red" if number % 2 else "blue"}]}},
        "ancestors": [{"id": "1001", "type": "page", "title": "Page 1"}] if number > 7 else [],
    }


def first_day() -> list[dict[str, object]]:
    return [page(n, body(n)) for n in range(1, PAGES + 1)] + [page(n, body(n), OTHER) for n in (31, 32)]


def second_day(simulator: Simulator) -> None:
    """Every kind of change once: six pages leave, three are edited, one is renamed, one moved, one emptied, two come."""
    simulator.edit("1002", body(2).replace("part 2", "part two"))
    simulator.edit("1003", body(3, "other"))
    simulator.edit("1004", "")
    simulator.edit("1009", f"{body(9)}<h2>A new end</h2><p>that was not there.</p>")
    simulator.relabel("1009", ("green",))
    simulator.rename("1005", "Page 5 has a new name")
    simulator.move("1006", "1001")
    simulator.add_page("Quite new", body(21), SPACE, "1001")
    simulator.add_page("Also new", body(22), SPACE)
    simulator.delete("1007")
    simulator.trash("1010")
    simulator.archive("1011")
    simulator.move_space("1012", OTHER)
    simulator.restrict("1013")


def gateway(url: str, folder: Path) -> dict[str, str]:
    """The environment of a user who reads the simulator at `url` through its gateway; chunks are small, so that pages have several."""
    reads = {"CONF_CLOUD_ID": CLOUD_ID, "CONF_GATEWAY_URL": url, "CONF_USER": USER, "CONF_API_TOKEN": TOKEN}
    cuts = {"CHUNK_TOKENS": "80", "CHUNK_OVERLAP": "12", "EMBEDDING_BACKEND": "none"}
    return {**reads, **cuts, "SPACE_NAME": SPACE, "STATE_DIR": str(folder)}


def settings_for(simulator: Simulator, folder: Path, kind: str = "v2", **more: str) -> Settings:
    """Settings of a user who reads this simulator in one of KINDS."""
    ways: Mapping[str, dict[str, str]] = {
        "v1": {"CONF_CLOUD_ID": "", "CONF_BASE_URL": simulator.site_url, "CONF_API_TOKEN": SITE_TOKEN},
        "dc": {"CONF_CLOUD_ID": "", "CONF_BASE_URL": simulator.data_center_url, "CONF_USER": "", "CONF_API_TOKEN": "", "CONF_PAT": PAT},
    }
    return read_settings({}, {**gateway(simulator.url, folder), **ways.get(kind, {}), **more}, folder)


@contextmanager
def small_steps() -> Iterator[None]:
    """Listings of five, bodies of four and bundles of two pages, so that a small space takes as many steps as a large one."""
    with (
        replaced.object(listing, "LIMITS", (5, 4)),
        replaced.object(writing, "BULK", 4),
        replaced.object(first_fill, "BULK", 4),
        replaced.object(workshop, "GROUP_BYTES", 1),
        replaced.object(patch, "PAGES_AT_ONCE", 2),
        replaced.object(remote, "PATIENCE", HURRIED),
    ):
        yield


def strike(simulator: Simulator, kind: str = "v2", *rules: Rule) -> None:
    """Puts these faults in force, in front of the routes that this kind of Confluence does not have."""
    simulator.faults.put([*rules, *read_rules(CLOSED_ROUTES[kind])])


def sync_once(settings: Settings, backend: Backend, *, wanted: Wanted | None = None, adopt: bool = False) -> Report:
    """One run in this process; raises what a run raises."""
    return sync.run(settings, wanted or Wanted(), Means(backend=backend, patience=HURRIED, adopt=adopt))
