"""Fusing, dropping repetition, joining sections, and what keyword search does with text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from confluence_sync.model import Hit
from confluence_sync.search import distinct, fuse, search, section
from confluence_sync.search_words import _UNSPACED, MOST_WORDS, folded, folded_words, fts5, pairs, plain, scaled, words
from confluence_sync.stores.memory import MemoryStore
from confluence_sync.stores.pgvector_search import LAST, LONGEST, tsvector
from tests.store_contract import chunk


def hit(page: str, index: int, text: str, heading: str = "Symptoms") -> Hit:
    made = chunk(page, text, index=index)
    return Hit(made.id, 1.0, text, made.metadata._replace(heading_path=heading))


def test_what_both_lists_have_comes_first() -> None:
    """A key in both lists beats one that is as high in a single list; first in both is 1."""
    fused = fuse([("a", 9.0), ("b", 5.0)], [("a", 0.9), ("c", 0.8)])
    assert fused[0] == ("a", 1.0)
    assert {key for key, _ in fused[1:]} == {"b", "c"}


def test_near_the_top_of_both_beats_the_top_of_one() -> None:
    """Agreement counts more than one list's favourite."""
    assert fuse([("a", 9.0), ("b", 8.0), ("c", 1.0)], [("d", 0.9), ("b", 0.85), ("c", 0.1)])[0][0] == "b"


def test_a_lonely_list_keeps_its_order() -> None:
    """Where only words or only vectors found something, their order stands; equal scores are all best."""
    assert [key for key, _ in fuse([], [("b", 0.9), ("a", 0.3)])] == ["b", "a"]
    assert [key for key, _ in fuse([("b", 9.0), ("a", 3.0)], [])] == ["b", "a"]
    assert len({score for _, score in fuse([], [("b", 0.5), ("a", 0.5)])}) == 1


@given(st.lists(st.text(max_size=3), unique=True), st.lists(st.text(max_size=3), unique=True))
def test_fusion_loses_nothing_and_stays_in_order(one: list[str], two: list[str]) -> None:
    """Every key comes out once, scores fall and lie in 0..1."""
    fused = fuse([(key, 1.0) for key in one], [(key, 1.0) for key in two])
    assert {key for key, _ in fused} == {*one, *two}
    scores = [score for _, score in fused]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)


def test_neighbours_lose_the_part_they_share() -> None:
    """Of two chunks that overlap, the lower one loses the shared blocks and keeps its context line."""
    first = hit("1", 0, "S > P\n\nalpha\n\nbeta\n\ngamma")
    second = hit("1", 1, "S > P\n\ngamma\n\ndelta\n\nepsilon is long enough")
    assert [h.text for h in distinct([first, second])] == [first.text, "S > P\n\ndelta\n\nepsilon is long enough"]
    assert [h.text for h in distinct([second, first])] == [second.text, "S > P\n\nalpha\n\nbeta"]


def test_a_neighbour_that_says_nothing_new_goes() -> None:
    """A chunk that is wholly in a better one is not shown again."""
    assert len(distinct([hit("1", 0, "S > P\n\nalpha\n\nbeta"), hit("1", 1, "S > P\n\nbeta")])) == 1


def test_other_pages_and_far_chunks_stay_whole() -> None:
    """Only neighbours of one page are compared: the same words elsewhere are another source."""
    hits = [hit("1", 0, "S > P\n\nalpha"), hit("2", 0, "S > P\n\nalpha"), hit("1", 5, "S > P\n\nalpha")]
    assert distinct(hits) == hits


def test_hits_of_other_programs_pass() -> None:
    """A hit without metadata has no neighbours and is left as it is."""
    strange = Hit("x", 0.5, "text", None)
    assert distinct([strange, strange]) == [strange, strange]


def test_a_section_is_joined_in_reading_order() -> None:
    """With sections, a hit in the middle brings all chunks under its headings, once each, and none of another section."""
    store = MemoryStore()
    texts = ["S > P\n\nalpha start\n\nshared", "S > P\n\nshared\n\nmiddle beta", "S > P\n\nthe end", "S > P\n\nother section"]
    made = [chunk("1", text, index=i) for i, text in enumerate(texts)]
    store.write([*made[:3], replace(made[3], metadata=made[3].metadata._replace(heading_path="Other"))])
    (found,) = search(store, "middle beta S", 1, sections=True)
    assert found.text == "S > P\n\nalpha start\n\nshared\n\nmiddle beta\n\nthe end"


