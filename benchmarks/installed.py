"""The program as pip installs it, compiled where there is a C compiler: python -m benchmarks.installed prints the folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
MADE_OF = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "src", "compiled")
HOME = Path(os.environ.get("TEST_ENVIRONMENTS", Path.home() / ".cache" / "confluence-sync"))
KEPT = 4  # builds, of which others may be in use
RUNNING = "CONFLUENCE_SYNC_INSTALLED"


def installed(root: Path = ROOT) -> Path:
    """A folder for PYTHONPATH with this tree's package alone, made now, as a release is, where these very files were not built before
    (half a minute)."""
    place = HOME / f"installed-{_digest(root)}"
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "installed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            _build(root, place)
    return place


def as_installed() -> None:
    """Starts this Python program again with the installed package in front, unless that is how it runs already."""
    if RUNNING in os.environ:
        return
    place = str(installed())
    path = os.pathsep.join(filter(None, (place, str(ROOT), os.environ.get("PYTHONPATH", ""))))
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONPATH": path, RUNNING: place})


def _build(root: Path, place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=HOME) as name:
        copy, made = Path(name) / "tree", Path(name) / "made"
        copy.mkdir()
        for part in MADE_OF:
            (shutil.copytree if (root / part).is_dir() else shutil.copy)(root / part, copy / part)
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
        release = [sys.executable, "-m", "build", "--sdist", "--outdir", name, str(copy)]
        told = subprocess.run(release, capture_output=True, text=True, check=False, env=env)
        if told.returncode:
            raise RuntimeError(f"the sdist cannot be built: {(told.stdout + told.stderr)[-2000:]}")
        [released] = Path(name).glob("*.tar.gz")
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target", str(made)]
        subprocess.run([*pip, str(released)], check=True, stdout=sys.stderr, env=env)
        if not any(made.rglob("*.so")):
            raise RuntimeError("the package was installed without what is compiled: install a C compiler and Python's headers")
        made.rename(place)
    for old in sorted(HOME.glob("installed-*"), key=lambda folder: folder.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(old)


def _digest(root: Path) -> str:
    """Of all that the package is made of, and of the Python that builds it."""
    h = hashlib.blake2b(sysconfig.get_config_var("EXT_SUFFIX").encode(), digest_size=8)
    for file in _files(root):
        h.update(str(file.relative_to(root)).encode())
        h.update(file.read_bytes())
    return h.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    for part in MADE_OF:
        found = sorted((root / part).rglob("*")) if (root / part).is_dir() else [root / part]
        yield from (file for file in found if file.is_file() and "__pycache__" not in file.parts and ".egg-info" not in str(file))


if __name__ == "__main__":
    print(installed())
