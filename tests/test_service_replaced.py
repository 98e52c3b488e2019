"""The service goes on answering while `sync --rebuild` puts another collection in the place of the one that it has open."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from confluence_sync.model import Filter
from confluence_sync.service.retrieval import Retrieval
from confluence_sync.stores.base import COMING
from confluence_sync.stores.sqlite import SqliteBackend
from tests.store_contract import DISK, SAMPLE, chunk
from tests.word_embedder import WordEmbedder


def test_a_replaced_collection_is_opened_again(tmp_path: Path) -> None:
    """The open one is gone: the same question is answered by the new one, by words, as the service has the old model."""
    new_model = WordEmbedder(dimension=32, weights="w2", model="better words")
    with (
        closing(SqliteBackend(tmp_path / "store.db", WordEmbedder())) as serving,
        closing(SqliteBackend(tmp_path / "store.db", new_model)) as rebuilding,
    ):
        old = serving.open("c")
        old.write(SAMPLE)
        with closing(Retrieval(serving, lambda: "c")) as retrieval:
            assert retrieval.search_now("journal fills the disk", 1, Filter())[0].chunk_id == DISK.id
            new = rebuilding.open("c" + COMING)
            new.write([chunk("1", "The journal fills another disk")])
            rebuilding.open("c").give_way_to(new, old.identity())
            assert retrieval.search_now("journal fills the disk", 1, Filter())[0].text == "The journal fills another disk"
