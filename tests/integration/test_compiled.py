"""The package as pip installs it where there is a C compiler, and where there is none: the same pages become the same chunks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.installed import MADE_OF, ROOT, installed
from build.env import DefaultIsolatedEnv

pytestmark = pytest.mark.integration

OF_CONVERSION = (
    "compiled_checks", "test_chunk", "test_chunk_stability", "test_convert_damaged", "test_convert_golden", "test_convert_rare",
    "test_convert_rendered", "test_convert_safety", "test_fuzz_convert", "test_tokens",
)  # fmt: skip


def test_what_is_compiled_passes_the_tests_of_what_is_not() -> None:
    """The tests of conversion, chunking and counting, and the comparisons of both, run against the installed package."""
    place = installed()
    files = [f"tests/{name}.py" for name in OF_CONVERSION]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "-o", f"pythonpath={place} {ROOT}", *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ""})
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_nothing_is_compiled_beside_its_source(tmp_path: Path) -> None:
    """Compiled modules in src would hide what is edited there, so the command that puts them there is refused."""
    for part in MADE_OF:  # copied, as one that were not refused would put them there
        (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, tmp_path / part)
    with DefaultIsolatedEnv() as own:
        own.install({"setuptools>=77"})
        command = [own.python_executable, "setup.py", "build_ext", "--inplace"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "would hide what is edited there" in done.stderr
    assert list((tmp_path / "src").rglob("*.so")) == []


BREAKS_OFF = """#!/bin/sh
case "$*" in *walk.c*) echo "cc1: killed" >&2; exit 1;; esac
exec cc "$@"
"""


@pytest.mark.parametrize(
    ("compiler", "cython"),
    [("", True), (BREAKS_OFF, True), ("#!/bin/sh\nexec cc", False)],
    ids=["none", "one that breaks off", "no Cython"],
)
def test_without_a_compiler_the_package_installs_and_runs(tmp_path: Path, compiler: str, cython: bool) -> None:
    """A machine where C does not compile, or not all of it, or where Cython is missing, still gets a program that works and no part of what
    is compiled; the name of its package says so, and the same page becomes the same Markdown."""
    for part in MADE_OF:
        (tmp_path / part).symlink_to(ROOT / part)
    if not cython:
        project = tmp_path / "pyproject.toml"
        project.unlink()
        project.write_text((ROOT / project.name).read_text().replace(', "Cython>=3.1,<4"]', "]"))
        assert "Cython" not in project.read_text()
    cc = tmp_path / "cc"
    if compiler:
        cc.write_text(compiler)
        cc.chmod(0o755)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target", "made", "."]
    subprocess.run(pip, cwd=tmp_path, check=True, env={**os.environ, "CC": str(cc)})
    package = tmp_path / "made" / "confluence_sync"
    assert (package / "convert" / "walk.py").exists()
    assert list(package.rglob("*.so")) == []
    [wheel] = (tmp_path / "made").glob("*.dist-info/WHEEL")
    assert "Tag: py3-none-any" in wheel.read_text()
    program = "from tests.convert_pages import golden, markdown; print(markdown(golden('tables').body))"
    paths = {"PYTHONPATH": f"{tmp_path / 'made'}{os.pathsep}{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, **paths}, capture_output=True, text=True, check=True
    )
    assert done.stdout == (ROOT / "tests" / "golden" / "tables.md").read_text(encoding="utf-8")
