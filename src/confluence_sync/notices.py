"""Tells a chat (Slack, Mattermost, n8n, anything that takes their JSON) how a run went."""

from __future__ import annotations

from dataclasses import asdict
from urllib.parse import urlsplit

from confluence_sync.http import Link, Patience, Wire
from confluence_sync.report import Report
from confluence_sync.settings_kinds import Secret

SHOWN = 10
COLOURS = {0: "good", 3: "warning", 4: "warning"}
VERDICTS = {
    0: "in step",
    1: "failed: a bug",
    2: "failed: settings",
    3: "some pages failed, the rest is in",
    4: "held back, nothing was lost",
    5: "the other end is unavailable",
}


def verdict(report: Report) -> str:
    """How the run ended, in words."""
    return VERDICTS.get(report.exit, "interrupted; the next run goes on")


def message(report: Report) -> dict[str, object]:
    """The JSON that is posted: `text` for a notification, an attachment with the details, and the counts for a program that listens."""
    title, summary = f"Confluence sync of {report.collection or 'no collection'}: {verdict(report)}", _safe(report.summary())
    details = {"color": COLOURS.get(report.exit, "danger"), "fallback": summary, "text": summary, "fields": _fields(report)}
    return {
        "text": _safe(title),
        "attachments": [details],
        "metadata": {"event_type": "confluence_sync_run", "event_payload": _counts(report)},
    }


def post(address: Secret, wire: Wire, report: Report) -> None:
    """Posts the message once or, where nothing can have arrived, a few times. Raises RemoteError without the address, which is a secret."""
    parts = urlsplit(address.reveal())
    hidden = parts.path + (f"?{parts.query}" if parts.query else "")
    link = Link(f"{parts.scheme}://{parts.netloc}", wire, secrets=(hidden, parts.path), patience=Patience(tries=3, timeout=20))
    link.send("POST", hidden, payload=message(report), repeatable=False)


def _fields(report: Report) -> list[dict[str, object]]:
    failed = [f"{page.title} ({page.page_id}): {page.why}" for space in report.spaces for page in space.failed]
    held = [f"{held.space}: {held.why}" for held in report.held]
    spaces = [f"{space.key}: {space.error}" for space in report.spaces if space.error]
    listed = (("Spaces that did not go in", spaces), ("Failed pages", failed), ("Held back", held), ("Warnings", report.warnings))
    return [{"title": title, "value": _safe(_some(lines)), "short": False} for title, lines in listed if lines]


def _some(lines: list[str]) -> str:
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n".join([*lines[:SHOWN], *more])


def _counts(report: Report) -> dict[str, object]:
    return {
        "exit": report.exit,
        "started": report.started,
        "seconds": round(report.seconds, 3),
        "collection": report.collection,
        "pages": asdict(report.pages),
        "chunks": asdict(report.chunks),
        "held": len(report.held),
        "listing_complete": report.listing_complete,
    }


def _safe(text: str) -> str:
    """Without what Slack reads as a link or a mention: a page title must not be able to call @channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
