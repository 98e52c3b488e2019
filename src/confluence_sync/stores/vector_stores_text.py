"""How a chunk becomes a file's text and attributes, and back, on servers that guess charsets, flatten Markdown and merge equal texts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from confluence_sync.jsonvalue import JsonObject, child, objects, text
from confluence_sync.model import Chunk, Hit, Metadata, MetadataValue, digest
from confluence_sync.stores.remote import flat
from confluence_sync.stores.stored_metadata import metadata_from

BOM = "\ufeff"  # makes the charset certain; the servers do not store it
MARK = re.compile(r"\n\n<!-- [0-9a-f]{10} -->\s*$")
PIN = "\u200b"
PINNED = re.compile(f"{PIN}(?= |$)", re.MULTILINE)
TAB = f"{PIN}{PIN} "
ID = "conf_id"  # `chunk_id`, `document_id`, `file_id` and `filename` are overwritten by the servers
LONGEST_VALUE = 512
SENTINEL = "sentinel-"


def encoded(chunk: Chunk, flattens: bool) -> bytes:
    """The file for a chunk. A comment with part of a digest of its id and metadata keeps the text unique, also from the chunk's older
    file: equal texts share one id on some providers."""
    text = f"{chunk.text}\n\n<!-- {digest(fingerprint(chunk), size=5)} -->"
    return (BOM + (pinned(text) if flattens else text)).encode("utf-8", "replace")


def decoded(text: str) -> str:
    """The chunk's text as it was given to `encoded`, whether or not it was pinned."""
    return MARK.sub("", PINNED.sub("", text.removeprefix(BOM).replace(TAB, "\t")))


def pinned(text: str) -> str:
    """`text` with zero-width spaces wherever a server that writes " ".join(line.split()) and drops blank lines would lose white space."""
    return "\n".join(_pinned_line(line) for line in text.split("\n"))


def _pinned_line(line: str) -> str:
    held = re.sub(r"(?:^|(?<=[ \t])) ", f"{PIN} ", line).replace("\t", TAB)
    return held + PIN if not held or held.endswith(" ") else held


def attributes(chunk: Chunk) -> dict[str, MetadataValue]:
    """At most 16 scalars of at most 512 characters: the chunk's metadata and its id. An address that is too long loses its anchor."""
    values = flat(chunk)
    values["url"] = fitting_url(chunk.metadata.url)
    cut = {key: value[:LONGEST_VALUE] if isinstance(value, str) else value for key, value in values.items()}
    return {**cut, ID: chunk.id}


def fitting_url(url: str) -> str:
    return url if len(url) <= LONGEST_VALUE else url.partition("#")[0]


def read_attributes(values: Mapping[str, object]) -> tuple[str, Metadata | None]:
    """Our chunk id ("" for a file of somebody else) and the metadata."""
    known = {key: value for key, value in values.items() if isinstance(value, (str, int, float, bool))}
    labels = str(known.get("labels") or "")
    listed: dict[str, MetadataValue] = {**known, "labels": labels.split(",") if labels else []}
    return str(known.get(ID) or ""), metadata_from(listed)


def fingerprint(chunk: Chunk) -> str:
    """A digest of what a chunk's file and its attributes say, as they can be read back from the server's list."""
    _, metadata = read_attributes(attributes(chunk))
    return digest(chunk.id, repr(metadata))


def hit_from(row: JsonObject) -> Hit:
    """One row of a search; a file of another program goes by `file:` and its id."""
    chunk_id, metadata = read_attributes(child(row, "attributes", "hit"))
    score = row.get("score")
    said = "".join(text(part, "text", "hit") for part in objects(row, "content", "hit"))
    known = float(score) if isinstance(score, (int, float)) else 0.0
    return Hit(chunk_id or f"file:{row.get('file_id')}", known, decoded(said), metadata)


def is_sentinel(chunk_id: str) -> bool:
    return chunk_id.startswith(SENTINEL)
