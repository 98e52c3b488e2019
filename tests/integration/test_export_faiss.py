"""The exported folder as other tools read it: LlamaIndex builds a FAISS index from it and refreshes it, LangChain loads it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from confluence_sync.export import export
from confluence_sync.plan import Wanted
from confluence_sync.run import Means
from confluence_sync.settings_files import read_settings
from confluence_sync.simulator.sample import SAMPLE
from confluence_sync.simulator.server import Simulator
from tests.conftest import HASTY, environment_for
from tests.integration.environments import environment

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SCRIPT = Path(__file__).parent / "faiss_index.py"


def indexed(folder: Path, storage: Path, *questions: str) -> dict[str, object]:
    """What the script of a user of that folder says, run in its own environment."""
    command = [str(environment("faiss") / "python"), str(SCRIPT), str(folder), str(storage), *questions]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PATH": os.environ["PATH"], "HOME": str(storage.parent)}, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def test_an_index_follows_the_folder(tmp_path: Path) -> None:
    """The right French page is found; after an edit and a deletion only those two change in the index."""
    folder, storage = tmp_path / "pages", tmp_path / "index"
    with Simulator(SAMPLE) as simulator:
        settings = read_settings({}, environment_for(simulator) | {"SPACE_NAME": "Known Issues"}, tmp_path)
        imprimante = simulator.add_page(
            "Imprimante hors ligne", "<p>L’imprimante du troisième étage est hors ligne après la veille.</p>", "KNOWN"
        )
        doomed = simulator.add_page("Zanzibar relocation", "<p>The zanzibar cluster is relocated.</p>", "KNOWN")
        assert export(settings, folder, Wanted(), Means(patience=HASTY)).exit == 0
        pages = len(list(folder.rglob("*.md")))
        first = indexed(folder, storage, "imprimante hors ligne troisième étage", "zanzibar cluster relocated")
        assert first["found"]["imprimante hors ligne troisième étage"][0] == f"{imprimante}.md"  # type: ignore[index]
        assert first["found"]["zanzibar cluster relocated"][0] == f"{doomed}.md"  # type: ignore[index]
        assert (first["refreshed"], first["langchain"]) == (pages, pages)
        simulator.edit(imprimante, "<p>La photocopieuse du sous-sol broie du papier mauve.</p>")
        simulator.trash(doomed)
        assert export(settings, folder, Wanted(), Means(patience=HASTY)).exit == 0
        second = indexed(folder, storage, "la photocopieuse du sous-sol broie du papier mauve", "zanzibar cluster relocated")
    assert (second["refreshed"], second["gone"], second["langchain"]) == (1, 1, pages - 1)
    assert second["found"]["la photocopieuse du sous-sol broie du papier mauve"][0] == f"{imprimante}.md"  # type: ignore[index]
    assert f"{doomed}.md" not in second["found"]["zanzibar cluster relocated"]  # type: ignore[index]
