"""EVAL_FILE: golden questions are asked after each run, and a run that makes them fail says so everywhere."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from confluence_sync.errors import SettingsError
from confluence_sync.metrics import prometheus_text
from tests.torture.bench import Bench, bench

GOOD = '{"question": "words about part 2 of page 5", "page": "1005"}\n{"question": "page 9 begins", "page": "Page 9"}\n'


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path / "state") as made:
        yield made


@pytest.fixture
def golden(tmp_path: Path) -> str:
    file = tmp_path / "golden.jsonl"
    file.write_text(GOOD)
    return str(file)


def test_a_run_that_finds_its_pages_says_how_often(filled: Bench, golden: str) -> None:
    """The figures are in the report, its line and the metrics; the exit code is 0."""
    report = filled.sync(EVAL_FILE=golden)
    assert report.exit == 0
    assert report.quality is not None
    assert (report.quality.questions, report.quality.hit5, report.quality.fell) == (2, 1.0, False)
    assert "golden questions: 100% of 2 find their page" in report.summary()
    assert 'confluence_sync_golden_found_ratio{among="5"} 1\n' in prometheus_text(report)
    assert json.loads(report.as_json())["quality"]["hit5"] == 1.0


def test_a_run_after_which_they_fail_is_loud(filled: Bench, golden: str, caplog: pytest.LogCaptureFixture) -> None:
    """An emptied page is what was asked for, and yet exit 3: the missed question is in log and report, the share in the metrics."""
    filled.simulator.edit("1009", "<p>nothing of what it said</p>")
    filled.simulator.rename("1009", "Another name")
    with caplog.at_level(logging.ERROR):
        report = filled.sync(EVAL_FILE=golden)
    assert (report.exit, report.pages.failed) == (3, 0)
    assert report.quality is not None
    assert (report.quality.hit5, report.quality.missed) == (0.5, ["page 9 begins"])
    assert "50% of 2 find their page, which must be 90%" in report.summary()
    assert "missed: 'page 9 begins'" in caplog.text
    metrics = prometheus_text(report)
    assert 'confluence_sync_golden_found_ratio{among="5"} 0.5\n' in metrics
    assert "confluence_sync_golden_least_ratio 0.9\n" in metrics
    assert "last_success" not in metrics
    assert filled.sync(EVAL_FILE=golden, EVAL_LEAST="50").exit == 0


def test_a_file_that_cannot_be_read_stops_before_anything_is_done(filled: Bench, tmp_path: Path) -> None:
    """The mistake is told at once, not after hours."""
    filled.simulator.edit("1009", "<p>news</p>")
    before = filled.contents()
    with pytest.raises(SettingsError, match="nowhere"):
        filled.sync(EVAL_FILE=str(tmp_path / "nowhere.jsonl"))
    assert filled.contents() == before


def test_without_the_setting_nothing_is_asked(filled: Bench) -> None:
    """No figures, no metrics."""
    report = filled.sync()
    assert report.quality is None
    assert "golden" not in prometheus_text(report)
