"""The usual way to fill a vector store from Confluence, for comparison: one request after the other, markdownify, fixed windows, no store.

python -m benchmarks.usual_way BASE USER TOKEN SPACE_KEY      prints pages, windows and bytes of storage format
"""

from __future__ import annotations

import sys
from urllib.parse import parse_qsl, urlsplit

import requests
from markdownify import markdownify

WINDOW, OVERLAP = 4000, 720  # characters: the customary four a token for 1,000 and 180


def windows(text: str) -> list[str]:
    return [text[start : start + WINDOW].strip() for start in range(0, max(len(text) - OVERLAP, 1), WINDOW - OVERLAP)]


def main(base: str, user: str, token: str, key: str) -> None:
    session = requests.Session()
    session.auth = (user, token)
    params = {"cql": f'type=page and space="{key}"', "limit": "50", "expand": "body.storage,version,metadata.labels,space"}
    path, pages, made, size = "/wiki/rest/api/content/search", 0, 0, 0
    while True:
        answer = session.get(base + path, params=params, timeout=60)
        answer.raise_for_status()
        listed = answer.json()
        for page in listed["results"]:
            html = page["body"]["storage"]["value"]
            pages, size = pages + 1, size + len(html.encode())
            made += len([w for w in windows(markdownify(html, strip=["script", "style"])) if w])
        following = listed["_links"].get("next")
        if not following:
            break
        params = dict(parse_qsl(urlsplit(following).query))
    print(pages, made, size)


if __name__ == "__main__":
    main(*sys.argv[1:5])
