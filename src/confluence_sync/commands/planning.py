"""`confluence-sync plan`: what a sync would do, page by page, and what it would cost."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from confluence_sync.commands.common import add_run_options, progress_for, settings_for, wanted_for
from confluence_sync.listing import steps
from confluence_sync.logs import json_text, one_line
from confluence_sync.plan import Kind, Plan, Step, ceiling
from confluence_sync.pricing import price
from confluence_sync.run import Means, Run
from confluence_sync.source.credentials import check_credentials

SIGNS = {Kind.CREATE: "+", Kind.UPDATE: "~", Kind.RETAG: "=", Kind.DELETE: "-", Kind.DEFER: "."}


def add_options(parser: argparse.ArgumentParser) -> None:
    add_run_options(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace) -> int:
    settings = settings_for(options)
    check_credentials(settings)
    from confluence_sync.sync import plans

    progress = progress_for(settings)
    shown_plans = []
    for job, plan in plans(settings, wanted_for(options, settings), Means(progress=progress)):
        progress.close()
        shown_plans.append(_as_json(job, plan)) if options.json else _print(job, plan)
    if options.json:
        print(json_text({"spaces": shown_plans}))
    return 0


def _as_json(job: Run, plan: Plan) -> dict[str, object]:
    return {
        "space": plan.described,
        "complete": plan.complete,
        "listed": plan.listed,
        "keep": plan.keep,
        "counts": {kind.value: plan.count(kind) for kind in Kind},
        "price": asdict(price(job.state, plan)),
        "steps": [_step(step) for kind in Kind for step in steps(job.state, plan.scope, kind)],
    }


def _step(step: Step) -> dict[str, str]:
    return {"kind": step.kind.value, "page_id": step.page_id, "title": step.title, "why": step.why}


def _print(job: Run, plan: Plan) -> None:
    print(f"{plan.described}: {plan.listed} pages listed")
    for kind in Kind:
        for step in steps(job.state, plan.scope, kind):
            print(f"  {SIGNS[kind]} {kind.value:<7} {one_line(step.title)} ({step.page_id}): {one_line(step.why)}")
    counts = ", ".join(f"{plan.count(kind)} to {kind.value}" for kind in Kind if plan.count(kind))
    print(f"{counts or 'nothing to do'}; {plan.keep} stay as they are. Applying it takes {price(job.state, plan).as_text()}.")
    if plan.count(Kind.DELETE) > max(ceiling(plan.known), job.settings.max_deletes):
        print(f"sync would hold the deletions back: more than {ceiling(plan.known)} of {plan.known} pages")
