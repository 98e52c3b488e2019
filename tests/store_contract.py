"""What every store must do. A variant's test file makes `class TestX(StoreContract)` with a `backend` fixture, and nothing more.

What a store cannot do is asserted too: the methods behind a missing Feature must raise, never pretend.
"""

from __future__ import annotations

import pytest

from confluence_sync.errors import NotFound, Refused
from confluence_sync.model import Chunk, Filter, Metadata, digest
from confluence_sync.stores.base import COMING, Backend, Feature, Replaceable, Store


def chunk(
    page: str, text: str, *, index: int = 0, count: int = 1, labels: tuple[str, ...] = (), version: int = 1, space: str = "KNOWN"
) -> Chunk:
    """A chunk as the chunker would make it, small."""
    content_hash = digest(text)
    metadata = Metadata(
        source="cloud:test",
        space_key=space,
        page_id=page,
        title=f"Page {page}",
        url=f"https://example.atlassian.net/wiki/spaces/{space}/pages/{page}",
        heading_path="Symptoms",
        labels=labels,
        version=version,
        last_modified="2026-01-02T03:04:05Z",
        chunk_index=index,
        chunk_count=count,
        content_hash=content_hash,
        tokens=len(text.split()),
        recipe="r1",
        fingerprint=f"f{version}",
    )
    return Chunk(digest("cloud:test", space, page, content_hash, "0"), text, metadata)


DISK = chunk(
    "1",
    "Known Issues > Disk full on /var\n\nThe journal fills the disk; rotate it with journalctl --vacuum-size=1G.",
    labels=("linux", "disk"),
)
LOGIN = chunk("2", "Known Issues > Login loops\n\nThe session cookie is refused; the clock of the proxy is wrong.", labels=("auth",))
FRENCH = chunk("3", "Problèmes connus > Imprimante\n\nL’imprimante n’est pas trouvée : redémarrez le service d’impression.", space="FR")
SAMPLE = (DISK, LOGIN, FRENCH)


