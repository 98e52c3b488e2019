"""Other people's programs, each installed once into an environment of its own under ~/.cache/confluence-sync."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import venv
from pathlib import Path

HOME = Path(os.environ.get("TEST_ENVIRONMENTS", Path.home() / ".cache" / "confluence-sync"))
ORDERS = {
    "open-webui": (("torch==2.13.0",), ("open-webui==0.12.4",)),
    "litellm": (("litellm", "tenacity", "httpx"),),
    "faiss": (("llama-index-core", "llama-index-vector-stores-faiss", "faiss-cpu", "langchain-community", "langchain-text-splitters"),),
}


def environment(name: str) -> Path:
    """The folder of that environment's programs, made now if it is not there (open-webui: 92 s, 2.9 GB); two callers queue."""
    place = HOME / name
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "ready").exists():
            venv.create(place, clear=True, with_pip=True)
            for packages in ORDERS[name]:
                subprocess.run([place / "bin" / "pip", "install", "-q", *packages], check=True, stdout=subprocess.DEVNULL)
            (place / "ready").touch()
    return place / "bin"


if __name__ == "__main__":
    print(environment(sys.argv[1]))
