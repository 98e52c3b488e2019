"""Runs the image as a cluster would: the restrictions and the memory limit come from the manifests themselves."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.manifests import OPENSHIFT, ROOT, documents, pod_spec

TAG = "localhost/confluence-sync:integration"
ANY_USER = "1000710000:0"


@dataclass(frozen=True)
class Podman:
    """podman with the environment it needs here."""

    environment: Mapping[str, str]

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(["podman", *arguments], env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, done.stderr + done.stdout
        return done

    def job(
        self, environment: Mapping[str, str], *command: str, volume: Path | None = None, more: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Runs the image once as the Job's container and waits for it."""
        return self("run", "--rm", *restricted(volume), *as_arguments(environment), *more, TAG, *command, check=False)

    def server(self, name: str, environment: Mapping[str, str], url: str, *command: str) -> None:
        """Starts the image in the background under the same restrictions and waits until `url` answers anything at all."""
        self("rm", "--force", "--ignore", name)
        self("run", "--detach", "--name", name, *restricted(None), *as_arguments(environment), TAG, *command)
        deadline = time.monotonic() + 30
        while not answers(url):
            state = self("inspect", "--format={{.State.Status}}", name).stdout.strip()
            assert (state, time.monotonic() < deadline) == ("running", True), self("logs", name).stderr
            time.sleep(0.2)

    def wait_for_log(self, name: str, words: str) -> None:
        deadline = time.monotonic() + 30
        while words not in (said := self("logs", name).stderr):
            assert time.monotonic() < deadline, said
            time.sleep(0.1)


def restricted(volume: Path | None) -> list[str]:
    """podman's words for the Job's securityContext, its memory limit and its volumes, under a user id that no image knows."""
    pod = pod_spec(documents(OPENSHIFT / "job.yaml")[0])
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    limits = container["resources"]["limits"]
    bounds = [f"--memory={limits['memory'].replace('Mi', 'm').replace('Gi', 'g')}", f"--cpus={limits['cpu']}"]
    state = [f"--volume={volume}:/var/lib/confluence-sync"] if volume else ["--tmpfs=/var/lib/confluence-sync:rw,mode=0777"]
    locked = ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", f"--user={ANY_USER}", *bounds]
    return ["--network=host", *locked, "--tmpfs=/tmp:rw,mode=1777", *state]


def as_arguments(environment: Mapping[str, str]) -> list[str]:
    return [f"--env={name}={value}" for name, value in environment.items()]


def built() -> Podman:
    """The image, built by the script behind `make image`; skips where containers cannot be run at all."""
    if os.geteuid() != 0 and shutil.which("podman") is None:
        pytest.skip("podman is not installed, and only root can install it")
    done = subprocess.run([str(ROOT / "scripts" / "build-image"), TAG], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    if shutil.which("podman") is None:
        pytest.skip("the image was built with docker; these tests run it with podman")
    plain = dict(os.environ)
    works = subprocess.run(["podman", "run", "--rm", "--entrypoint=true", TAG], env=plain, capture_output=True, check=False).returncode == 0
    return Podman(plain if works else plain | {"CONTAINERS_CONF": str(ROOT / "scripts" / "containers.conf")})


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers(url: str) -> bool:
    """Whether somebody answers there, with whatever status."""
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
