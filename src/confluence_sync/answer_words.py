"""The few sentences that the service says by itself, in English and French, and which of the two a question is in."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FRENCH_WORDS = """le la les un une des du de et est sont que qui quoi quel quelle quels quelles comment pourquoi où quand combien dans
    sur avec pour par pas ne je tu il elle nous vous mon ma mes ce cette ces faire fait peut puis dois faut au aux en sans plus y"""
_ENGLISH_WORDS = """the a an of and is are was what which who how why where when do does did can could should must to in on with for by
    from not i you we my our this that these those it its there any have has get"""
_FRENCH, _ENGLISH = frozenset(_FRENCH_WORDS.split()), frozenset(_ENGLISH_WORDS.split())
_WORD = re.compile(r"[\w'’-]+")


@dataclass(frozen=True, slots=True)
class Words:
    """One language's sentences."""

    language: str
    not_found: str
    no_model: str
    sources: str


WORDS = {
    "en": Words(
        "en",
        "The documentation that was searched does not answer this. Try other words, or another space.",
        "No language model is set up here, so this is no written answer. The passages that fit best:",
        "Sources",
    ),
    "fr": Words(
        "fr",
        "La documentation consultée ne répond pas à cette question. Essayez d’autres mots, ou un autre espace.",
        "Aucun modèle de langage n’est configuré ici : ceci n’est pas une réponse rédigée. Les passages les plus proches :",
        "Sources",
    ),
}


def language(text: str) -> str:
    """ "fr" or "en": by the small words, then by accents; English when nothing tells."""
    found = [word.lower().replace("’", "'") for word in _WORD.findall(text)]
    parts = [part for word in found for part in (word, *word.split("'"))]
    french, english = sum(p in _FRENCH for p in parts), sum(p in _ENGLISH for p in parts)
    elided = sum(word.startswith(("l'", "d'", "qu'", "j'", "n'", "s'", "c'")) for word in found)
    accents = bool(re.search(r"[éèêàùçœîôû]", text.lower()))
    return "fr" if french + 2 * elided + accents > english else "en"


def words_for(text: str) -> Words:
    return WORDS[language(text)]
