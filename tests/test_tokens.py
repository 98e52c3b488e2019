"""Token counts: exact, offline and cheap to load."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator

import pytest

from confluence_sync import tokens


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[tokens.Count]:
    """The counting function of a worker process."""
    monkeypatch.setattr(tokens, "_in_a_hurry", False)
    tokens.hurry()
    yield tokens.counter()
    monkeypatch.undo()
    tokens.counter.cache_clear()


KNOWN = [
    ("", 0),
    ("hello world", 2),
    ("a.\n\nb", 3),
    ("<|endoftext|>", 7),
    ("漢字かな交じり文", 9),
    ("👩‍🔧", 8),
    ("\n" * 100, 4),
    ("    return x", 3),
]


@pytest.mark.parametrize(("text", "number"), KNOWN)
def test_counts_are_those_of_cl100k_base(text: str, number: int) -> None:
    """The counts are those that OpenAI's own encoder gives for cl100k_base; text that looks like a special token is text."""
    assert tokens.count(text) == number


def test_lone_surrogates_count_as_nothing() -> None:
    """Half a surrogate pair, which no encoder takes, neither fails nor counts."""
    assert tokens.count("a\ud83d b") == tokens.count("a b")


def test_loading_the_counter_leaves_the_package_alone() -> None:
    """Counting does not import bpe-openai's Python side, which takes half a second and 68 MB, and importing it later still works."""
    program = (
        "import sys; from confluence_sync import tokens; assert tokens.count('a b') == 2; assert 'bpe_openai.registry' not in sys.modules;"
        "import bpe_openai; assert bpe_openai.get_encoding('cl100k_base').encode('a b') == [64, 293]; print('both')"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "both\n"


def test_a_missing_encoder_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the encoder the error says what to install."""
    monkeypatch.delitem(sys.modules, "bpe_openai._bindings", raising=False)
    monkeypatch.setattr(sys, "path", [])
    tokens.counter.cache_clear()
    tokens._exact.cache_clear()
    with pytest.raises(ModuleNotFoundError, match="pip install bpe-openai"):
        tokens.count("x")
    monkeypatch.undo()
    tokens.counter.cache_clear()


@pytest.mark.parametrize(("text", "number"), KNOWN)
def test_a_worker_counts_the_same(hurried: tokens.Count, text: str, number: int) -> None:
    """The quick encoder gives the same counts, and takes special tokens for text as well."""
    assert hurried.__name__ == "count"
    assert hurried(text) == number


def test_a_worker_refuses_half_a_character_like_the_run(hurried: tokens.Count) -> None:
    """The counting function of both raises the same, which `count` knows how to take."""
    for counting in (hurried, tokens._exact()):
        with pytest.raises(UnicodeEncodeError):
            counting("a\ud83d b")
    assert tokens.count("a\ud83d b") == tokens.count("a b")


def test_a_worker_splits_at_every_character_like_the_run(hurried: tokens.Count) -> None:
    """Letters, digits and spaces are told apart by tables of Unicode, and the two encoders have tables of different years."""
    exact = tokens._exact()
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
    texts = ["".join(f"a{c}'s 1{c}1 {c}\n" for c in characters[start : start + 16]) for start in range(0, len(characters), 16)]
    assert [text for text in texts if hurried(text) != exact(text)] == []


def test_a_worker_counts_any_text_like_the_run(hurried: tokens.Count) -> None:
    """Words, spaces and characters of all scripts, mixed at random."""
    exact, rng = tokens._exact(), random.Random(17)
    pools = ((0x20, 0x7E), (0x00, 0x2FF), (0x300, 0x5FF), (0x900, 0xDFF), (0x2000, 0x2FFF), (0x3000, 0x9FFF), (0xE000, 0x33480))
    words = ("'s", "'LL", " \n", "\r\n", "   ", "\t", "'ſ", "ß", "1234", "<|endoftext|>", "\u00a0", "\u3000", "word")
    for _ in range(20_000):
        low, high = rng.choice(pools)
        text = "".join(rng.choice(words) if rng.random() < 0.4 else chr(rng.randint(low, high)) for _ in range(rng.choice((2, 5, 40))))
        assert hurried(text) == exact(text), text


def test_without_the_quick_encoder_a_worker_counts_with_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is an extra: without it everything works as before."""
    monkeypatch.setitem(sys.modules, "quicktok", None)
    assert tokens._quick() is None


@pytest.mark.parametrize(("module", "loaded"), [("worker", True), ("sync", False)])
def test_foreign_text_meets_the_quick_encoder_in_workers_alone(module: str, loaded: bool) -> None:
    """It is C++ that nobody checked for us: should a page end it, the page fails and the run goes on."""
    program = (
        f"import sys; import confluence_sync.{module}; from confluence_sync import tokens;"
        "tokens.count('x'); print('quicktok' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{loaded}\n"
