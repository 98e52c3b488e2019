"""The HTML report of a run: complete, self-contained, and safe against what titles may hold."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser

import pytest

from confluence_sync.errors import BadAnswer
from confluence_sync.html_report import html_report
from confluence_sync.report import FailedPage, Held, PageCounts, Report, SpaceReport, WrittenPage
from confluence_sync.svg_plots import columns, stacked_bars

NASTY = "<script>alert(1)</script> & \"quotes\" 'too'"


class Page(HTMLParser):
    """What a browser would make of it: elements, their texts, and everything that would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.fetched += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href")]
        if tag not in ("meta", "rect", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def run(**changes: object) -> Report:
    space = SpaceReport("KNOWN", "Known Issues", True, PageCounts(listed=30, new=2, changed=3, unchanged=24, deleted=1, failed=1))
    space.failed = [FailedPage("17", NASTY, "the body is damaged")]
    space.written_pages = [WrittenPage("18", "Disk full on /var", "changed")]
    space.deleted_pages = {"19": "trashed"}
    space.degraded, space.degraded_pages = Counter({"jira": 12, "chart": 3}), {"20": {"jira": 12, "chart": 3}}
    report = Report(
        "2026-11-21T02:00:00Z", 12.5, 4, "sqlite", "confluence", held=[Held("KNOWN", "more than 10 % would go", count=40)], spaces=[space]
    )
    for name, value in changes.items():
        setattr(report, name, value)
    return report


def page(report: Report, earlier: list[Report] | None = None) -> Page:
    return Page(html_report(report.as_json(), [one.as_json() for one in earlier or []]))


def test_says_what_happened():
    """Verdict, counts, failures with reasons, held deletions, what changed, what went and what could not be converted are on the page."""
    words = " ".join(page(run()).texts)
    for expected in (
        "held back, nothing was lost",
        "the body is damaged",
        "more than 10 % would go (40 pages)",
        "Disk full on /var",
        "trashed",
        "jira 12, chart 3",
        "12.5 s",
        "and 4 more",
    ):
        assert expected in words, expected


def test_is_one_file():
    """Nothing on the page is fetched from anywhere, and no script is on it."""
    made = page(run(), [run(), run()])
    assert made.fetched == []
    assert made.elements["script"] == 0
    assert made.open == []
    assert "url(" not in html_report(run().as_json())


def test_titles_are_text():
    """A title that looks like a script is shown as it is and does nothing."""
    assert NASTY in page(run()).texts


def test_plots_name_themselves():
    """Every plot is an image with words for a screen reader, and each of its marks names its count."""
    made = html_report(run().as_json(), [run().as_json()])
    plots = re.findall(r'<svg viewBox="[^"]+" role="img" aria-label="([^"]+)"', made)
    assert plots == [
        "Pages of each space by outcome",
        "Pages touched in each run",
        "Duration of each run in seconds",
        "What could not be converted fully",
    ]
    assert "<title>failed: 1</title>" in made


def test_quiet_run_has_no_empty_tables():
    """A night with nothing to do shows its counts and no heading with nothing below."""
    made = page(Report("2026-11-21T02:00:00Z", 1.0, spaces=[SpaceReport("K", "K", True, PageCounts(listed=5, unchanged=5))]))
    assert made.elements["table"] == 0
    assert made.elements["h2"] == 1


def test_failure_before_any_space_is_shown():
    """A run that could not start is a page with the reason."""
    words = " ".join(page(Report("2026-11-21T02:00:00Z", exit=2, error="CONF_API_TOKEN: not set")).texts)
    assert "failed: settings" in words
    assert "CONF_API_TOKEN: not set" in words


def test_bars_share_one_scale():
    """A bar twice as long stands for twice as many pages; the smallest count still shows."""
    made = stacked_bars([("A", [("new", 10, "red")]), ("B", [("new", 20, "red")]), ("C", [("new", 0, "red"), ("old", 1, "blue")])], "plot")
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', made)]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.2)
    assert len(widths) == 3
    assert widths[2] >= 1


def test_columns_stay_inside_the_plot():
    """A hundred runs fit into the width, and the highest column is the largest value."""
    made = columns([(str(i), float(i), "red") for i in range(100)], "plot")
    marks = [
        (float(x), float(w), float(h)) for x, w, h in re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="([\d.]+)"', made)
    ]
    assert len(marks) == 100
    assert max(x + w for x, w, _ in marks) <= 720
    assert marks[-1][2] == max(h for _, _, h in marks)


def test_foreign_json_is_refused_by_name():
    """A file that is no report is refused with the field that is missing."""
    with pytest.raises(BadAnswer, match=r"the report of a run\.spaces must be a JSON list"):
        html_report(json.dumps({"started": "x"}))
