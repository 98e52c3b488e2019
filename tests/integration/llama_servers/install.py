"""Installs one server version into its own environment under ~/.cache, once: `python -m tests.integration.llama_servers.install 0.2.23`."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.integration.llama_servers.recipes import RECIPES, Recipe

HOME = Path(os.environ.get("LLAMA_SERVERS_HOME", "~/.cache/confluence-sync/llama-servers")).expanduser()
PYENV = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
ROOT = Path(__file__).parents[3]
OLDEST = (3, 12)
ENCODING = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"  # the name under which tiktoken caches cl100k_base


class CannotInstall(Exception):
    """pip failed; the message has its words."""


class NoPython(Exception):
    """No Python on this machine that the server runs on; the message says what to do."""


def installed(recipe: Recipe) -> Path:
    """The environment of that version, made now if it is not there, or was made of other packages."""
    return _environment(recipe.version, recipe.all_packages, recipe.needs_encoding)


def client_environment(version: str) -> Path:
    """An environment with what this program and its tests need and a llama-stack-client of that version, which wants Python 3.12."""
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    return _environment(f"client-{version}", (*ours, f"llama-stack-client=={version}", "fire", "pytest>=8.3"), False)


def _environment(name: str, packages: tuple[str, ...], needs_encoding: bool) -> Path:
    """Two callers at once wait for each other."""
    place = HOME / name
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready = place / "ready"
        if not ready.exists() or ready.read_text() != "\n".join(packages):
            _install(place, packages, needs_encoding)
            ready.write_text("\n".join(packages))
    return place


def _install(place: Path, packages: tuple[str, ...], needs_encoding: bool) -> None:
    _run(python_from(OLDEST), "-m", "venv", "--clear", str(place))
    _run(str(place / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", *packages)
    if needs_encoding:
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


def python_from(oldest: tuple[int, int]) -> str:
    """A Python from `oldest` to 3.13, 3.12 if there is one. Raises NoPython when this machine has none."""
    for name in _pythons():
        if _fits(name, oldest):
            return name
    wanted = ".".join(map(str, oldest))
    raise NoPython(f"needs Python {wanted} to 3.13, and none was found: install one, or name its program in LLAMA_SERVERS_PYTHON")


def _pythons() -> Iterator[str]:
    """The one that is named, those on the PATH, those that lie beside the running one or in pyenv, and the running one."""
    yield from filter(None, [os.environ.get("LLAMA_SERVERS_PYTHON", "")])
    yield from ("python3.12", "python3.13")
    for minor in ("3.12", "3.13"):
        yield from (str(found) for folder in (Path(sys.base_prefix).parent, PYENV) for found in sorted(folder.glob(f"*/bin/python{minor}")))
    yield sys.executable


def _fits(python: str, oldest: tuple[int, int]) -> bool:
    check = f"import sys, venv, ensurepip; sys.exit(not {oldest} <= sys.version_info < (3, 14))"
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
