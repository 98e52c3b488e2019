"""Canary values in every secret setting: nothing that a run says, writes, posts or leaves behind has one of them in it."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from confluence_sync.cli import main
from confluence_sync.commands import syncing
from confluence_sync.config import declared
from confluence_sync.settings_files import read_settings
from confluence_sync.simulator.access import Access
from confluence_sync.simulator.faults import Rule
from confluence_sync.simulator.server import Simulator
from confluence_sync.simulator.site import Options
from tests.torture.world import first_day, gateway

USER = "canary.person@example.com"
TOKEN = "CANARY-token-3141592653"
CANARIES = {
    "CONF_API_TOKEN": TOKEN,
    "VECTOR_API_KEY": "CANARY-vector-key",
    "EMBEDDING_API_KEY": "CANARY-embedding-key",
    "LITELLM_API_KEY": "CANARY-llm-key",
    "API_KEY": "CANARY-service-key",
}
ADDRESSES = {
    "DATABASE_URL": "postgresql://someone:CANARY-database-password@127.0.0.1:9/nowhere",
    "STATE_URL": "postgresql://someone:CANARY-state-password@127.0.0.1:9/nowhere",
    "NOTIFY_WEBHOOK_URL": "http://127.0.0.1:9/services/CANARY-webhook-path",
}


def forms() -> list[bytes]:
    """Each canary as it is, in a URL, and in a Basic header."""
    plain = [*CANARIES.values(), "CANARY-pat", "CANARY-database-password", "CANARY-state-password", "CANARY-webhook-path"]
    basic = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
    coded = [base64.b64encode(text.encode()).decode().rstrip("=") for text in plain]
    return [form.encode() for form in {*plain, *map(quote, plain), basic, *coded}]


def spilled(*texts: str | bytes) -> list[str]:
    raw = [text.encode() if isinstance(text, str) else text for text in texts]
    return [form.decode() for form in forms() if any(form in text for text in raw)]


def left_behind(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def environment(url: str, folder: Path, **more: str) -> dict[str, str]:
    root = Path(__file__).parents[1]
    values = {**gateway(url, folder / "state"), "CONF_USER": USER, **CANARIES, "METRICS_TEXTFILE": str(folder / "run.prom")}
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(root / "src"), **values, **more}


def ran(arguments: list[str], values: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "confluence_sync", *arguments]
    return subprocess.run(command, env=values, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def simulator(**more: object) -> Simulator:
    return Simulator(first_day(), Options(access=Access(user=USER, token=TOKEN)), **more)  # type: ignore[arg-type]


def test_a_run_that_goes_well_leaves_no_secret(tmp_path: Path) -> None:
    """Log with --debug-http and VERBOSE, report, metrics, state and store of a run have none; the next verbs neither."""
    with simulator() as confluence:
        values = environment(confluence.url, tmp_path, VERBOSE="1", NOTIFY_WEBHOOK_URL=ADDRESSES["NOTIFY_WEBHOOK_URL"])
        verbs = (["sync", "--debug-http", "--report", "report.json"], ["plan"], ["check"], ["status"], ["verify"], ["query", "words"])
        for verb in verbs:
            done = ran(verb, values, tmp_path)
            assert "Traceback" not in done.stderr
            assert spilled(done.stdout, done.stderr) == []
    files = left_behind(tmp_path)
    assert {file.name for file in files} >= {"report.json", "state.db", "store.db", "run.prom"}
    assert {file.name: spilled(raw) for file, raw in files.items() if spilled(raw)} == {}


class Echo(BaseHTTPRequestHandler):
    """Answers everything with an error that repeats the request's headers and address, as some proxies do."""

    def do_GET(self) -> None:
        said = json.dumps({"message": f"refused {self.path} {dict(self.headers)}"}).encode()
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def echo(status: int) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        server.status = status  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("status", [400, 401, 403, 404])
@pytest.mark.parametrize("side", ["confluence", "store"])
def test_a_server_that_repeats_our_headers_gives_none_away(tmp_path: Path, status: int, side: str) -> None:
    """The message of a failure may quote the server, and the server may quote us: the secret is taken out on the way."""
    with echo(status) as url, simulator() as confluence:
        own = {"VECTOR_API_BASE_URL": url, "VECTOR_BACKEND": "underscore"} if side == "store" else {}
        values = environment(url if side == "confluence" else confluence.url, tmp_path, **own)
        done = ran(["sync", "--debug-http", "--report", "report.json"], values, tmp_path)
    assert done.returncode in (2, 5)
    assert "refused" in done.stderr
    assert spilled(done.stdout, done.stderr, *left_behind(tmp_path).values()) == []


