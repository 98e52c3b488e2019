"""Feeds damage to every parser of foreign input but the converter's: python -m benchmarks.fuzz_foreign [--minutes N] [--seed N]."""

from __future__ import annotations

import argparse
import json
import logging
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.store_contract import SAMPLE
from tests.torture.world import first_day, gateway

from benchmarks.damage import damaged, damaged_bytes, odd_headers, torn
from confluence_sync.database import SqliteDatabase
from confluence_sync.errors import ConfluenceSyncError
from confluence_sync.http import Answer, Link, Patience
from confluence_sync.jsonvalue import as_object
from confluence_sync.model import PageRef, Scope, Space, plain_text
from confluence_sync.settings_files import read_settings
from confluence_sync.simulator import site
from confluence_sync.simulator.messages import Request
from confluence_sync.simulator.wiki import Wiki, load
from confluence_sync.source.confluence import Confluence
from confluence_sync.source.connect import open_source
from confluence_sync.source.folder import folder_id
from confluence_sync.state import State
from confluence_sync.stores.remote import routes_from
from confluence_sync.stores.stored_metadata import metadata_from
from confluence_sync.stores.underscore import FULL, UnderscoreStore, features_from

KNOWN_SPACE = Space("501", "KB", "Space KB")


@dataclass
class DamagingWire:
    """Answers from a simulated wiki in this process, damaged every so often."""

    wiki: Wiki
    options: site.Options
    dice: random.Random
    share: float = 0.3

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, timeout: float, limit: int) -> Answer:
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        real = site.answer(Request(method, target, {k.lower(): v for k, v in headers.items()}, content or b""), self.wiki, self.options)
        status, body = real.status, real.body
        if self.dice.random() < self.share:
            status = self.dice.choice([status] * 12 + [204, 301, 400, 401, 403, 404, 410, 418, 429, 500])
            body = damaged_bytes(body, self.dice)
        return Answer(status, odd_headers(self.dice), body, url)

    def close(self) -> None:
        """Nothing to close."""


@dataclass
class Bench:
    """What the targets work on, and what was found: the kind of each failure that is not ours, with the seed that makes it."""

    folder: Path
    wiki: Wiki
    state: State
    tried: Counter[str] = field(default_factory=Counter)
    found: dict[str, str] = field(default_factory=dict)


def source_for(bench: Bench, dice: random.Random) -> Confluence:
    options = site.Options(site="http://site.invalid")
    source = open_source(read_settings({}, gateway("http://127.0.0.1:9", bench.folder), bench.folder), Patience(1, 0, 0, 1))
    source.link.close()
    wire = DamagingWire(bench.wiki, options, dice)
    for owner in (source, source.cql, source.v2):
        for name in ("link", "_link"):
            if hasattr(owner, name):
                setattr(owner, name, Link(source.link.base, wire, source.link.headers, (), Patience(1, 0, 0, 1)))
    for route in source.routes.routes:
        route._link = source.link  # type: ignore[attr-defined]  # every route over the damaging wire
    return source


def confluence(bench: Bench, dice: random.Random) -> None:
    """Everything a run asks Confluence, and the listing into the state, where odd values would break the database."""
    source = source_for(bench, dice)
    refs = [PageRef(str(1000 + n), 1, "t") for n in range(1, 6)]
    scope = Scope(KNOWN_SPACE, folder_id="1001" if dice.random() < 0.3 else "", labels=("red",) if dice.random() < 0.3 else ())
    asked: list[Callable[[], object]] = [
        source.whoami,
        lambda: list(source.spaces()),
        lambda: source.space("501"),
        lambda: listed(bench, source, scope),
        lambda: [plain_text(page.body) for page in source.pages(refs, KNOWN_SPACE) if hasattr(page, "body")],
        lambda: source.presence(["1001", "1002", "77"], scope),
        lambda: source.names(["a", "b"]),
        lambda: list(source.labels_of_space(KNOWN_SPACE)),
    ]
    (dice.choice(asked) if dice.random() < 0.5 else asked[3])()


def listed(bench: Bench, source: Confluence, scope: Scope) -> None:
    from confluence_sync.listing import make_plan, spool
    from confluence_sync.plan import Wanted

    listing = spool(bench.state, source, "key", scope, Wanted(refresh_labels=True), lambda done: None)
    make_plan(bench.state, listing, "r", Wanted(), 1)


