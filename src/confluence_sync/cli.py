"""The command line: parses arguments, finds the verb, and turns every failure into one message and one exit code."""

from __future__ import annotations

import argparse
import gc
import io
import logging
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn

from confluence_sync import __version__, compiled
from confluence_sync.errors import ConfluenceSyncError, Interrupted

log = logging.getLogger(__name__)

EXIT_CODES = """exit codes:
  0 done   1 a bug   2 settings   3 some pages failed, the rest is in   4 held back or refused, nothing lost
  5 the other end is unavailable   130/143 interrupted; the next run goes on"""

VERBS: dict[str, tuple[str, str]] = {
    "sync": ("commands.syncing", "bring the vector store in step with Confluence"),
    "plan": ("commands.planning", "show what sync would do, and what it would cost, without doing it"),
    "check": ("commands.checking", "test the settings: credentials, space, store; say what to fix"),
    "verify": ("commands.verifying", "compare the state with the store and the space; --repair mends what differs"),
    "status": ("commands.status", "show the last runs"),
    "query": ("commands.querying", "search the store"),
    "ask": ("commands.asking", "answer a question from the store, with sources"),
    "eval": ("commands.evaluating", "measure retrieval with your own questions"),
    "serve": ("commands.serving", "serve the Vector API and answers over HTTP"),
    "keys": ("commands.keys", "make, list and remove keys of the service"),
    "simulate": ("commands.simulating", "serve a simulated Confluence from a folder or JSONL file of pages"),
    "export": ("commands.exporting", "write one Markdown file a page into a folder"),
    "demo": ("commands.demo", "show the whole way on a sample space, with nothing to set up"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb and gives the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that cannot show a title is no reason to end
    options = _parser(given).parse_args(given)
    if options.verb is None:
        _parser([]).print_help()
        return 2
    _stop_on_signals()
    try:
        return int(import_module(f"confluence_sync.{VERBS[options.verb][0]}").run(options))
    except Interrupted as error:
        _say(error)
        _leave_at_once(error.exit_code)
    except ConfluenceSyncError as error:
        _say(error)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        log.exception("this is a bug in confluence-sync %s; please report it with the lines below", __version__)
        return 1


def program(arguments: Sequence[str] | None = None) -> int:
    """`main` as the last thing that a process does."""
    try:
        return main(arguments)
    finally:
        # Ending, Python looks for cycles again: 20 ms of CPU, a tenth of a night with nothing to do, for memory that goes anyway.
        gc.freeze()


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """Only the verb that was asked for brings its options, so that --help and mistakes answer without loading the rest."""
    parser = argparse.ArgumentParser(
        prog="confluence-sync",
        description="Keeps a vector store in step with a Confluence space.",
        epilog=f"settings come from the environment, .env.secrets and .env: confluence-sync sync --help lists them\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"confluence-sync {__version__} ({'' if compiled() else 'not '}compiled)")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    asked = next((word for word in given if word in VERBS), "")
    for verb, (module, words) in VERBS.items():
        sub = verbs.add_parser(verb, help=words, description=words, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter)
        if verb == asked:
            import_module(f"confluence_sync.{module}").add_options(sub)
    return parser


def _stop_on_signals() -> None:
    """SIGTERM and SIGINT end a run from wherever it is: every effect is ordered so that the next run can go on."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(number, signal.SIG_IGN)
        raise Interrupted(number)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _leave_at_once(code: int) -> NoReturn:
    """Without waiting for requests in flight, which may take a minute: an interrupted job has ten seconds."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _say(error: ConfluenceSyncError | Interrupted) -> None:
    from confluence_sync.logs import shown

    for line in str(error).splitlines():
        if logging.getLogger().handlers:
            log.error("%s", line)
        else:
            print(f"error: {shown(line)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(program())
