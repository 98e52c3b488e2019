"""A run's figures for Prometheus: pushed to a Pushgateway, or left in a file for node_exporter's textfile collector."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from confluence_sync.errors import SettingsError
from confluence_sync.http import Link
from confluence_sync.report import Report

LAST_SUCCESS = "confluence_sync_last_success_timestamp_seconds"

HELP = {
    "confluence_sync_last_run_timestamp_seconds": "When the last run started.",
    LAST_SUCCESS: "When the last run that left nothing undone (exit 0) started.",
    "confluence_sync_duration_seconds": "How long the last run took.",
    "confluence_sync_exit_code": "0 done, 1 a bug, 2 settings, 3 some pages failed, 4 held back, 5 remote unavailable.",
    "confluence_sync_pages": "Pages of the last run by what became of them.",
    "confluence_sync_chunks": "Chunks of the last run by what became of them.",
    "confluence_sync_requests": "Requests of the last run by the end they went to.",
    "confluence_sync_held_deletions": "Pages whose deletion was held back.",
    "confluence_sync_degraded_pages": "Pages of the last run that could not be converted fully.",
    "confluence_sync_listing_complete": "1 when the listing of the space was proven complete.",
    "confluence_sync_golden_questions": "Golden questions that were asked after the last run (EVAL_FILE).",
    "confluence_sync_golden_found_ratio": "Share of them that find their page among the first hits, by how many count.",
    "confluence_sync_golden_least_ratio": "Share of them that must (EVAL_LEAST).",
    "confluence_sync_oldest_unsynced_change_timestamp_seconds": "When the oldest change not in the store was made; 0: none known.",
}

Sample = tuple[str, Mapping[str, str], float]


def prometheus_text(report: Report) -> str:
    """The text format, version 0.0.4, every family with HELP and TYPE. Only a run with exit 0 has a last success."""
    samples = list(_samples(report))
    return "".join(_family(name, [one for one in samples if one[0] == name]) for name in HELP)


def push(link: Link, report: Report, shard: int | None = None) -> None:
    """Adds the figures to the group of this collection (and shard): a POST, which leaves an older last success where it is.

    `link` is the Pushgateway's address. Raises RemoteError.
    """
    labels = {"job": "confluence-sync", "collection": report.collection} | ({} if shard is None else {"shard": str(shard)})
    path = "/metrics" + "".join(_grouped(name, value) for name, value in labels.items() if value)
    link.send("POST", path, content=prometheus_text(report).encode(), headers={"content-type": "text/plain; version=0.0.4"})


def write_textfile(file: Path, report: Report) -> None:
    """Replaces `file` at once, as its reader may come at any time; the last success of an earlier run is kept.

    Raises SettingsError when the file cannot be written.
    """
    text = prometheus_text(report)
    try:
        if LAST_SUCCESS not in text and file.is_file():
            text += _last_success_of(file.read_text(encoding="utf-8"))
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f".{file.name}.new")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.chmod(0o644)
        unfinished.replace(file)
    except OSError as error:
        raise SettingsError(
            f"METRICS_TEXTFILE: {str(file)!r} cannot be written ({error.strerror}); it must be in a writable folder"
        ) from error


def seconds_of(timestamp: str) -> float:
    """Unix seconds of an RFC 3339 time; 0 for an empty one."""
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else 0.0


def _samples(report: Report) -> Iterator[Sample]:
    started = seconds_of(report.started)
    yield "confluence_sync_last_run_timestamp_seconds", {}, started
    if report.exit == 0:
        yield LAST_SUCCESS, {}, started
    yield "confluence_sync_duration_seconds", {}, round(report.seconds, 3)
    yield "confluence_sync_exit_code", {}, report.exit
    yield "confluence_sync_held_deletions", {}, sum(held.count or len(held.page_ids) for held in report.held)
    yield "confluence_sync_oldest_unsynced_change_timestamp_seconds", {}, seconds_of(report.oldest_unsynced)
    for end, count in report.requests.items():
        yield "confluence_sync_requests", {"to": end}, count
    yield from _samples_of_quality(report)
    yield from _samples_of_spaces(report)


def _samples_of_quality(report: Report) -> Iterator[Sample]:
    seen = report.quality
    if seen is None:
        return
    yield "confluence_sync_golden_questions", {}, seen.questions
    for count, share in (("1", seen.hit1), ("5", seen.hit5)):
        yield "confluence_sync_golden_found_ratio", {"among": count}, round(share, 4)
    yield "confluence_sync_golden_least_ratio", {}, seen.least


def _samples_of_spaces(report: Report) -> Iterator[Sample]:
    for space in report.spaces:
        labels = {"space": space.key}
        for result, count in asdict(space.pages).items():
            yield "confluence_sync_pages", labels | {"result": result}, count
        for result, count in asdict(space.chunks).items():
            yield "confluence_sync_chunks", labels | {"result": result}, count
        yield "confluence_sync_degraded_pages", labels, len(space.degraded_pages)
        yield "confluence_sync_listing_complete", labels, int(space.listing_complete)


def _family(name: str, samples: list[Sample]) -> str:
    if not samples:
        return ""
    lines = [f"{name}{_labels(labels)} {value:.15g}" for _, labels, value in samples]
    return "\n".join([f"# HELP {name} {HELP[name]}", f"# TYPE {name} gauge", *lines]) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    quoted = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(quoted) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _grouped(name: str, value: str) -> str:
    """One label of the group in the URL; the Pushgateway takes what is no plain word in base64."""
    if re.fullmatch(r"[A-Za-z0-9_.-]+", value):
        return f"/{name}/{value}"
    return f"/{name}@base64/{base64.urlsafe_b64encode(value.encode()).decode()}"


def _last_success_of(text: str) -> str:
    return "".join(line + "\n" for line in text.splitlines() if LAST_SUCCESS in line)
