"""What applying a plan will cost, before it runs: requests exactly, chunks, tokens and minutes from what earlier runs took."""

from __future__ import annotations

import json
from dataclasses import dataclass

from confluence_sync.plan import Kind, Plan
from confluence_sync.source.base import BULK
from confluence_sync.state import State

CHUNKS_A_PAGE = 4.0  # until this collection tells better
CHUNKS_AN_EDIT = 2.0  # measured: one edited word rewrites one or two
TOKENS_A_CHUNK = 650
PAGES_A_SECOND = 60.0  # until a run on this machine tells better
WORTH_TRUSTING = 50  # pages a run must have written for its speed to mean something


@dataclass(frozen=True, slots=True)
class Price:
    """`requests` to Confluence is what it takes; chunks, tokens to embed and minutes are estimates."""

    requests: int
    chunks: int
    tokens: int
    minutes: float

    def as_text(self) -> str:
        work = f"about {self.chunks} chunks ({self.tokens} tokens to embed) and {self.minutes:.1f} minutes"
        return f"{self.requests} requests to Confluence, {work}"


def price(state: State, plan: Plan) -> Price:
    """The price of one space's plan."""
    pages = state.size(plan.scope)
    each = state.chunks(plan.scope) / pages if pages else CHUNKS_A_PAGE
    chunks = round(plan.count(Kind.CREATE) * each + min(each, CHUNKS_AN_EDIT) * plan.count(Kind.UPDATE))
    return Price(_requests(plan), chunks, chunks * TOKENS_A_CHUNK, plan.fetches / _speed(state) / 60)


def _requests(plan: Plan) -> int:
    """Bodies and labels in bulk, and proof for what goes: account and space once more, and every page by its id."""
    deletions = plan.count(Kind.DELETE)
    return 2 * -(-plan.fetches // BULK) + (4 + -(-deletions // 250) if deletions else 0)


def _speed(state: State) -> float:
    """Pages a second of the last run that wrote enough to tell."""
    for report in map(json.loads, state.runs(20)):
        written = report["pages"]["new"] + report["pages"]["changed"]
        if written >= WORTH_TRUSTING and report["seconds"]:
            return float(written / report["seconds"])
    return PAGES_A_SECOND