def test_a_section_of_a_stranger_is_the_hit_itself() -> None:
    """Without metadata there are no headings to go by."""
    strange = Hit("x", 0.5, "text", None)
    assert section(MemoryStore(), "text", strange) == strange


def test_search_gives_no_more_than_asked() -> None:
    """The ceiling holds after repetition went."""
    store = MemoryStore()
    store.write([chunk(str(i), f"S > P\n\nword number{i}") for i in range(20)])
    assert len(search(store, "word", 3)) == 3


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("disk", ""),
        ("é à", ""),
        ("印刷機", "印刷 刷機"),
        ("a 機 b", "機"),
        ("プリンタ 오류", "プリ リン ンタ 오류"),
        ("ภาษา", "ภา าษ ษา"),
    ],
)
def test_unspaced_scripts_become_pairs(text: str, wanted: str) -> None:
    """Runs of Han, kana, Hangul and Thai are cut into overlapping pairs; other text gives none."""
    assert pairs(text) == wanted


def test_no_unspaced_character_is_passed_over() -> None:
    """A glance at the bytes decides whether a text is looked through: it must see every character that counts."""
    unspaced = [char for code in range(0xE00, 0x31350) if not 0xD800 <= code <= 0xDFFF and _UNSPACED.match(char := chr(code))]
    assert len(unspaced) > 90_000
    assert [char for char in unspaced if pairs(f"é {char} – x") != char] == []


def test_compounds_are_asked_whole_and_in_pieces() -> None:
    """An error code or identifier is a phrase and its parts, each once."""
    assert words("ORA-00942 ora get_user") == ["ORA 00942", "ORA", "00942", "ora", "get user", "get", "user"]
    assert words("l’imprimante") == ["l imprimante", "l", "imprimante"]


def test_a_long_question_is_bounded() -> None:
    """A pasted log does not become a query of a thousand words."""
    assert len(words(" ".join(f"w{i}" for i in range(1000)))) == MOST_WORDS


@given(st.text())
def test_nothing_a_user_types_is_syntax(text: str) -> None:
    """Whatever the text, the FTS5 expression is quoted words joined by OR, and SQLite accepts it."""
    import sqlite3

    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5 (x)")
    expression = fts5(text.encode("utf-8", "ignore").decode())
    if expression:
        connection.execute("SELECT * FROM t WHERE t MATCH ?", (expression,)).fetchall()
    connection.close()


def test_text_is_folded_for_indexes_that_split_at_spaces() -> None:
    """Accents, case and punctuation go, Hangul stays whole, pairs are added."""
    assert plain("Où  est L’Imprimante?") == "ou est l imprimante"
    assert folded("프린터!") == "프린터 프린 린터"


@given(st.text(st.characters(max_codepoint=127)))
def test_plain_ascii_is_folded_as_any_text(text: str) -> None:
    """ASCII takes a quicker way, which must end where the other one does: "é" sends the same text the other way."""
    assert plain(f"{text} é") == f"{plain(text)} e".strip()


@given(st.text())
@example("Straße \u212a, 프린터!")
def test_words_of_folded_text_need_not_be_put_together_first(text: str) -> None:
    """The quick way to a list gives the words that the text has."""
    assert folded_words(text) == folded(text).split()


def test_each_word_of_a_tsvector_has_its_place() -> None:
    """Words of the heading come first with weight A; words and places are cut to what PostgreSQL takes."""
    assert tsvector("Ledger", "Replica lag, replica") == "ledger:1A replica:2 lag:3 replica:4"
    many = tsvector("h", "w " * LAST + "x" * (LONGEST + 1)).split()
    assert many[1] == "w:2"
    assert many[LAST - 1 :] == [f"w:{LAST}", f"w:{LAST}", f"{'x' * LONGEST}:{LAST}"]
    assert tsvector("h " * (LAST + 1), "a b").split()[LAST - 1 :] == [f"h:{LAST}A", f"h:{LAST}A", f"a:{LAST}", f"b:{LAST}"]
    assert tsvector("", "") == ""


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_scaling_keeps_the_order(one: float, two: float) -> None:
    """A better BM25 score stays at least as good, within 0..1."""
    assert (scaled(one) <= scaled(two)) == (one <= two) or scaled(one) == scaled(two)
    assert 0 <= scaled(one) < 1
