"""Reads the metadata of a chunk as a store gives it back."""

from __future__ import annotations

from confluence_sync.model import Metadata, MetadataValue


def metadata_from(values: dict[str, MetadataValue]) -> Metadata | None:
    """The metadata that `as_dict` wrote, tolerant of stores that turn integers to floats; None when another program wrote it."""
    if not {"source", "page_id", "content_hash", "fingerprint"} <= values.keys():
        return None
    labels = values.get("labels") or []
    known = {name: values.get(name, "") for name in Metadata._fields}
    numbers = {name: _whole(known[name]) for name in ("version", "chunk_index", "chunk_count", "tokens")}
    texts = {name: str(value) for name, value in known.items() if name not in numbers and name != "labels"}
    return Metadata(**texts, **numbers, labels=tuple(labels.split(",") if isinstance(labels, str) else map(str, _listed(labels))))  # type: ignore[arg-type]  # names are the tuple's own


def _whole(value: MetadataValue) -> int:
    try:
        return int(float(value)) if isinstance(value, (str, int, float)) and value != "" else 0
    except (ValueError, OverflowError):  # another program's idea of a number; nothing of ours is lost by a 0
        return 0


def _listed(value: MetadataValue) -> list[str]:
    return value if isinstance(value, list) else [str(value)]
