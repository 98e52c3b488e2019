"""Counts cl100k_base tokens exactly and offline: the encoder carries its tables, so a container without egress can chunk."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from types import ModuleType

ENCODING = "cl100k_base"

Count = Callable[[str], int]

# Letters and digits that Unicode 17 added, where the two encoders split differently, because their tables are of different years, and
# halves of surrogate pairs, which they refuse in different words. In two expressions, because only the first becomes a table: every
# text that is not ASCII is searched.
_APART = re.compile("[\u088f\u0c5c\u0cdc\ua7ce-\ua7d4\ua7f1\ud800-\udfff]")
_FAR_APART = re.compile(
    "[\U00010940-\U00010959\U00010ec5-\U00010ec7\U00011db0-\U00011de9\U00016ea0-\U00016ed3\U00016ff2-\U00016ff6"
    "\U000187f8-\U000187ff\U00018d09-\U00018df2\U0001e6c0-\U0001e6ff\U0002b73a-\U0002b73f\U0002cea2-\U0002cead"
    "\U000323b0-\U00033479]"
)
_FAR = re.compile("[\U00010940-\U00033479]")  # all of them and many more, but one comparison a character
_in_a_hurry = False


@cache
def counter() -> Count:
    """The counting function itself, for loops. It raises UnicodeEncodeError for lone surrogates."""
    return (_quick() if _in_a_hurry else None) or _exact()


def hurry() -> None:
    """From here on this process counts with quicktok where that is installed: the same counts in a third of the time, for 0.2 CPU s
    and 39 MB once. It is C++ that reads foreign text, so this is for worker processes, whose death costs a page and not the run."""
    global _in_a_hurry
    _in_a_hurry = True
    counter.cache_clear()


@cache
def _exact() -> Count:
    count: Count = _bindings().tokenizer_for_encoding(ENCODING).count
    return count


def _quick() -> Count | None:
    try:
        from quicktok import get_encoding
    except ImportError:
        return None
    quick: Count = get_encoding(ENCODING).count
    apart, far = _APART.search, _FAR.search

    def count(text: str) -> int:
        if text.isascii() or (apart(text) is None and (far(text) is None or _FAR_APART.search(text) is None)):
            return quick(text)
        return _exact()(text)

    return count


def count(text: str) -> int:
    """How many cl100k_base tokens a text has. Lone surrogates, which no encoder takes, count as nothing."""
    try:
        return counter()(text)
    except UnicodeEncodeError:
        return counter()(text.encode("utf-8", "ignore").decode())


def _bindings() -> ModuleType:
    """bpe-openai's compiled part alone: importing the package builds every encoding it knows in Python (0.5 CPU s and 68 MB a
    process, against 0.02 s and 30 MB), and each worker process would pay that."""
    name = "bpe_openai._bindings"
    if name in sys.modules:
        return sys.modules[name]
    package = PathFinder.find_spec("bpe_openai")
    places = package.submodule_search_locations if package else None
    spec = PathFinder.find_spec(name, places) if places else None
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("bpe-openai, which counts tokens, is not installed: pip install bpe-openai==0.1.4", name=name)
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
