"""Installs one server version into its own environment under ~/.cache, once: `python -m tests.integration.llama_servers.install 0.2.23`."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.integration.llama_servers.recipes import RECIPES, Recipe

PYENV = Path("~/.pyenv/versions").expanduser()
HOME = Path(os.environ.get("LLAMA_SERVERS_HOME", "~/.cache/confluence-sync/llama-servers")).expanduser()
ENCODING = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"  # the name under which tiktoken caches cl100k_base


class CannotInstall(Exception):
    """No fitting Python, or pip failed; the message says what to do."""


def installed(recipe: Recipe) -> Path:
    """The environment of that version, made now if it is not there. Two callers at once wait for each other."""
    place = HOME / recipe.version
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / f"{recipe.version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "ready").exists():
            _install(recipe, place)
            (place / "ready").touch()
    return place


def _install(recipe: Recipe, place: Path) -> None:
    _run(_python(), "-m", "venv", "--clear", str(place))
    _run(str(place / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", *recipe.all_packages)
    if recipe.needs_encoding:
        _fetch_encoding(place)


def _fetch_encoding(place: Path) -> None:
    """These servers refuse to start without the cl100k_base file, which litellm's wheel carries."""
    down, cache = place / "down", place / "tiktoken"
    cache.mkdir(exist_ok=True)
    _run(str(place / "bin" / "pip"), "download", "-q", "--disable-pip-version-check", "--no-deps", "-d", str(down), "litellm")
    wheel = next(down.glob("litellm-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(ENCODING))
        (cache / ENCODING).write_bytes(archive.read(name))
    wheel.unlink()


def _python() -> str:
    """Python 3.12 or 3.13, which every version takes: LLAMA_SERVERS_PYTHON, one on the PATH, or pyenv's."""
    pyenv = sorted(PYENV.glob("3.1[23].*/bin/python3"))
    named = [os.environ.get("LLAMA_SERVERS_PYTHON", ""), "python3.12", "python3.13", *map(str, pyenv)]
    for name in filter(None, named):
        if _is_new_enough(name):
            return name
    raise CannotInstall("Llama Stack servers need Python 3.12 or 3.13: install one or set LLAMA_SERVERS_PYTHON")


def _is_new_enough(python: str) -> bool:
    check = "import sys, venv, ensurepip; sys.exit(not (3, 12) <= sys.version_info < (3, 14))"
    try:
        return subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotInstall(f"{' '.join(command[:4])} ... failed: {done.stderr.strip()[-1500:]}")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or list(RECIPES):
        print(wanted, installed(RECIPES[wanted]))
