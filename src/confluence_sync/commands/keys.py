"""`confluence-sync keys`: makes, lists and removes keys of the answering service."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing

from confluence_sync.commands.common import add_log_options, settings_for, table
from confluence_sync.errors import SettingsError
from confluence_sync.keys import SCOPES, KeyRing
from confluence_sync.service_file import ServiceFile


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("act", nargs="?", choices=("list", "add", "remove"), default="list")
    parser.add_argument("name", nargs="?", default="", help="who the key is for; shown in the list and in the log")
    parser.add_argument("--scope", action="append", choices=SCOPES, default=[], help="what it opens; may be repeated (query)")
    add_log_options(parser)


def run(options: argparse.Namespace) -> int:
    settings = settings_for(options)
    if options.act != "list" and not options.name:
        raise SettingsError(f"keys {options.act} needs a name, as in `confluence-sync keys {options.act} n8n`")
    with closing(ServiceFile(settings.state_dir)) as file:
        ring = KeyRing(file)
        if options.act == "add":
            print(ring.add(options.name, options.scope or ["query"]))
            print("This key is shown once and kept only as a hash. Send it as Authorization: Bearer or X-API-Key.", file=sys.stderr)
        elif options.act == "remove":
            if not ring.remove(options.name):
                raise SettingsError(f"there is no key {options.name!r}; `confluence-sync keys` lists them")
        else:
            rows = [(key.name, " ".join(key.scopes), key.created_at) for key in ring.all()]
            print(table([("NAME", "SCOPES", "MADE"), *rows]) if rows else "no keys; API_KEY in the settings is one more way to set one")
    return 0
