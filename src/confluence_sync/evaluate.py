"""Runs a user's own golden questions against a store and says how often the right page is among the first hits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from confluence_sync.errors import ConfluenceSyncError, SettingsError
from confluence_sync.model import Hit
from confluence_sync.search import Searchable, search

TOP = 5
FORM = '{"question": "How do I reset my badge?", "page": "12345"}'


class QualityFell(ConfluenceSyncError):
    """The golden questions find less than they must. The sync itself is done; what is stored is right, but is not found."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Golden:
    """A question and the pages that answer it, each by id, link or exact title; one of them among the hits is enough."""

    question: str
    pages: tuple[str, ...]

    def answered_by(self, hit: Hit) -> bool:
        m = hit.metadata
        return m is not None and bool({m.page_id, m.title, m.url.partition("#")[0]} & {page.partition("#")[0] for page in self.pages})


@dataclass(frozen=True, slots=True)
class Answer:
    """A question, the place of the first right hit (from 1; 0: not among them) and the titles that were found instead."""

    golden: Golden
    place: int
    titles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EvalResult:
    """Shares are of all questions, 0 to 1."""

    answers: tuple[Answer, ...]
    top: int

    @property
    def hit1(self) -> float:
        return self._share([answer.place == 1 for answer in self.answers])

    @property
    def hits(self) -> float:
        """How often the right page is among the first `top` hits."""
        return self._share([answer.place > 0 for answer in self.answers])

    @property
    def mrr(self) -> float:
        """The mean of 1 / place: 1 when the right page is always first."""
        return self._share([1 / answer.place if answer.place else 0 for answer in self.answers])

    @property
    def missed(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if not answer.place)

    def _share(self, values: Sequence[float]) -> float:
        return sum(values) / len(values)

    def as_text(self) -> str:
        """One line of figures, one for every question that missed."""
        figures = f"{len(self.answers)} questions: hit@1 {self.hit1:.2f}, hit@{self.top} {self.hits:.2f}, MRR {self.mrr:.2f}"
        return "\n".join([figures, *(f"  missed: {a.golden.question!r} found {', '.join(a.titles) or 'nothing'}" for a in self.missed)])


def run_eval(store: Searchable, file: Path, top: int = TOP) -> EvalResult:
    """Asks every question of the file. Raises SettingsError for a file that cannot be read as questions."""
    return EvalResult(tuple(_asked(store, golden, top) for golden in read_questions(file)), top)


def require(result: EvalResult, least: float) -> None:
    """Raises QualityFell when the share of answered questions is below `least` (0 to 1)."""
    if result.hits < least:
        raise QualityFell(f"the golden questions find the right page in {result.hits:.0%}, which must be {least:.0%}.\n{result.as_text()}")


def read_questions(file: Path) -> list[Golden]:
    """One JSON object a line (.jsonl) or a YAML list, each with `question` and `page` (a page's id, link or title, or a list of them)."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}; give a file with one question a line, as {FORM}") from error
    found = [_golden(value, f"{file}:{number}") for number, value in _values(file, text)]
    if not found:
        raise SettingsError(f"{file}: holds no question; write one a line, as {FORM}")
    return found


def _values(file: Path, text: str) -> Iterator[tuple[int, object]]:
    if file.suffix in (".yaml", ".yml"):
        import yaml

        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise SettingsError(f"{file}: is not YAML ({' '.join(str(error).split())})") from error
        yield from enumerate(value if isinstance(value, list) else [value] if value else [], 1)
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, _parsed(line, f"{file}:{number}")


def _parsed(line: str, where: str) -> object:
    try:
        return json.loads(line)
    except ValueError as error:
        raise SettingsError(f"{where}: is not JSON ({error}); write one question a line, as {FORM}") from error


def _golden(value: object, where: str) -> Golden:
    question = value.get("question") if isinstance(value, dict) else None
    page = value.get("page") if isinstance(value, dict) else None
    pages = tuple(str(each) for each in (page if isinstance(page, list) else [page]) if each not in (None, ""))
    if not isinstance(question, str) or not question.strip() or not pages:
        raise SettingsError(f"{where}: needs a question and a page, as {FORM}")
    return Golden(question, pages)


def _asked(store: Searchable, golden: Golden, top: int) -> Answer:
    hits = search(store, golden.question, top)
    place = next((i for i, hit in enumerate(hits, 1) if golden.answered_by(hit)), 0)
    return Answer(golden, place, tuple(dict.fromkeys(hit.metadata.title for hit in hits if hit.metadata)))
