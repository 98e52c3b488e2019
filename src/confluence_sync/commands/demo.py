"""`confluence-sync demo`: the whole way on the bundled sample space, over HTTP, with nothing to set up."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluence_sync.commands.querying import as_text
from confluence_sync.config import Settings
from confluence_sync.errors import SettingsError
from confluence_sync.listing import steps
from confluence_sync.logs import set_up, shown
from confluence_sync.plan import Kind, Wanted
from confluence_sync.progress import open_progress
from confluence_sync.report import Report
from confluence_sync.run import Means
from confluence_sync.settings_files import read_settings

QUESTIONS = ("disk full on /var", "kubelet does not start after swap was switched on")
SIGNS = {
    Kind.CREATE: "+ new     ",
    Kind.UPDATE: "~ changed ",
    Kind.RETAG: "= moved   ",
    Kind.DELETE: "- gone    ",
    Kind.DEFER: ". waits   ",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep state and store in this folder, to look at them afterwards")


def run(options: argparse.Namespace) -> int:
    try:
        from confluence_sync.simulator.sample import SAMPLE, day_of_changes
        from confluence_sync.simulator.server import Simulator
    except ModuleNotFoundError as error:
        raise SettingsError(f"the demo needs {error.name}: pip install 'confluence-sync[service]'") from error
    set_up("text", "warning")
    with _folder(options.keep) as folder, Simulator(SAMPLE) as simulator:
        access = simulator.options.access
        variables = {
            "CONF_GATEWAY_URL": simulator.gateway_url,
            "CONF_CLOUD_ID": simulator.cloud_id,
            "CONF_USER": access.user,
            "CONF_API_TOKEN": access.token,
            "SPACE_NAME": "Known Issues",
        }
        settings = read_settings({}, {**variables, "STATE_DIR": str(folder)}, folder)
        _say(1, f"A simulated Confluence serves a sample space on {simulator.url}")
        print("   With a real space, put these into .env and .env.secrets instead:\n")
        print(
            "\n".join(
                f"     {name}={value if 'TOKEN' not in name else '...'}" for name, value in variables.items() if "GATEWAY" not in name
            )
        )
        ok = _first_runs(settings)
        _say(4, "A day passes: pages are edited, renamed, moved, deleted and added. `confluence-sync plan` shows what that means")
        for change in day_of_changes():
            simulator.apply(change)
        _show_plan(settings)
        _say(5, "`confluence-sync sync` does just that, and writes only the chunks that changed")
        report = _sync(settings)
        ok = ok and report.exit == 0 and report.chunks.written > 0
        _say(6, "`confluence-sync query` finds the page, with a link to its section")
        found = [_query(settings, question) for question in QUESTIONS]
    print("\n   Your turn: copy .env.example to .env and .env.secrets.example to .env.secrets, fill in the four values, and run")
    print("     confluence-sync check && confluence-sync plan && confluence-sync sync")
    return 0 if ok and all(found) else 1


def _first_runs(settings: Settings) -> bool:
    _say(2, "`confluence-sync sync` brings it into the embedded store")
    first = _sync(settings)
    _say(3, "The same again: one listing, nothing read, nothing written")
    second = _sync(settings)
    return first.exit == second.exit == 0 and first.chunks.written > 0 and second.chunks.written == 0


def _sync(settings: Settings) -> Report:
    from confluence_sync.sync import run as run_once

    progress = open_progress("auto", sys.stdout)
    report = run_once(settings, Wanted(), Means(progress=progress))
    progress.close()
    print(f"   {report.summary()}")
    return report


def _show_plan(settings: Settings) -> None:
    from confluence_sync.sync import plans

    for job, plan in plans(settings, Wanted(), Means()):
        for kind in Kind:
            for step in steps(job.state, plan.scope, kind):
                print(shown(f"   {SIGNS[kind]} {step.title}  ({step.why})"))


def _query(settings: Settings, question: str) -> bool:
    from confluence_sync.stores.detect import collection_name, open_store_backend

    backend, detection = open_store_backend(settings)
    store = backend.open(collection_name(settings, detection.variant))
    hits = store.query(question, 2)
    store.close()
    backend.close()
    print(f"\n   ? {question}")
    for hit in hits:
        print("   " + as_text(hit).replace("\n", "\n   "))
    return bool(hits)


def _say(number: int, what: str) -> None:
    print(f"\n{number}. {what}\n")


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    folder = Path(tempfile.mkdtemp(prefix="confluence-sync-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