class StoreContract:
    """Inherit and give a `backend` fixture. `collection` is a fresh one for each test."""

    @pytest.fixture
    def collection(self, request: pytest.FixtureRequest) -> str:
        return "c" + digest(request.node.nodeid, size=6)

    @pytest.fixture
    def store(self, backend: Backend, collection: str) -> Store:
        return backend.open(collection)

    def held(self, store: Store) -> dict[str, Metadata | None]:
        rows = [(stored.chunk_id, stored.metadata) for stored in store.ids()]
        assert len(rows) == len(dict(rows)), "ids() must give each chunk once"
        return dict(rows)

    def test_says_what_it_can_do(self, backend: Backend, store: Store) -> None:
        """A store is worth having only if it can be queried, and an open collection does not promise more than its backend."""
        assert Feature.QUERY in store.features
        assert store.features & backend.features == store.features

    def test_a_fresh_collection_is_empty(self, store: Store) -> None:
        """Nothing is found in a collection nobody wrote to."""
        assert store.query("disk", 5) == []
        assert store.identity().count in (0, None)

    def test_finds_what_was_written(self, store: Store) -> None:
        """A query for words of one chunk brings that chunk first, with its text and metadata as they were written."""
        store.write(SAMPLE)
        hit = store.query("journal fills the disk", 3)[0]
        assert (hit.chunk_id, hit.text) == (DISK.id, DISK.text)
        assert hit.metadata is not None
        assert (hit.metadata.page_id, hit.metadata.title, hit.metadata.url) == ("1", "Page 1", DISK.metadata.url)

    def test_gives_no_more_than_asked(self, store: Store) -> None:
        """top_k is a ceiling, and the best hit comes first."""
        store.write(SAMPLE)
        hits = store.query("the disk the cookie the clock", 1)
        assert len(hits) == 1

    def test_filters_by_space(self, store: Store) -> None:
        """A filter by space returns that space's chunks only."""
        store.write(SAMPLE)
        hits = store.query("imprimante disk cookie", 10, Filter(space_keys=("FR",)))
        assert {hit.metadata.space_key for hit in hits if hit.metadata} <= {"FR"}
        assert [hit.chunk_id for hit in hits] == [FRENCH.id]

    def test_filters_by_label(self, store: Store) -> None:
        """A filter by labels matches a chunk that carries any of them."""
        store.write(SAMPLE)
        hits = store.query("the disk the cookie", 10, Filter(labels=("auth", "nothing")))
        assert [hit.chunk_id for hit in hits] == [LOGIN.id]

    def test_a_backend_may_be_closed_twice(self, backend: Backend, store: Store) -> None:
        """A run closes what it was given, and so does whoever gave it."""
        store.write(SAMPLE)
        backend.close()
        backend.close()

    def test_writing_nothing_is_nothing(self, store: Store) -> None:
        """Empty calls are allowed and change nothing."""
        store.write([])
        assert store.identity().count in (0, None)

    def test_the_same_id_twice_is_one_chunk(self, store: Store) -> None:
        """With UPSERT, writing a chunk again replaces it."""
        if Feature.UPSERT not in store.features:
            self.asserts_no_upsert(store)
            return
        store.write(SAMPLE)
        store.write([DISK])
        hits = store.query("journal fills the disk", 10)
        assert [hit.chunk_id for hit in hits].count(DISK.id) == 1
        if Feature.LIST in store.features:
            assert len(self.held(store)) == len(SAMPLE)

    def asserts_no_upsert(self, store: Store) -> None:
        """A store without UPSERT must not promise DELETE either: it is rotated, not patched."""
        assert Feature.DELETE not in store.features

    def test_deleted_chunks_are_gone(self, store: Store) -> None:
        """With DELETE, a deleted chunk is neither found nor listed, its neighbours stay, and deleting it again is no error."""
        if Feature.DELETE not in store.features:
            with pytest.raises(NotImplementedError):
                store.delete([DISK.id])
            return
        store.write(SAMPLE)
        store.delete([DISK.id])
        store.delete([DISK.id, "never-there"])
        assert DISK.id not in [hit.chunk_id for hit in store.query("journal fills the disk", 10)]
        assert [hit.chunk_id for hit in store.query("session cookie clock proxy", 1)] == [LOGIN.id]

    def test_lists_everything_once(self, store: Store) -> None:
        """With LIST, ids() gives every chunk once with what is needed to rebuild a lost state."""
        if Feature.LIST not in store.features:
            with pytest.raises(NotImplementedError):
                list(store.ids())
            return
        many = [chunk(str(i // 7), f"Known Issues > Page {i // 7}\n\nParagraph number {i}.", index=i % 7, count=7) for i in range(30)]
        store.write(many)
        held = self.held(store)
        assert held.keys() == {c.id for c in many}
        one = held[many[9].id]
        assert one is not None
        wanted = many[9].metadata
        assert (one.source, one.space_key, one.page_id, one.version) == (wanted.source, wanted.space_key, "1", 1)
        assert (one.fingerprint, one.recipe, one.content_hash, one.chunk_index) == ("f1", "r1", wanted.content_hash, 2)

    def test_retag_changes_metadata_alone(self, store: Store) -> None:
        """With RETAG, new metadata is found by filters and given back, and the text stays; without it, the call raises."""
        relabelled = chunk("1", DISK.text, labels=("moved",), version=2)
        if Feature.RETAG not in store.features:
            with pytest.raises(NotImplementedError):
                store.retag([relabelled])
            return
        store.write(SAMPLE)
        store.retag([relabelled])
        hits = store.query("journal fills the disk", 5, Filter(labels=("moved",)))
        assert [(hit.chunk_id, hit.text) for hit in hits] == [(DISK.id, DISK.text)]
        assert store.query("journal fills the disk", 5, Filter(labels=("linux",))) == []

    def test_a_second_open_sees_the_same(self, backend: Backend, store: Store, collection: str) -> None:
        """Opening a collection again neither empties nor copies it, and its identity stays."""
        store.write(SAMPLE)
        again = backend.open(collection)
        assert again.identity().id == store.identity().id
        assert again.identity().count in (len(SAMPLE), None)

    def test_a_dropped_collection_starts_anew(self, backend: Backend, store: Store, collection: str) -> None:
        """After drop() the name is free again; the new collection is empty and has another identity, which tells a stale state.

        Only a store that can do nothing but upsert may lack it: nothing is ever rotated there.
        """
        store.write(SAMPLE)
        if Feature.UPSERT in store.features and Feature.DELETE not in store.features:
            with pytest.raises(NotImplementedError):
                store.drop()
            return
        before = store.identity().id
        store.drop()
        again = backend.open(collection)
        assert again.query("journal fills the disk", 5) == []
        assert again.identity().id != before

    def test_a_stamp_tells_every_change(self, backend: Backend, store: Store, collection: str) -> None:
        """Where we keep the store, each kind of write changes the stamp and nothing else does, so that yesterday's copy is noticed."""
        if not isinstance(store, Replaceable):
            assert store.identity().stamp in ("", backend.open(collection).identity().stamp)
            return
        stamps = [store.identity().stamp]
        for change in (lambda: store.write(SAMPLE), lambda: store.retag([DISK]), lambda: store.delete([LOGIN.id])):
            change()
            stamps.append(store.identity().stamp)
            store.query("journal fills the disk", 3)
            assert [stored.chunk_id for stored in store.ids()]
            assert backend.open(collection).identity() == store.identity()
            assert store.identity().stamp == stamps[-1]
        assert len(set(stamps)) == len(stamps)

    def test_another_collection_takes_its_place(self, backend: Backend, store: Store, collection: str) -> None:
        """Where we make the vectors: its readers find the new one by the old name, a writer of the old one is stopped, nothing is left."""
        if not isinstance(store, Replaceable):
            assert not hasattr(store, "give_way_to")
            return
        store.write(SAMPLE)
        new = backend.open(collection + COMING)
        new.write([LOGIN, FRENCH])
        assert collection + COMING not in backend.collections()
        assert store.query("journal fills the disk", 1)[0].chunk_id == DISK.id
        store.give_way_to(new, store.identity())
        again = backend.open(collection)
        assert self.held(again).keys() == {LOGIN.id, FRENCH.id}
        assert again.identity() == new.identity()
        assert again.query("session cookie clock proxy", 1)[0].text == LOGIN.text
        with pytest.raises(NotFound):
            store.write([DISK])
        assert backend.open(collection + COMING).identity().count == 0
        assert self.held(again).keys() == {LOGIN.id, FRENCH.id}
        assert collection in backend.collections()

    def test_a_changed_collection_does_not_give_way(self, backend: Backend, store: Store, collection: str) -> None:
        """What was written after the two were compared would be lost: it is refused, and both are as they were."""
        if not isinstance(store, Replaceable):
            assert not hasattr(store, "give_way_to")
            return
        store.write([DISK])
        seen = store.identity()
        store.write([LOGIN])
        new = backend.open(collection + COMING)
        new.write([FRENCH])
        with pytest.raises(Refused, match="another run wrote"):
            store.give_way_to(new, seen)
        assert self.held(backend.open(collection)).keys() == {DISK.id, LOGIN.id}
        assert self.held(backend.open(collection + COMING)).keys() == {FRENCH.id}

    def test_awkward_text_survives(self, store: Store) -> None:
        """Quotes, emoji, right-to-left text, long lines, blank lines and indentation come back as they were."""
        awkward = chunk(
            "9", "Known Issues > 引用符 'quotes' \"double\" 🚒 שלום\n\n```python\nif x < 3:\n\n        return  x\n```\n" + "long " * 300
        )
        store.write([awkward])
        assert store.query("quotes double python return", 1)[0].text == awkward.text
