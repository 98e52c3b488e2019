"""Reads a space as LangChain's users do, in LangChain's own environment: ConfluenceLoader, then RecursiveCharacterTextSplitter.

python peer_langchain.py BASE USER TOKEN SPACE_KEY OUT [--markdown]     writes {"page", "text"} for each chunk, one JSON document a line

As it comes: plain text, and a question about restrictions for each page. With --markdown: Markdown, and no such question.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from langchain_community.document_loaders import ConfluenceLoader
from langchain_text_splitters import RecursiveCharacterTextSplitter

WINDOW, OVERLAP = 4000, 720  # characters: the customary four a token for 1,000 and 180
MOST_PAGES = 10_000_000  # its own default ends at 1,000


def main(base: str, user: str, token: str, key: str, out: str, *flags: str) -> None:
    more = {"keep_markdown_format": True, "include_restricted_content": True} if "--markdown" in flags else {}
    loader = ConfluenceLoader(url=base, username=user, api_key=token, space_key=key, max_pages=MOST_PAGES, **more)
    splitter = RecursiveCharacterTextSplitter(chunk_size=WINDOW, chunk_overlap=OVERLAP)
    with Path(out).open("w", encoding="utf-8") as file:
        for page in loader.lazy_load():
            for chunk in splitter.split_documents([page]):
                file.write(json.dumps({"page": page.metadata["id"], "text": chunk.page_content}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
