"""Token counts: exact, offline and cheap to load."""

from __future__ import annotations

import subprocess
import sys

import pytest

from confluence_sync import tokens

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
