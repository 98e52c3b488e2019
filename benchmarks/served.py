"""A simulated Confluence in a process of its own, and the settings that make a run use it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ENV_LINE = re.compile(r'^(CONF_\w+|SPACE_NAME)="?(.*?)"?$', re.M)


@dataclass(frozen=True)
class Served:
    """`environment` is what a run needs; `control` is where changes and counters are asked for."""

    environment: dict[str, str]
    control: str

    def change(self, *changes: dict[str, object]) -> None:
        request = urllib.request.Request(self.control, json.dumps(changes).encode(), {"content-type": "application/json"})
        urllib.request.urlopen(request, timeout=600).close()

    def counted(self) -> dict[str, int]:
        """Requests by route since the last call."""
        with urllib.request.urlopen(f"{self.control}/requests", timeout=60) as answer:
            found: dict[str, int] = json.load(answer)["requests"]
        urllib.request.urlopen(urllib.request.Request(f"{self.control}/reset", b"", method="POST"), timeout=60).close()
        return found


@contextmanager
def served(pages: Path, latency_ms: float = 0, as_pages: bool = False) -> Iterator[Served]:
    """Serves a JSONL file or a folder until the block ends."""
    command = [sys.executable, "-m", "confluence_sync", "simulate", str(pages), "--port", "0", "--control", "--latency-ms", str(latency_ms)]
    command += ["--as-pages"] if as_pages else []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the simulator ended at once: {said}")
            said += line
        environment = dict(ENV_LINE.findall(said))
        yield Served(environment, f"{environment['CONF_GATEWAY_URL']}/_control")
    finally:
        process.terminate()
        process.wait(timeout=30)
