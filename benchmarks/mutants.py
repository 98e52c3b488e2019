"""Puts wrong orderings and missing guards into copies of the program and counts those the tests notice: python -m benchmarks.mutants."""

# ruff: noqa: E501 -- texts of the program as they stand there

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "src/confluence_sync"
TESTS = ("first_fill", "gone", "patch", "adopt", "bindings", "listing", "state", "rotate", "sharding", "verify", "crash")
FIRST = {  # the tests that are most likely to notice, so that a caught mutant costs seconds
    "plan": ("gone",),
    "first_fill": ("first_fill",),
    "writing": ("max_minutes",),
    "dash_vectors": ("dash_vectors",),
    "patch": ("patch", "crash"),
    "gone": ("gone",),
    "listing": ("listing", "gone", "crash"),
    "adopt": ("adopt", "gone", "crash"),
    "bindings": ("bindings", "adopt"),
    "sync": ("gone", "adopt", "patch"),
    "database": ("state",),
    "state": ("state",),
    "run": ("state",),
    "sqlite": ("adopt",),
    "sqlite_file": ("store_sqlite",),
    "sqlite_words": ("store_sqlite",),
    "confluence": ("source_routes",),
    "labels": ("source_routes",),
    "mentions": ("source_presence",),
    "fetch": ("source_presence",),
    "workshop": ("prepare",),
    "workers": ("workers", "prepare"),
    "worker": ("workers",),
    "rotate": ("rotate",),
    "generations": ("rotate",),
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """In `file` of the package `old`, which is there once, becomes `new`."""

    file: str
    what: str
    old: str
    new: str


MUTANTS = (
    # plan
    Mutant("plan.py", "an empty listing may delete", "if plan.listed == 0:", "if plan.listed < 0:"),
    Mutant("plan.py", "no ceiling", "if wanted > allowed:", "if wanted > allowed and max_deletes == 0:"),
    Mutant("plan.py", "the ceiling lets one page more go", "if wanted > allowed:", "if wanted > allowed + 1:"),
    Mutant("plan.py", "more than half may go", "return min(allowed, known // 2) if known > SMALL else allowed", "return allowed"),
    Mutant("plan.py", "a share of all instead of ten per cent", "SHARE = 0.10", "SHARE = 0.50"),
    Mutant("plan.py", "--max-deletes lowers the ceiling", "max(ceiling(plan.known), max_deletes)", "min(ceiling(plan.known), max_deletes)"),
    # patch: order of effects
    Mutant("patch.py", "stale chunks go before new ones are in", """        try:
            store.write([chunk for edit in edits for chunk in edit.write])
        except Rejected as error:""", """        store.delete([chunk_id for edit in edits for chunk_id in edit.stale])
        try:
            store.write([chunk for edit in edits for chunk in edit.write])
        except Rejected as error:"""),
    Mutant("patch.py", "the state settles before the store has the chunks", "    state.put(key, [_unsettled(edit, before.get(edit.entry.page_id)) for edit in edits])\n", "    state.put(key, [edit.entry for edit in edits])\n"),
    Mutant("patch.py", "the state does not name chunks before they are written", "    state.put(key, [_unsettled(edit, before.get(edit.entry.page_id)) for edit in edits])\n", ""),
    Mutant("patch.py", "the state forgets old chunks before the store lost them", "together = tuple(dict.fromkeys((*known, *edit.entry.chunk_ids)))", "together = edit.entry.chunk_ids"),
    Mutant("patch.py", "an unsettled page counts as certain", "certain = old if entry and entry.settled and not rebuild else set()", "certain = old if entry and not rebuild else set()"),
    Mutant("patch.py", "a cut page looks up to date", "return replace(before or edit.entry, chunk_ids=together, settled=False)", "return replace(edit.entry, chunk_ids=together, settled=True)"),
    Mutant("patch.py", "stale chunks stay", "        if stale:\n            store.delete(stale)\n", ""),
    Mutant("patch.py", "entries are never settled", "    state.put(key, [edit.entry for edit in good])\n", ""),
    Mutant("patch.py", "pages with refused chunks settle", "    state.put(key, [edit.entry for edit in good])\n", "    state.put(key, [edit.entry for edit in edits])\n"),
    Mutant("patch.py", "kept chunks are not retagged", "        if retagged:\n            store.retag(retagged)\n", ""),
    Mutant("patch.py", "without RETAG new labels are not written", "        edit.write, kept = list(new.values()), []\n", "        pass\n"),
    Mutant("patch.py", "the state forgets gone pages before the store lost them", """    with store.transaction():
        store.delete(chunk_ids)
    state.forget(key, page_ids)
""", """    state.forget(key, page_ids)
    with store.transaction():
        store.delete(chunk_ids)
"""),
    Mutant("patch.py", "gone pages are never forgotten", "    state.forget(key, page_ids)\n", ""),
    Mutant("patch.py", "what an upsert-only store keeps is not remembered", "edit.entry = replace(edit.entry, chunk_ids=(*edit.entry.chunk_ids, *stale))", "pass"),
    Mutant("patch.py", "refused pages are not counted", '            _note_failure(report, edit.entry.page_id, edit.entry.title, refused[edit.entry.page_id])\n', "            pass\n"),
    # gone: proof
    Mutant("gone.py", "account and space are not seen again", "        changed = changed_since(source, scope, account)\n", '        changed = ""\n'),
    Mutant("gone.py", "account and space are seen before the pages only", """        presence = source.presence(some, scope)
        changed = changed_since(source, scope, account)
""", """        changed = changed_since(source, scope, account)
        presence = source.presence(some, scope)
"""),
    Mutant("gone.py", "pages are deleted without their own proof", "gone = [page_id for page_id in some if presence[page_id].gone]", "gone = list(some)"),
    Mutant("gone.py", "unknown counts as gone", "gone = [page_id for page_id in some if presence[page_id].gone]", "gone = [page_id for page_id in some if presence[page_id] is not Presence.CURRENT]"),
    Mutant("gone.py", "what is not known is not reported", "        unknown += [page_id for page_id in some if presence[page_id] is Presence.UNKNOWN]\n", ""),
    Mutant("gone.py", "another space of the same id counts", 'if space is None or space.key != scope.space.key:', "if False:"),
    Mutant("gone.py", "a store that cannot delete says nothing", "    if Feature.DELETE not in store.features:\n", "    if False:\n"),
    # listing
    Mutant("listing.py", "a partial listing is whole", "complete=whole", "complete=True"),
    Mutant("listing.py", "a broken listing is kept when it is asked again", "        self.state.database.run(\"delete from listing where scope = ?\", [self.key])\n", ""),
    Mutant("listing.py", "a page that is listed twice is handed on twice", " and ref.id not in before]", "]"),
    Mutant("listing.py", "a page twice in one answer is handed on twice", "for ref in found.values() if scope.owns", "for ref in refs if scope.owns"),
    Mutant("first_fill.py", "pages are cut as those of the space before", "    job.cut = cut_for(", "    _ = cut_for("),
    Mutant("first_fill.py", "what is on its way is lost when a listing fails", "            self._list_again()\n", "            raise\n"),
    Mutant("writing.py", "pages that the store refused are counted twice", "(_handled(report) - before)\n", "(_handled(report) - before) - report.pages.failed\n"),
    Mutant("stores/dash_vectors.py", "a number of texts that the server failed on is tried again and again", "        self._pace.lower(middle)\n", ""),
    Mutant("stores/dash_vectors.py", "a first question that failed counts as answered", "        if not self._checked:\n", "        if not self._checked:\n            self._checked = True\n"),
    Mutant("first_fill.py", "a part of a space needs no plan", "return not chosen and not isinstance", "return not isinstance"),
    Mutant("first_fill.py", "every first listing is whole", "bool(arriving.whole))", "True)"),
    Mutant("first_fill.py", "the rest has what is on its way", "and s.page_id is null", ""),
    Mutant("first_fill.py", "a page that failed is tried again", "for page_id in failed))", "for page_id in ()))"),
    Mutant("first_fill.py", "old gaps in names are kept", "    forget_unnamed(job.state, key)\n", ""),
    Mutant("listing.py", "unsettled pages are not done again", "(e.settled = 0 or e.fingerprint", "(e.fingerprint"),
    Mutant("listing.py", "another recipe is not noticed", "or e.recipe <> ? or ? = 1", "or e.recipe = ? and 1 = 0 or ? = 1"),
    Mutant("listing.py", "pages are deleted at once whatever the sightings", "e.missing + 1 >= ?", "? >= 0"),
    Mutant("listing.py", "pages out of scope count as listed", "and l.page_id = e.page_id and l.inside = 1\nwhere e.scope = ?", "and l.page_id = e.page_id\nwhere e.scope = ?"),
    Mutant("listing.py", "a page that is seen again keeps its sightings", "update entry set missing = 0 where", "update entry set missing = missing where"),
    Mutant("listing.py", "SINCE_HOURS hides stored pages", "where l.scope = ? and l.inside = 1 and {CHANGED}", "where l.scope = ? and l.inside = 1 and l.updated_at > '2027' and {CHANGED}"),
    # adopt
    Mutant("adopt.py", "a store made anew goes unnoticed", "    if known.identity != seen.id:\n", "    if False:\n"),
    Mutant("adopt.py", "another count or stamp goes unnoticed", "    if known.clean and known.stamp == seen.stamp and not _counts_differ(seen, known):\n", "    if known.clean:\n"),
    Mutant("adopt.py", "another stamp goes unnoticed", "known.clean and known.stamp == seen.stamp and not", "known.clean and not"),
    Mutant("adopt.py", "a lost state goes unnoticed", 'return "" if seen.count == 0 else "the state does not know this collection"', 'return ""'),
    Mutant("adopt.py", "a further space goes unnoticed", 'return "" if seen.count == 0 or all(scope.bound for scope in scopes) else "the collection gets a further space"', 'return ""'),
    Mutant("adopt.py", "chunks of another program are no reason to stop", "        if foreign and not adopt:\n", "        if False:\n"),
    Mutant("adopt.py", "chunks of another Confluence are taken over", "one.metadata is None or one.metadata.source == source", "True"),
    Mutant("adopt.py", "half a page counts as whole", "fingerprint=str(fingerprint) if whole and one else", "fingerprint=str(fingerprint) if one else"),
    Mutant("adopt.py", "a page of two versions counts as one", "fingerprint=str(fingerprint) if whole and one else", "fingerprint=str(fingerprint) if whole else"),
    Mutant("adopt.py", "what the state said is kept beside what the store holds", "    state.forget_all(scope.key)\n    state.put(scope.key, empty)\n", "    state.put(scope.key, empty)\n"),
    Mutant("adopt.py", "sightings are forgotten", "    state.note_missing(scope.key, missing)\n", ""),
    Mutant("adopt.py", "pages of other shards are taken over", "        if scope.owns(page_id):\n            yield page_id, list(rows)\n", "        yield page_id, list(rows)\n"),
    Mutant("adopt.py", "the books always balance", "fits = seen.count is None or expected is None or seen.count == expected", "fits = True"),
    Mutant("adopt.py", "a server that lost its features is believed", "known.identity != seen.id and Feature.UPSERT in store.features", "False"),
    # bindings, run and report
    Mutant("bindings.py", "a name may mean another space", "if binding.wish == one.wish and binding.space_id != one.space.id:", "if False:"),
    Mutant("bindings.py", "another scope goes unnoticed", "if binding.space_id == one.space.id and binding.selection != scope.selection:", "if False:"),
    Mutant("bindings.py", "a vanished space is not held", "            job.report.held.append(Held(binding.space_key, why, count=job.state.size(binding.scope)))\n", "            pass\n"),
    Mutant("bindings.py", "another number of shards goes unnoticed", " and bound[key].described == scope.describe()", ""),
    Mutant("bindings.py", "pages of other shards stay in the state", "if not scope.owns(entry.page_id)", "if False"),
    Mutant("bindings.py", "--rebuild lets any number go", "    if held > allowed:\n", "    if False:\n"),
    Mutant("sync.py", "deletions are made although they were refused", "    if not refused:\n        job.report.held += delete_gone", "    if True:\n        job.report.held += delete_gone"),
    Mutant("sync.py", "held is success", "    if report.held or 4 in errors:\n", "    if 4 in errors:\n"),
    Mutant("sync.py", "failed pages are success", "any(space.pages.failed or space.cut_short for space in report.spaces)", "False"),
    Mutant("sync.py", "what another program left goes before all is in", "    if foreign and not whole:\n", "    if False:\n"),
    Mutant("sync.py", "a store that keeps nothing is believed", "    if lost:\n", "    if False:\n"),
    Mutant("run.py", "two runs at once", "    if not state.database.lock(", "    if False and not state.database.lock("),
    Mutant("state.py", "a newer state is written over", "        if found > SCHEMA_VERSION:\n", "        if False:\n"),
    Mutant("database.py", "half a transaction is kept", "            yield\n            with self._mapped():\n", "            try:\n                yield\n            finally:\n"),
    Mutant("stores/sqlite.py", "no stamp", "UPDATE collection SET stamp = hex(randomblob(8)) WHERE number = ?", "UPDATE collection SET stamp = stamp WHERE number = ?"),
    # the embedded store's file
    Mutant("stores/sqlite_file.py", "an earlier version goes on writing past the index", '    connection.execute("CREATE VIEW collections AS SELECT * FROM collection")\n', '    connection.execute("CREATE TABLE collections AS SELECT * FROM collection")\n'),
    Mutant("stores/sqlite_file.py", "an index that was written past is kept", "VALUES ('rebuild')", "VALUES ('optimize')"),
    Mutant("stores/sqlite_file.py", "who comes second lays out again", "    elif found < SCHEMA:\n", "    else:\n"),
    Mutant("stores/sqlite_words.py", "words of deleted chunks stay", "SELECT 'delete', number, heading, pairs, text FROM chunks_{number} WHERE number IN ({those})", "SELECT 'delete', number, heading, pairs, text FROM chunks_{number} WHERE number IN (0)"),
    Mutant("stores/sqlite_words.py", "the first new chunk is not indexed", "WHERE number > ? ORDER BY number\"\"\",\n        (last,),", "WHERE number > ? ORDER BY number\"\"\",\n        (last + 1,),"),
    # reading and converting beside the run
    Mutant("source/confluence.py", "labels older than the body", "read.changed(refs))", "[])"),
    Mutant("source/labels.py", "labels of changed pages stay when search does not know them", "for page_id, labels in found.items() if page_id not in changed}", "for page_id, labels in found.items()}"),
    Mutant("fetch.py", "an answer waits until all are in flight", "_Depth(min(FEWEST, concurrency), concurrency)", "_Depth(concurrency, concurrency)"),
    Mutant("workshop.py", "pages are redone beside others", "        self.close()\n        log.warning(", "        log.warning("),
    Mutant("workshop.py", "who waits behind a stuck page is to blame", "not isinstance(error, (BrokenExecutor, TimeoutError))", "not isinstance(error, BrokenExecutor)"),
    Mutant("workers.py", "workers outlive the end", "                os.killpg(self._first.pid, signal.SIGKILL)\n", "                self._first.kill()\n"),
    Mutant("worker.py", "a line stays open in other workers", "            os.close(line)  # or", "            pass  # or"),
    Mutant("worker.py", "who was forked is left to process 1", "    _clear_away()  # with", "    # with"),
    # rotate
    Mutant("rotate.py", "pages that could not be told are left out", "        if unknown or changed:\n", "        if False:\n"),
    Mutant("rotate.py", "account and space are not seen again", 'changed = changed_since(self.job.source, self.scope, self.job.account) if missing else ""', 'changed = ""'),
    Mutant("generations.py", "an edit while a collection is filled is noted as the version that was listed", "set progress = 1, version = ?, fingerprint = ?,", "set progress = 1, version = coalesce(version, ?), fingerprint = coalesce(fingerprint, ?),"),
    Mutant("rotate.py", "a partial listing is rotated", "    if not plan.complete:\n", "    if False:\n"),
    Mutant("rotate.py", "a second owner is let in", "        if others or owners or self.scope.shards > 1:\n", "        if False:\n"),
    Mutant("rotate.py", "a new collection that lacks pages goes live", "            if lost:\n", "            if False:\n"),
    Mutant("rotate.py", "the live collection is dropped first", "        rotation.switch(generation)\n        rotation.drop_leftovers()\n", "        rotation._drop(live.generation.name if live.generation else '')\n        rotation.switch(generation)\n        rotation.drop_leftovers()\n"),
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="files whose name contains this")
    parser.add_argument("--skip", type=int, default=0, metavar="N", help="go on after the first N")
    parser.add_argument("--tests", nargs="+", default=list(TESTS))
    options = parser.parse_args()
    caught, silent, stale = 0, [], []
    for mutant in [m for m in MUTANTS if options.only in m.file][options.skip :]:
        first = FIRST.get(Path(mutant.file).stem, ())
        verdict = _tried(mutant, list(dict.fromkeys((*first, *options.tests))))
        print(f"{verdict:<9} {mutant.file:<18} {mutant.what}", flush=True)
        caught += verdict == "caught"
        silent += [mutant] if verdict == "MISSED" else []
        stale += [mutant] if verdict == "stale" else []
    print(f"{caught} of {caught + len(silent)} wrong orderings are caught; {len(stale)} no longer fit the program's text")
    return 1 if silent else 0


def _tried(mutant: Mutant, tests: list[str]) -> str:
    """caught, MISSED, or stale when the text to change is not there once."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("src", "tests", "pyproject.toml"):
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, copy / name)
        file = copy / PACKAGE / mutant.file
        text = file.read_text(encoding="utf-8")
        if text.count(mutant.old) != 1:
            return "stale"
        file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        return "caught" if _fails(copy, tests) else "MISSED"


def _fails(copy: Path, tests: list[str]) -> bool:
    files = [str(file) for name in tests for file in sorted((copy / "tests").glob(f"test_{name}*.py"))]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files]
    values = {**os.environ, "PYTHONPATH": f"{copy}{os.pathsep}{copy / 'src'}"}
    return subprocess.run(command, cwd=copy, env=values, capture_output=True, timeout=900, check=False).returncode == 1


if __name__ == "__main__":
    raise SystemExit(main())
