"""The bundled sample space, and a day of changes to it."""

from __future__ import annotations

import json
from pathlib import Path

from confluence_sync.simulator.contents import Json

SAMPLE = Path(__file__).parent / "data" / "known_issues.jsonl"
CHANGES = Path(__file__).parent / "data" / "day_of_changes.jsonl"


def day_of_changes() -> list[Json]:
    """What happens to the sample space on one day, each as `Simulator.apply` takes it, in order."""
    return [json.loads(line) for line in CHANGES.read_text(encoding="utf-8").splitlines() if line]
