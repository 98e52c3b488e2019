"""Counts cl100k_base tokens exactly and offline: the encoder carries its tables, so a container without egress can chunk."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from types import ModuleType

ENCODING = "cl100k_base"

Count = Callable[[str], int]


@cache
def counter() -> Count:
    """The counting function itself, for loops. It raises UnicodeEncodeError for lone surrogates.

    A compiled installation's remembers what words count and asks the encoder for the others: the same counts, several times faster.
    """
    try:
        from confluence_sync.cl100k import counter as remembering
    except ModuleNotFoundError:
        return _exact()
    made: Count = remembering(_exact())
    return made


@cache
def _exact() -> Count:
    count: Count = _bindings().tokenizer_for_encoding(ENCODING).count
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
