"""Reads the simulator's pages from a folder of JSON files, from a JSONL file (bodies stay on disk when it is big) or from objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from confluence_sync.errors import SettingsError
from confluence_sync.simulator.contents import Json, OnDisk

HELD_BELOW = 32 * 1024 * 1024
Source = Path | Iterable[Json]
Row = tuple[Json, OnDisk | None]


def rows(source: Source) -> Iterator[Row]:
    """Every content object of the source, with its place on disk where its body should stay there."""
    if not isinstance(source, Path):
        return ((thing, None) for thing in source)
    if source.is_dir():
        return _files(source)
    if not source.is_file():
        raise SettingsError(f"{source}: there is no such folder or file; give a folder of *.json content objects or a .jsonl file")
    return _lines(source)


def big(source: Source) -> bool:
    """Whether the bodies of this source are left on disk."""
    return isinstance(source, Path) and source.is_file() and source.stat().st_size >= HELD_BELOW


def _files(folder: Path) -> Iterator[Row]:
    names = sorted(folder.glob("*.json"))
    if not names:
        raise SettingsError(f"{folder}: holds no *.json file; give a folder of content objects (one a file) or a .jsonl file")
    for name in names:
        yield _object(name.read_bytes(), str(name)), None


def _lines(path: Path) -> Iterator[Row]:
    stay = big(path)
    with path.open("rb") as file:
        offset = 0
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _object(line, f"{path}:{number}"), OnDisk(offset, len(line)) if stay else None
            offset += len(line)


def _object(raw: bytes, where: str) -> Json:
    try:
        thing = json.loads(raw)
    except ValueError as error:
        raise SettingsError(f"{where}: is not JSON ({error}); each must be one content object") from error
    if not isinstance(thing, dict) or "id" not in thing:
        raise SettingsError(f"{where}: is not a content object (an object with an id); see GET /rest/api/content")
    return cast(Json, thing)


def read_at(file: BinaryIO, place: OnDisk) -> Json:
    """The content object that lies at `place`."""
    file.seek(place.offset)
    return _object(file.read(place.length), f"byte {place.offset}")