@pytest.mark.parametrize(
    ("verb", "own"),
    [
        (["sync"], {"CONF_PAT": "CANARY-pat", "CONF_BASE_URL": "ECHO", "CONF_CLOUD_ID": "", "CONF_USER": "", "CONF_API_TOKEN": ""}),
        (["sync"], {"EMBEDDING_BACKEND": "openai", "EMBEDDING_URL": "ECHO/v1", "EMBEDDING_MODEL_ID": "m"}),
        (["ask", "words about part 2"], {"LITELLM_API_BASE": "ECHO/v1", "LITELLM_MODEL": "openai/m"}),
        (["sync"], {"NOTIFY_WEBHOOK_URL": "ECHO/services/CANARY-webhook-path"}),
    ],
    ids=["Data Center", "embedding", "model", "chat"],
)
def test_nobody_else_that_repeats_our_headers_gives_one_away(tmp_path: Path, verb: list[str], own: dict[str, str]) -> None:
    """The same for every other server that a run or a question talks to: its words are shown without the secret it was sent."""
    with echo(400) as url, simulator() as confluence:
        values = environment(confluence.url, tmp_path, **{name: value.replace("ECHO", url) for name, value in own.items()})
        filled = ran(["sync"], environment(confluence.url, tmp_path), tmp_path)
        assert filled.returncode == 0, filled.stderr
        done = ran([*verb, "--debug-http"] if verb == ["sync"] else verb, values, tmp_path)
    assert "400" in done.stderr
    assert spilled(done.stdout, done.stderr, *left_behind(tmp_path).values()) == []


@pytest.mark.parametrize("status", [401, 500])
def test_a_containers_last_words_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """What Kubernetes shows of a failed run, its report and its page say why and no secret."""
    last = tmp_path / "termination-log"
    last.touch()
    monkeypatch.setattr(syncing, "TERMINATION_MESSAGE", last)
    monkeypatch.setattr("confluence_sync.http.Patience.__init__.__defaults__", (2, 0.01, 0.05, 5.0))
    with echo(status) as url:
        for name, value in environment(url, tmp_path).items():
            monkeypatch.setenv(name, value)
        assert main(["sync", "--report", str(tmp_path / "report.json"), "--html", str(tmp_path / "report.html")]) in (2, 5)
    assert len(last.read_text()) > 20
    assert spilled(*left_behind(tmp_path).values()) == []


BUG = """
import sys
from confluence_sync import sync
from confluence_sync.cli import main

def broken(settings, *rest):
    raise RuntimeError(f"a bug with {settings!r}")

sync.opened = broken
sys.exit(main(["sync", "--report", "report.json"]))
"""


