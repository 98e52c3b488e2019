"""Golden questions: figures by hand, ways to name a page, files that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from confluence_sync.errors import SettingsError
from confluence_sync.evaluate import QualityFell, read_questions, require, run_eval
from confluence_sync.stores.memory import MemoryStore
from tests.store_contract import DISK, SAMPLE


@pytest.fixture
def store() -> MemoryStore:
    held = MemoryStore()
    held.write(SAMPLE)
    return held


def questions(folder: Path, text: str, name: str = "golden.jsonl") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_figures_are_those_counted_by_hand(store: MemoryStore, tmp_path: Path) -> None:
    """One first, one second, one missed: hit@1 1/3, hit@5 2/3, MRR 1/2."""
    file = questions(
        tmp_path,
        '{"question": "journal fills the disk", "page": "1"}\n'
        "# a comment\n\n"
        '{"question": "the journal fills the disk cookie", "page": ["2"]}\n'
        '{"question": "imprimante", "page": "99"}\n',
    )
    result = run_eval(store, file)
    assert (result.hit1, result.hits, result.mrr) == (pytest.approx(1 / 3), pytest.approx(2 / 3), pytest.approx(1 / 2))
    assert [answer.golden.question for answer in result.missed] == ["imprimante"]
    assert result.as_text().startswith("3 questions: hit@1 0.33, hit@5 0.67, MRR 0.50\n  missed: 'imprimante' found")


@pytest.mark.parametrize("page", ["1", "Page 1", DISK.metadata.url, DISK.metadata.url + "#Symptoms"])
def test_a_page_is_named_by_id_title_or_link(store: MemoryStore, tmp_path: Path, page: str) -> None:
    """Whatever a person copies from Confluence names the page."""
    result = run_eval(store, questions(tmp_path, f'- question: journal disk\n  page: "{page}"\n', "golden.yaml"))
    assert result.hit1 == 1


def test_falling_below_the_bar_is_loud(store: MemoryStore, tmp_path: Path) -> None:
    """Below the share that is asked for it raises with the figures and the missed questions; at it, it does not."""
    result = run_eval(store, questions(tmp_path, '{"question": "disk", "page": "1"}\n{"question": "moon", "page": "1"}'))
    require(result, 0.5)
    with pytest.raises(QualityFell, match=r"50%, which must be 90%.\n2 questions.*\n  missed: 'moon' found nothing") as raised:
        require(result, 0.9)
    assert raised.value.exit_code == 3


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("g.jsonl", "", "holds no question"),
        ("g.yaml", "", "holds no question"),
        ("g.jsonl", "question,page", r"g\.jsonl:1: is not JSON"),
        ("g.jsonl", '{"question": "x", "page": "1"}\n{"question": "x"}', r"g\.jsonl:2: needs a question and a page"),
        ("g.jsonl", '{"question": " ", "page": "1"}', "needs a question"),
        ("g.jsonl", "[1]", "needs a question"),
        ("g.yaml", "a: [", "is not YAML"),
        ("g.yaml", "- question: x\n  page: []", "needs a question and a page"),
    ],
)
def test_a_wrong_file_names_line_and_form(tmp_path: Path, name: str, text: str, told: str) -> None:
    """A file that is no list of questions says where and what one looks like."""
    with pytest.raises(SettingsError, match=told):
        read_questions(questions(tmp_path, text, name))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path that is not there is an error about that path."""
    with pytest.raises(SettingsError, match=r"nowhere\.jsonl"):
        read_questions(tmp_path / "nowhere.jsonl")
