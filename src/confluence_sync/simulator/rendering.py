"""A rough rendering of storage format, for the representations that a source does not hold."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping

MADE_FROM_STORAGE = {"view", "export_view", "anonymous_export_view", "styled_view", "editor"}
CDATA = re.compile(r"<ac:plain-text-body>\s*((?:<!\[CDATA\[.*?\]\]>)+)\s*</ac:plain-text-body>", re.DOTALL)
PARAMETER = re.compile(r"<ac:parameter\b[^>]*>[^<]*</ac:parameter>")
FOREIGN = re.compile(r"</?(?:ac|ri|at):[^>]*>")
TAG = re.compile(r"<[^>]+>")
BLOCK = re.compile(r"</(?:p|h[1-6]|li|td|th|pre|div)>")


def rendered(texts: Mapping[str, str], representation: str) -> str | None:
    """The body in `representation`, made from what the page has; None when it has nothing to make it from."""
    if representation in texts:
        return texts[representation]
    if representation == "atlas_doc_format":
        return None if "storage" not in texts else document(texts["storage"])
    if representation not in MADE_FROM_STORAGE:
        return None
    return as_html(texts["storage"]) if "storage" in texts else texts.get("view")


def as_html(storage: str) -> str:
    """Storage format with its macros reduced to what they contain, code as <pre>."""
    plain = CDATA.sub(lambda found: f"<pre>{html.escape(_unwrapped(found[1]))}</pre>", storage)
    return FOREIGN.sub("", PARAMETER.sub("", plain))


def _unwrapped(cdata: str) -> str:
    return "".join(re.findall(r"<!\[CDATA\[(.*?)\]\]>", cdata, re.DOTALL))


def document(storage: str) -> str:
    """The text of a page as an Atlassian document of plain paragraphs, in JSON."""
    lines = html.unescape(TAG.sub("", BLOCK.sub("\n", as_html(storage)))).split("\n")
    paragraphs = [{"type": "paragraph", "content": [{"type": "text", "text": line.strip()}]} for line in lines if line.strip()]
    return json.dumps({"type": "doc", "content": paragraphs, "version": 1}, separators=(",", ":"))
