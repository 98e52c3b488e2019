"""Retrieval as the programs before this one do it: markdownify, fixed windows of tokens, one vector of the part the model reads."""

from __future__ import annotations

import bpe_openai
from markdownify import markdownify

from confluence_sync.model import Page

TOKENS, OVERLAP = 1000, 180


def chunks(page: Page) -> list[str]:
    """Windows of TOKENS cl100k_base tokens, each repeating OVERLAP of the one before."""
    encoding = bpe_openai.get_encoding("cl100k_base")
    tokens = encoding.encode(markdownify(page.body))
    starts = range(0, max(1, len(tokens) - OVERLAP), TOKENS - OVERLAP)
    return [text for start in starts if (text := encoding.decode(tokens[start : start + TOKENS]).strip())]