class StoreWire:
    """Answers of a Vector API, damaged."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, timeout: float, limit: int) -> Answer:
        documents = [{"document_id": c.id, "text": c.text, "score": 0.5, "metadata": c.metadata.as_dict()} for c in SAMPLE]
        answers = {
            "documents": documents,
            "results": documents,
            "next_cursor": None,
            "document_count": 3,
            "metadata": {"generation": "g"},
            "revision": "r",
        }
        return Answer(200, {}, damaged_bytes(json.dumps(answers).encode(), self.dice), url)

    def close(self) -> None:
        """Nothing to close."""


def vector_api(bench: Bench, dice: random.Random) -> None:
    """What a Vector API lists, finds and says about itself, and the rebuilding of a state from it."""
    from confluence_sync.adopt import Owned, reconcile_with_store

    store = UnderscoreStore(Link("http://store.invalid", StoreWire(dice), patience=Patience(1, 0, 0, 1)), "c", FULL, 100)
    asked: list[Callable[[], object]] = [
        lambda: reconcile_with_store(
            bench.state, store, f"t{dice.random()}", "cloud:test", [Owned("k", Scope(Space("1", "KNOWN", "")), False)], True
        ),
        lambda: store.query("words", 3),
        store.identity,
    ]
    dice.choice(asked)()


def openapi(bench: Bench, dice: random.Random) -> None:
    """A server's description of its own routes."""
    from confluence_sync.service.vector_openapi import document

    features_from(routes_from(as_object(json.loads(json.dumps(damaged(document(), dice))), "openapi.json")))


def metadata(bench: Bench, dice: random.Random) -> None:
    """What a store gives back as a chunk's metadata, of whatever types a server makes of them."""
    values = as_object(damaged(SAMPLE[0].metadata.as_dict(), dice) if dice.random() < 0.9 else {}, "metadata")
    plain = {key: value for key, value in values.items() if isinstance(value, (str, int, float, bool, list))}
    found = metadata_from(plain)
    if found:
        found.as_dict(), found.reader_hash  # both read every field


def env_file(bench: Bench, dice: random.Random) -> None:
    """.env files with anything in them."""
    (bench.folder / ".env").write_bytes(
        torn(b"CONF_USER=\"a b\"\nexport SPACE_NAME='*'\nCHUNK_TOKENS=80\nSINCE_HOURS=\nVECTOR_API_BASE_URL=http://x\n# c\n", dice)
    )
    read_settings({}, {}, bench.folder)


def pasted(bench: Bench, dice: random.Random) -> None:
    """Links that people paste."""
    folder_id(torn(b"https://x.atlassian.net/wiki/spaces/KB/pages/123/Title?pageId=5", dice).decode("utf-8", "replace"))


TARGETS = (confluence, confluence, confluence, vector_api, vector_api, openapi, metadata, env_file, pasted)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), load(first_day()), State(SqliteDatabase(Path(folder) / "state.db")))
        until, seed = time.monotonic() + options.minutes * 60, options.seed
        while time.monotonic() < until:
            try_one(bench, seed)
            seed += 1
        bench.state.close()
    print(f"{sum(bench.tried.values())} inputs in {options.minutes} minutes from seed {options.seed}: {dict(bench.tried)}")
    print(f"{len(bench.found)} kinds of failure that are not ours")
    return 1 if bench.found else 0


def try_one(bench: Bench, seed: int) -> None:
    """One input for one target: only our own failures may come out."""
    dice = random.Random(seed)
    target = dice.choice(TARGETS)
    bench.tried[target.__name__] += 1
    try:
        target(bench, dice)
    except ConfluenceSyncError as error:
        if error.exit_code == 1:
            note(bench, target.__name__, seed, error)
    except Exception as error:  # noqa: BLE001  # this is what a fuzzer looks for
        note(bench, target.__name__, seed, error)


def note(bench: Bench, target: str, seed: int, error: Exception) -> None:
    trace, where = error.__traceback__, ""
    while trace:
        where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    kind = f"{target}: {type(error).__name__} at {where}"
    if kind not in bench.found:
        bench.found[kind] = f"seed {seed}: {str(error)[:200]!r}"
        print(f"{kind}, seed {seed}: {str(error)[:200]!r}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
