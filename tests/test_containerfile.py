"""The Containerfile and the pinned requirements it installs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FILES = sorted(ROOT.glob("requirements*.txt"))


def pinned(file: Path) -> list[Requirement]:
    joined = file.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.partition("--hash")[0].strip() for line in joined.splitlines() if line and not line.startswith("#")]
    return [Requirement(line) for line in lines]


def test_hadolint_has_nothing_to_say():
    """The Containerfile follows hadolint's rules, save for one whose reason stands beside it."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "hadolint"), "Containerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_docker_finds_it_too():
    """`docker buildx build .` looks for Dockerfile and .dockerignore: both are the same files."""
    assert (ROOT / "Dockerfile").resolve() == ROOT / "Containerfile"
    assert (ROOT / ".dockerignore").resolve() == ROOT / ".containerignore"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_everything_is_pinned_with_hashes(file):
    """Every requirement has one exact version and at least one hash."""
    entries = re.split(r"\n(?=[a-z])", file.read_text(encoding="utf-8"))[1:]
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.\[\]-]+==[^ ]+ ", entry), entry[:60]
        assert "--hash=sha256:" in entry, entry[:60]


@pytest.mark.parametrize(("python", "client"), [("3.11", "0.2.12"), ("3.12", "0.2.23"), ("3.13", "0.2.23")])
def test_llama_stack_client_fits_the_python(python, client):
    """Python 3.11 gets the last client that runs on it; the image's 3.12 gets the one the servers of that time want."""
    environment = {"python_version": python, "python_full_version": f"{python}.9"}
    chosen = [r for r in pinned(ROOT / "requirements.txt") if r.name == "llama-stack-client" and r.marker.evaluate(environment)]
    assert [str(r.specifier) for r in chosen] == [f"=={client}"]


def test_requirements_fit_the_project():
    """Whatever the program asks for at run time, in the image's extras too, is pinned at a version that it accepts."""
    versions = {r.name: r.specifier for r in pinned(ROOT / "requirements.txt")}
    extras = PROJECT["optional-dependencies"]
    wanted = [Requirement(line) for line in [*PROJECT["dependencies"], *extras["service"], *extras["pgvector"], *extras["jwt"]]]
    for requirement in wanted:
        (pin,) = versions[requirement.name]
        assert requirement.specifier.contains(pin.version), f"{requirement.name}: run scripts/lock"


def test_extras_of_the_image_agree_with_its_requirements():
    """Installing an extra changes no version of what is there already."""
    base = {(r.name, str(r.marker)): str(r.specifier) for r in pinned(ROOT / "requirements.txt")}
    for extra in ("milvus", "onnx"):
        more = {(r.name, str(r.marker)): str(r.specifier) for r in pinned(ROOT / f"requirements-{extra}.txt")}
        assert base.items() <= more.items(), extra
