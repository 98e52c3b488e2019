"""PostgreSQL with pgvector, a real one: the contract with and without vectors, readers, filters, and databases that do not fit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import psycopg
import pytest

from confluence_sync.config import Settings
from confluence_sync.database import PostgresDatabase
from confluence_sync.errors import NotFound, Refused, Rejected, ServerFailed, SettingsError
from confluence_sync.model import Filter
from confluence_sync.settings_kinds import Secret
from confluence_sync.stores import pgvector_search
from confluence_sync.stores.pgvector import PgvectorBackend, PgvectorStore, open_backend
from tests.integration.postgres import new_database
from tests.store_contract import DISK, LOGIN, SAMPLE, StoreContract, chunk
from tests.test_store_sqlite_vectors import MANY, nearest
from tests.word_embedder import WordEmbedder

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def shared(postgres: str) -> str:  # a fixture
    return new_database(postgres)


class TestPgvectorByWords(StoreContract):
    @pytest.fixture
    def backend(self, shared: str) -> Iterator[PgvectorBackend]:
        opened = PgvectorBackend(shared)
        yield opened
        opened.close()


class TestPgvector(StoreContract):
    @pytest.fixture
    def backend(self, shared: str) -> Iterator[PgvectorBackend]:
        opened = PgvectorBackend(shared, WordEmbedder())
        yield opened
        opened.close()

    @pytest.fixture
    def collection(self, request: pytest.FixtureRequest) -> str:
        return f"v {request.node.name}"


@pytest.fixture
def backend(database: str) -> Iterator[PgvectorBackend]:  # a fixture
    opened = PgvectorBackend(database, WordEmbedder())
    yield opened
    opened.close()


Connect = Callable[..., PgvectorBackend]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes backends that are closed after the test."""
    made: list[PgvectorBackend] = []

    def open_one(address: str, embedder: WordEmbedder | None = None) -> PgvectorBackend:
        made.append(PgvectorBackend(address, embedder))
        return made[-1]

    yield open_one
    for each in made:
        each.close()


def by_meaning(store: PgvectorStore, question: str, limit: int, where: Filter = Filter()) -> list[str]:  # noqa: B008  # frozen
    vector = WordEmbedder().embed([question])[0]
    with store.connections.transaction() as connection:
        found = pgvector_search.by_meaning(connection, store.number, store.collection, vector, limit, where, store.connections.version)
        return [hit.chunk_id for hit in store._hits(connection, found)]


@pytest.mark.parametrize(
    "question", ["프린터 오류", "Probleme d'IMPRIMANTE", "ORA-00942", "get_user_id", "'; DROP TABLE document_chunk; --disk"]
)
def test_finds_words_of_any_script(connect: Connect, backend: PgvectorBackend, question: str) -> None:
    """Korean, accents, error codes, identifiers, and what looks like SQL are words like any other."""
    texts = [
        "프린터에서 오류가 발생",
        "Le problème de l’imprimante",
        "stops with ORA-00942: table",
        "call get_user_id() first",
        "drop the table on the disk",
    ]
    store = connect(backend.address).open("words")
    wanted = dict(zip(["프린터 오류", "Probleme d'IMPRIMANTE", "ORA-00942", "get_user_id"], texts, strict=False)).get(question, texts[-1])
    store.write([chunk(str(i), text) for i, text in enumerate(texts)])
    assert store.query(question, 1)[0].text == wanted


