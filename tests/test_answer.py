"""Prompts, budgets, citations and the two languages: the pure part of answering."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from confluence_sync.answer import Found, Passage, Piece, Question, Source, Turn, Written, excerpt, passages, safe_link, sources
from confluence_sync.answer_citations import Citations, as_list
from confluence_sync.answer_prompt import answer_messages, fitting, joined, recent, standalone
from confluence_sync.answer_run import Answering
from confluence_sync.answer_words import WORDS, language
from confluence_sync.errors import ServerFailed
from confluence_sync.model import Filter, Hit
from confluence_sync.tokens import count
from tests.store_contract import DISK, FRENCH, LOGIN


def hits(*chunks: object) -> list[Hit]:
    return [Hit(chunk.id, 0.9 - i / 10, chunk.text, chunk.metadata) for i, chunk in enumerate(chunks)]  # type: ignore[attr-defined]


class Scripted:
    """A model that says what it is told to, and remembers what it was asked."""

    name = "scripted"

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[Sequence[dict[str, str]]] = []
        self.closed = False

    async def stream(self, messages: Sequence[dict[str, str]]) -> AsyncGenerator[str, None]:
        self.asked.append(messages)
        answer = self.answers.pop(0)
        try:
            for word in str(answer).partition(" "):
                yield word
            if isinstance(answer, Exception):
                raise answer
        finally:
            self.closed = True

    async def models(self) -> list[str]:
        return [self.name]


def asked(answering: Answering, question: Question) -> list[object]:
    async def whole() -> list[object]:
        return [event async for event in answering.ask(question)]

    return asyncio.run(whole())


def finder(*chunks: object, model: Scripted | None = None, seen: list[tuple[str, Filter]] | None = None) -> Answering:
    """Answers from these chunks, whatever is searched for; what that was goes into `seen`."""

    async def search(text: str, top_k: int, where: Filter) -> list[Hit]:
        if seen is not None:
            seen.append((text, where))
        return hits(*chunks)[:top_k]

    return Answering(search, model)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How do I rotate the journal?", "en"),
        ("Comment redémarrer le service d’impression ?", "fr"),
        ("L'imprimante est hors ligne", "fr"),
        ("disk full /var", "en"),
        ("ORA-00942", "en"),
        ("Où est la procédure de sauvegarde", "fr"),
        ("café opening hours in the office", "en"),
        ("", "en"),
    ],
)
def test_the_language_of_a_question(text: str, expected: str) -> None:
    """English and French are told apart by small words, elisions and accents."""
    assert language(text) == expected


def test_passages_of_one_section_share_a_source() -> None:
    """Two chunks with one address are one source; the numbers follow the order of the hits."""
    found = passages([*hits(DISK, LOGIN), *hits(DISK)])
    assert [p.number for p in found] == [1, 2, 1]
    assert [(s.number, s.title) for s in sources(found)] == [(1, "Page 1"), (2, "Page 2")]


def test_a_foreign_hit_is_a_source_without_a_link() -> None:
    """A chunk that another program wrote is shown by its id."""
    [found] = passages([Hit("x-1", 0.5, "text", None)])
    assert (found.title, found.url) == ("x-1", "")


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://a.example/wiki/x#y", True),
        ("http://a.example/", True),
        ("javascript:alert(1)", False),
        ("JAVASCRIPT:alert(1)", False),
        ("data:text/html,x", False),
        ("https://a.example/\"onclick='x'", False),
        ("//a.example", False),
        ("https://[", False),
        ("", False),
    ],
)
def test_links_that_a_browser_may_follow(url: str, kept: bool) -> None:
    """Only whole http and https addresses stay links."""
    assert (safe_link(url) == url and bool(url)) is kept


def test_an_excerpt_is_short_and_without_its_context_line() -> None:
    """The excerpt begins with the body, on one line, and ends at a word."""
    assert excerpt(DISK.text).startswith("The journal fills")
    long = excerpt("Context\n\n" + "word " * 200)
    assert len(long) <= 282
    assert long.endswith("word …")


@pytest.mark.parametrize(
    ("pieces", "text", "cited"),
    [
        (["Do it [1]."], "Do it [1].", (1,)),
        (["Do it [", "2", "] now [1]"], "Do it [2] now [1]", (2, 1)),
        (["See [1, 2] and [7]."], "See [1][2] and .", (1, 2)),
        (["[9]"], "", ()),
        (["a[0] = 1"], "a[0] = 1", ()),
        (["a", "[0] = 1"], "a[0] = 1", ()),
        (["so[2]."], "so[2].", (2,)),
        (["[1](http://x)"], "[1](http://x)", ()),
        (["ends [1"], "ends [1", ()),
        (["[note] stays"], "[note] stays", ()),
        (["["], "[", ()),
    ],
)
def test_citations_are_checked_as_they_stream(pieces: list[str], text: str, cited: tuple[int, ...]) -> None:
    """Numbers without a source vanish, real ones are remembered, wherever the pieces break."""
    citations = Citations(2)
    got = "".join([*map(citations.feed, pieces), citations.end()])
    assert got == text
    assert tuple(citations.cited) == cited


def test_the_list_of_sources_is_safe_markdown() -> None:
    """Titles cannot smuggle links or tags, and a missing address leaves plain text."""
    evil = Source(1, "<img src=x onerror=y> [click](javascript:z)", "https://a.example/(x)", "H", "K", "", "")
    plain = Source(2, "Plain", "", "", "K", "", "")
    text = as_list((evil, plain), (), "Sources")
    assert r"\<img src=x onerror=y\> \[click\](javascript:z) › H](https://a.example/%28x%29)" in text
    assert text.endswith("- **2** Plain")
    assert as_list((), (), "Sources") == ""
    assert "Plain" not in as_list((evil, plain), (1,), "Sources")


def test_the_prompt_keeps_its_budget() -> None:
    """Whatever the passages weigh, the messages stay within the tokens allowed, best passages first."""
    found = tuple(Passage(i + 1, str(i), f"T{i}", "", "", "K", "2026-01-02", "mot " * 400, 1.0) for i in range(10))
    history = tuple(Turn("user", "earlier " * 100) for _ in range(10))
    for budget in (600, 1500, 3000):
        messages, used = answer_messages(Question("What now?", history=history), found, budget)
        assert sum(count(m["content"]) for m in messages) <= budget
        assert [p.number for p in used] == list(range(1, len(used) + 1))
    assert len(used) >= 4
    assert messages[-1]["content"].endswith("Question: What now?")


def test_a_passage_that_does_not_fit_is_cut() -> None:
    """The last passage is shortened; what would be too little to be of use is left out."""
    long = Passage(1, "a", "T", "", "", "K", "", "line of words\n" * 300, 1.0)
    [cut] = fitting([long], 200)
    assert cut.text.endswith("…")
    assert count(cut.text) < 200
    assert fitting([long], 50) == ()


def test_recent_turns_fit_and_lose_their_source_lists() -> None:
    """The newest turns stay, in order, without the list of sources that was shown below an answer."""
    turns = [Turn("user", "old " * 500), Turn("user", "new"), Turn("assistant", "text\n\n**Sources**\n\n- x")]
    assert [m["content"] for m in recent(turns, 100)] == ["new", "text"]


def test_a_short_question_borrows_words() -> None:
    """Without a model a short follow-up is searched together with the question before it."""
    question = Question("And on Windows?", history=(Turn("user", "How do I restart the printer?"), Turn("assistant", "So.")))
    assert joined(question) == "How do I restart the printer? And on Windows?"
    assert standalone("", question) == joined(question)
    assert standalone("x" * 5000, question) == joined(question)
    assert standalone('"How do I restart it on Windows?"', question) == "How do I restart it on Windows?"


def test_without_a_model_the_passages_are_shown() -> None:
    """Retrieval only: it says so, in the language of the question, and names every source."""
    found, piece, written = asked(finder(FRENCH), Question("L’imprimante n’est pas trouvée ?"))
    assert isinstance(found, Found)
    assert isinstance(piece, Piece)
    assert piece.text.startswith(WORDS["fr"].no_model)
    assert "[1]" in piece.text
    assert written == Written(piece.text, (1,), by_model=False)


def test_nothing_found_is_said_without_asking_the_model() -> None:
    """No passage: the model is not asked, and the answer says that the pages do not hold it."""
    model = Scripted("invented")
    events = asked(finder(model=model), Question("Wo ist das?"))
    assert events[-1] == Written(WORDS["en"].not_found, (), by_model=False)
    assert model.asked == []


def test_an_answer_is_streamed_with_true_citations() -> None:
    """The model sees rules, numbered passages and the question; its wrong numbers do not reach the reader."""
    model = Scripted("Rotate it [1], not [5].")
    events = asked(finder(DISK, model=model), Question("How do I rotate the journal?"))
    assert isinstance(events[0], Found)
    assert "".join(e.text for e in events if isinstance(e, Piece)) == "Rotate it [1], not ."
    assert events[-1] == Written("Rotate it [1], not .", (1,), by_model=True)
    assert "[1] Page 1 > Symptoms, changed 2026-01-02" in model.asked[0][-1]["content"]
    assert model.closed


def test_a_follow_up_is_condensed_first() -> None:
    """With a history the model first makes a standalone question, and that is what is searched for."""
    seen: list[tuple[str, Filter]] = []
    model = Scripted("How do I rotate the journal on Debian?", "So [1].")
    question = Question("And on Debian?", history=(Turn("user", "How do I rotate the journal?"), Turn("assistant", "Like this.")))
    asked(finder(DISK, model=model, seen=seen), question)
    assert [text for text, _ in seen] == ["How do I rotate the journal on Debian?"]
    assert "assistant: Like this." in model.asked[0][-1]["content"]


def test_a_space_becomes_a_filter() -> None:
    """A question about one space searches only there."""
    seen: list[tuple[str, Filter]] = []
    asked(finder(DISK, seen=seen), Question("x", space="OPS"))
    assert seen == [("x", Filter(space_keys=("OPS",)))]


def test_a_model_that_dies_is_not_an_answer() -> None:
    """What came so far is passed on, then the failure is raised; there is no Written."""
    answering = finder(DISK, model=Scripted(ServerFailed("broke off")))

    seen: list[object] = []

    async def listen() -> None:
        async for event in answering.ask(Question("x")):
            seen.append(event)

    with pytest.raises(ServerFailed):
        asyncio.run(listen())
    assert {type(event) for event in seen} == {Found, Piece}
