"""A folder of Markdown files, one a page: names that last, bytes that only change when the page does, times that are the page's."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from confluence_sync.errors import SettingsError
from confluence_sync.model import EVERYTHING, Chunk, Filter, Hit, Page, Stored, plain_text
from confluence_sync.stores.base import Feature, Identity

FEATURES = Feature.UPSERT | Feature.DELETE


def file_name(page: Page) -> str:
    """SPACE/id.md: a rename or a move changes the file's content, never its name."""
    return f"{re.sub(r'[^A-Za-z0-9~_-]', '_', page.space_key)}/{re.sub(r'[^A-Za-z0-9_-]', '_', page.ref.id)}.md"


def file_text(page: Page, markdown: str) -> str:
    """Front matter (id, title, url, version, labels, space, last_modified), the title as a heading, and the page."""
    front = {
        "id": page.ref.id,
        "title": plain_text(page.ref.title),
        "url": page.url,
        "version": page.ref.version,
        "labels": [plain_text(label) for label in page.labels],
        "space": page.space_key,
        "last_modified": page.updated_at,
    }
    head = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=10_000)
    title = " ".join(plain_text(page.ref.title).split())
    return f"---\n{head}---\n\n# {title}\n\n{plain_text(markdown).strip()}\n"


@dataclass
class FolderStore:
    """The files as a store whose chunks are whole files: what the run's deletions need of one; pages are written with put()."""

    folder: Path
    features: Feature = FEATURES

    def put(self, name: str, text: str, modified: str) -> bool:
        """Writes a file so that readers see the old one or the new one, whole. Gives whether its bytes changed."""
        file = self.folder / name
        content = text.encode()
        try:
            changed = not (file.is_file() and file.read_bytes() == content)
            if changed:
                file.parent.mkdir(parents=True, exist_ok=True)
                beside = file.with_name(f".{file.name}.part")
                beside.write_bytes(content)
                _set_time(beside, modified)
                beside.replace(file)
            elif _time(modified) not in (None, int(file.stat().st_mtime)):
                _set_time(file, modified)
        except OSError as error:
            raise _unusable(file, error) from error
        return changed

    def missing(self, names: Sequence[str]) -> bool:
        """Whether one of the files is not there."""
        return not all((self.folder / name).is_file() for name in names)

    def delete(self, chunk_ids: Sequence[str]) -> None:
        for name in chunk_ids:
            try:
                (self.folder / name).unlink(missing_ok=True)
            except OSError as error:
                raise _unusable(self.folder / name, error) from error

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    def identity(self) -> Identity:
        return Identity("folder", None)

    def close(self) -> None:
        """Nothing to give back."""

    def write(self, chunks: Sequence[Chunk]) -> None:
        raise NotImplementedError("a folder takes whole pages; use put()")

    def retag(self, chunks: Sequence[Chunk]) -> None:
        raise NotImplementedError("a folder takes whole pages; use put()")

    def ids(self) -> Iterator[Stored]:
        raise NotImplementedError("a folder does not tell what it holds; its state does")

    def query(self, text: str, top_k: int, where: Filter = EVERYTHING) -> list[Hit]:
        raise NotImplementedError("a folder cannot be searched")

    def drop(self) -> None:
        raise NotImplementedError("a folder is never removed whole")


@dataclass
class FolderBackend:
    """The one folder, under any name."""

    folder: Path
    name: str = "folder"
    features: Feature = FEATURES

    def open(self, collection: str) -> FolderStore:
        return FolderStore(self.folder)

    def collections(self) -> list[str]:
        return []

    def close(self) -> None:
        """Nothing to give back."""


def _time(modified: str) -> int | None:
    """Seconds since 1970; None for a page without a date."""
    try:
        return int(datetime.fromisoformat(modified).timestamp())
    except ValueError:
        return None


def _set_time(file: Path, modified: str) -> None:
    seconds = _time(modified)
    if seconds is not None:
        os.utime(file, (seconds, seconds))


def _unusable(file: Path, error: OSError) -> SettingsError:
    return SettingsError(f"{file} cannot be written: {error.strerror or error}; give a folder that this account may write to")