def test_filtered_recall_is_kept(backend: PgvectorBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that leaves few chunks is searched exactly, one that leaves many by scanning on; both find what brute force finds."""
    store = backend.open("c")
    store.write(MANY)
    some = Filter(labels=("l2",))
    assert by_meaning(store, "w3 w10 w17", 5, some) == nearest(MANY, "w3 w10 w17", some)[:5]
    monkeypatch.setattr(pgvector_search, "COMMON", 1)
    assert by_meaning(store, "w3 w10 w17", 5, some) == nearest(MANY, "w3 w10 w17", some)[:5]
    assert by_meaning(store, "w3 w10 w17", 5) == nearest(MANY, "w3 w10 w17")[:5]


def test_open_webui_reads_the_table_as_it_is(backend: PgvectorBackend, database: str) -> None:
    """The statement of Open WebUI's external knowledge finds text, metadata and a vector under its default names."""
    backend.open("confluence").write(SAMPLE)
    asked = str(WordEmbedder().embed([DISK.text])[0].tolist())
    with psycopg.connect(database) as reader:
        row = reader.execute(
            "SELECT id, text, vmetadata, vector <=> %s::vector AS far FROM document_chunk WHERE collection_name = %s ORDER BY far LIMIT 1",
            (asked, "confluence"),
        ).fetchone()
    assert row is not None
    assert (row[0], row[1], row[2]["name"], row[2]["url"]) == (DISK.id, DISK.text, "Page 1", DISK.metadata.url)
    assert row[3] < 0.01


def test_a_page_is_replaced_in_one_transaction(backend: PgvectorBackend) -> None:
    """A reader on another connection sees the old page or the new one; what fails inside leaves the old one."""
    store = backend.open("c")
    store.write(SAMPLE)
    seen: list[int | None] = []

    def look() -> None:
        seen.append(store.identity().count)

    with store.transaction():
        store.write([chunk("1", "the new page")])
        store.delete([DISK.id])
        reader = threading.Thread(target=look)
        store.write([chunk("1", "and its second chunk")])
        reader.start()
        reader.join()
    look()
    assert seen == [3, 4]
    with pytest.raises(ZeroDivisionError), store.transaction():  # noqa: PT012  # the point is what came before
        store.delete([LOGIN.id])
        raise ZeroDivisionError
    assert store.identity().count == 4


def test_a_rejected_chunk_does_not_spoil_the_transaction(backend: PgvectorBackend) -> None:
    """NUL and half characters are refused before PostgreSQL sees them, so the rest of the transaction goes on."""
    store = backend.open("c")
    with store.transaction():
        for bad in ("a\0b", "half \ud83d"):
            with pytest.raises(Rejected, match=LOGIN.id):
                store.write([replace(LOGIN, text=bad)])
        store.write([replace(DISK, metadata=DISK.metadata._replace(title="odd \ud83d\0 title"))])
    assert store.identity().count == 1


def test_what_is_embedded_is_not_embedded_again(connect: Connect, backend: PgvectorBackend, database: str) -> None:
    """Writing the same chunks again costs no embedding; other text does, and its old windows go."""
    words = WordEmbedder()
    store = connect(database, words).open("c")
    store.write(SAMPLE)
    count = len(words.seen)
    store.write(SAMPLE)
    assert len(words.seen) == count
    store.write([replace(DISK, text="another text")])
    assert words.seen[count:] == ["another text"]
    with psycopg.connect(database) as reader:
        assert reader.execute("SELECT count(*) FROM document_window_1").fetchone() == (3,)


@pytest.mark.parametrize("other", [WordEmbedder(dimension=32), WordEmbedder(weights="w2")])
def test_another_model_or_dimension_is_refused(connect: Connect, backend: PgvectorBackend, database: str, other: WordEmbedder) -> None:
    """Writing with a model that did not fill the collection says what differs and the ways out; reading by words goes on."""
    backend.open("c").write(SAMPLE)
    store = connect(database, other).open("c")
    assert store.query("journal disk", 1)[0].chunk_id == DISK.id
    with pytest.raises(SettingsError, match=r"Vectors of two models cannot be compared.*sync --rebuild"):
        store.write([LOGIN])


def test_a_database_without_the_extension_says_what_to_install(connect: Connect, postgres: str) -> None:
    """A server that has no pgvector at all is told apart from missing rights."""
    from tests.integration.postgres import data_folder

    folder = data_folder(postgres)
    with psycopg.connect(postgres) as connection:
        (binaries,) = connection.execute("SELECT setting FROM pg_config WHERE name = 'SHAREDIR'").fetchone() or ("",)
    from pathlib import Path

    control = Path(str(binaries)) / "extension" / "vector.control"
    hidden = folder / "vector.control"
    address = new_database(postgres)
    hidden.write_bytes(control.read_bytes())
    control.unlink()
    try:
        with pytest.raises(SettingsError, match="no pgvector"):
            connect(address).open("c")
    finally:
        control.write_bytes(hidden.read_bytes())


def test_an_account_without_rights_is_told_what_the_owner_must_do(connect: Connect, postgres: str) -> None:
    """An account that may neither create the extension nor tables gets the two statements that help."""
    address = new_database(postgres)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN")
    guest = address.replace("postgres:@", "guest:@")
    with pytest.raises(SettingsError, match="CREATE EXTENSION vector"):
        connect(guest).open("c")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    with pytest.raises(SettingsError, match="lacks rights"):
        connect(guest).open("c")


def test_open_webuis_own_table_is_left_alone(connect: Connect, database: str) -> None:
    """A document_chunk that we did not make is never written to."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE document_chunk (id text)")
    with pytest.raises(Refused, match="another program"):
        connect(database).open("c")


def test_newer_tables_ask_for_an_upgrade(connect: Connect, backend: PgvectorBackend, database: str) -> None:
    """Tables of a later version are not misread."""
    backend.open("c")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE confluence_sync_layout SET version = 99")
    with pytest.raises(SettingsError, match="newer confluence-sync"):
        connect(database).open("c")


@pytest.mark.parametrize(
    ("address", "kind"),
    [("postgresql://postgres@127.0.0.1:1/x", ServerFailed), ("nosuchdatabase", SettingsError)],
)
def test_an_address_that_leads_nowhere_is_told(connect: Connect, postgres: str, address: str, kind: type[Exception]) -> None:
    """Nobody listening may pass; a database that does not exist is a setting."""
    full = address if "//" in address else postgres.replace("/postgres?", f"/{address}?")
    with pytest.raises(kind):
        connect(full).open("c")


def test_a_broken_connection_fails_one_call_and_is_made_anew(backend: PgvectorBackend, database: str) -> None:
    """A server that cuts the connection fails the call in hand; the next one connects again."""
    store = backend.open("c")
    store.write(SAMPLE)
    with psycopg.connect(database, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'confluence-sync' AND datname = current_database()"
        )
    with pytest.raises(ServerFailed, match="run again"):
        store.identity()
    assert store.identity().count == 3


def test_a_server_that_falls_silent_is_not_waited_for_without_end(connect: Connect, database: str) -> None:
    """A dead node is noticed after a minute, by store and state; who wants it otherwise says so in the address."""
    asked = connect(database).connections.mine().info.get_parameters()
    with closing(PostgresDatabase(database)) as state:
        assert state._connection.info.get_parameters()["keepalives_idle"] == asked["keepalives_idle"] == "30"
    assert asked["tcp_user_timeout"] == "60000"
    own = connect(f"{database}&keepalives_idle=7").connections.mine().info.get_parameters()
    assert own["keepalives_idle"] == "7"


def test_a_dropped_collection_is_told(backend: PgvectorBackend) -> None:
    """A store whose collection another run dropped says so instead of writing chunks that nobody owns."""
    store = backend.open("c")
    backend.open("c").drop()
    with pytest.raises(NotFound, match="dropped"):
        store.write([DISK])


def test_two_first_runs_make_the_tables_once(database: str) -> None:
    """Runs that start together wait for one another's migration."""
    failures: list[Exception] = []

    def start() -> None:
        try:
            one = PgvectorBackend(database, WordEmbedder())
            one.open("c")
            one.close()
        except (SettingsError, ServerFailed) as error:
            failures.append(error)

    runs = [threading.Thread(target=start) for _ in range(6)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert failures == []


def test_settings_say_where(database: str, tmp_path: object) -> None:
    """open_backend takes DATABASE_URL, and names it when it is missing."""
    backend = open_backend(Settings(database_url=Secret(database)))
    backend.open("c").write([DISK])
    assert backend.collections() == ["c"]
    backend.close()
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        open_backend(Settings())


def test_the_mean_vector_has_length_one(backend: PgvectorBackend, database: str) -> None:
    """The one vector that other readers see is normalised like the windows it stands for."""
    backend.open("c").write([chunk("1", "many words " * 60)])
    with psycopg.connect(database) as reader:
        (vector,) = reader.execute("SELECT vector::text FROM document_chunk").fetchone() or ("[]",)
    assert np.isclose(np.linalg.norm(np.array(eval(vector))), 1)