def test_the_traceback_of_a_bug_has_none(tmp_path: Path) -> None:
    """Exit 1 with lines to be reported, which people paste into tickets: settings in them are ***."""
    values = environment("http://127.0.0.1:9", tmp_path, **ADDRESSES)
    done = subprocess.run([sys.executable, "-c", BUG], env=values, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "a bug with Settings(" in done.stderr
    assert spilled(done.stdout, done.stderr, *left_behind(tmp_path).values()) == []


@pytest.mark.parametrize("name", ["DATABASE_URL", "STATE_URL"])
def test_a_database_that_is_not_there_does_not_name_its_password(tmp_path: Path, name: str) -> None:
    """The address of a database holds a password; the message that it cannot be reached does not."""
    with simulator() as confluence:
        done = ran(["sync"], environment(confluence.url, tmp_path, **{name: ADDRESSES[name]}), tmp_path)
    assert done.returncode in (2, 5)
    assert spilled(done.stdout, done.stderr, *left_behind(tmp_path).values()) == []


def test_wrong_values_of_secrets_are_not_repeated(tmp_path: Path) -> None:
    """A secret that is no address is refused by name; the value is not shown."""
    values = environment(
        "http://127.0.0.1:9", tmp_path, DATABASE_URL="mysql://u:CANARY-database-password@x", STATE_URL="CANARY-state-password"
    )
    done = ran(["sync"], values, tmp_path)
    assert done.returncode == 2
    assert "DATABASE_URL" in done.stderr
    assert spilled(done.stdout, done.stderr) == []


def test_a_dump_of_the_settings_has_none(tmp_path: Path) -> None:
    """repr, str, asdict as JSON and a traceback with all local variables: wherever settings are printed, secrets are ***."""
    settings = read_settings({}, {**gateway("http://127.0.0.1:9", tmp_path), **CANARIES, **ADDRESSES}, tmp_path)
    try:
        raise RuntimeError("a bug")
    except RuntimeError as error:
        trace = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "settings" in trace
    assert spilled(repr(settings), str(settings), f"{settings}", json.dumps(asdict(settings), default=str), trace) == []


def test_every_setting_that_sounds_secret_is_one() -> None:
    """A setting whose name says key, token, password or secret has the type that never prints."""
    words = ("_KEY", "TOKEN", "PASSWORD", "SECRET", "CONF_PAT")
    not_secret = {"TLS_KEY", "CHUNK_TOKENS", "LLM_CONTEXT_TOKENS", "SPACE_KEY_FILTER"}
    suspicious = {s.env for s in declared().values() if any(word in s.env for word in words) and not s.secret}
    assert suspicious <= not_secret


def test_ps_shows_no_secret(tmp_path: Path) -> None:
    """The command line of a running sync and of its workers, which everybody on the machine may read, has none."""
    slow = Rule("body-format", "latency", "3")
    with simulator(faults=[slow]) as confluence:
        command = [sys.executable, "-m", "confluence_sync", "sync"]
        with subprocess.Popen(command, env=environment(confluence.url, tmp_path), cwd=tmp_path, stderr=subprocess.DEVNULL) as job:
            while not any("body-format" in line for line in confluence.lines):
                time.sleep(0.02)
            lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if _readable(file)]
            job.terminate()
    assert spilled(*lines) == []


def _readable(file: Path) -> bool:
    try:
        file.read_bytes()
    except OSError:
        return False
    return True


def test_nothing_of_a_page_or_person_is_in_the_log(tmp_path: Path) -> None:
    """At INFO no line holds page text, a question, an answer or an e-mail address, also when pages fail."""
    with simulator(faults=[Rule(".", "html200", page="1003")]) as confluence:
        confluence.edit("1002", "<p>A very private sentence, ask canary.person@example.com</p>")
        values = environment(confluence.url, tmp_path)
        said = [ran(["sync"], values, tmp_path).stderr, ran(["query", "a very private question"], values, tmp_path).stderr]
    assert "1003" in said[0]
    for private in ("private sentence", "private question", "canary.person", "words about part"):
        assert [line for text in said for line in text.splitlines() if private in line] == []


def test_a_sync_and_a_question_ask_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """No telemetry: with every name lookup refused, a sync and a question work; they need no host but the configured one."""

    def refuse(host: object, *rest: object, **more: object) -> object:
        raise AssertionError(f"somebody looked up {host}")

    with simulator() as confluence:
        for name, value in environment(confluence.url, tmp_path).items():
            monkeypatch.setenv(name, value)
        real = __import__("socket").getaddrinfo
        monkeypatch.setattr("socket.getaddrinfo", lambda host, *r, **m: real(host, *r, **m) if host == "127.0.0.1" else refuse(host))
        with caplog.at_level(logging.INFO):
            assert main(["sync"]) == 0
            assert main(["query", "words about part 2"]) == 0
    assert "Page" in capsys.readouterr().out
