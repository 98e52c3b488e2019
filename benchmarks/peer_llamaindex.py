"""Reads a space as LlamaIndex's users do, in LlamaIndex's own environment: ConfluenceReader, then SentenceSplitter.

python peer_llamaindex.py BASE USER TOKEN SPACE_KEY OUT     writes {"page", "text"} for each chunk, one JSON document a line
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from llama_index.core.node_parser import SentenceSplitter
from llama_index.readers.confluence import ConfluenceReader

TOKENS, OVERLAP = 1000, 180
MOST_PAGES = 1_000_000  # without a number it fails on the versions of atlassian-python-api that it allows


def main(base: str, user: str, token: str, key: str, out: str) -> None:
    reader = ConfluenceReader(base_url=base, user_name=user, password=token)
    pages = reader.load_data(space_key=key, page_status="current", max_num_results=MOST_PAGES)
    splitter = SentenceSplitter(chunk_size=TOKENS, chunk_overlap=OVERLAP)
    with Path(out).open("w", encoding="utf-8") as file:
        for page in pages:
            for node in splitter.get_nodes_from_documents([page]):
                file.write(json.dumps({"page": page.metadata["page_id"], "text": node.get_content()}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
