"""Fetches the default model once, checks every byte of it, and keeps it in STATE_DIR."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from confluence_sync.errors import RemoteError, ServerFailed, SettingsError
from confluence_sync.http import MEGABYTE, Answer, Link, Patience, Wire
from confluence_sync.wires import HttpxWire

log = logging.getLogger(__name__)

MODEL = "all-MiniLM-L6-v2"
HOST = "https://huggingface.co"
WHERE = "/sentence-transformers/all-MiniLM-L6-v2/resolve/main/"
PART = 8 * MEGABYTE
LARGEST = 1024 * MEGABYTE
Told = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class File:
    """One file of the model; `sha256` is empty for the small ones that cannot change a vector unnoticed (the canary would see it)."""

    name: str
    sha256: str = ""


FILES = (
    File("config.json"),
    File("tokenizer.json"),
    File("sentence_bert_config.json"),
    File("1_Pooling/config.json"),
    File("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
)


def model_folder(state_dir: Path) -> Path:
    """Where a downloaded model lives; it is whole when it is there."""
    return state_dir / "models" / MODEL


def download(link: Link, folder: Path, files: tuple[File, ...] = FILES, told: Told | None = None) -> None:
    """Fills `folder`, all of it or nothing. Raises SettingsError when the model cannot be had or is not the one we know."""
    coming = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    try:
        for file in files:
            _fetch(link, file, coming / file.name, told or progress())
    except RemoteError as error:
        raise SettingsError(
            f"the model {MODEL} could not be downloaded: {error}. Set EMBEDDING_MODEL_PATH to a copy of it, EMBEDDING_URL to an endpoint, "
            "or EMBEDDING_BACKEND=none for keyword search only"
        ) from error
    if not folder.exists():  # another run may have been quicker
        coming.rename(folder)


def _fetch(link: Link, file: File, target: Path, told: Told) -> None:
    """In parts, so that a broken connection costs one part and no answer is large."""
    target.parent.mkdir(parents=True, exist_ok=True)
    seen = hashlib.sha256()
    total, whole = 0, 1
    with target.open("wb") as out:
        while total < whole:
            part = link.send("GET", file.name, headers={"range": f"bytes={total}-{total + PART - 1}"}, limit=LARGEST)
            if not part.body:
                raise ServerFailed(f"{link.base}{file.name} broke off after {total} bytes")
            seen.update(part.body)
            out.write(part.body)
            total += len(part.body)
            whole = _length(part, total)
            told(file.name, total, whole)
    if file.sha256 and seen.hexdigest() != file.sha256:
        target.unlink()
        raise SettingsError(
            f"{file.name} from {link.base} has SHA-256 {seen.hexdigest()}, not {file.sha256}: it was damaged or changed on the way and was "
            "thrown away. Download again, or set EMBEDDING_MODEL_PATH to a copy you trust"
        )


def _length(part: Answer, total: int) -> int:
    """Of the whole file; a server without ranges sends all of it at once."""
    said = part.headers.get("content-range", "").rpartition("/")[2]
    return int(said) if said.isdigit() else total


class Following:
    """A wire that follows redirects, as model hubs send to their storage. No secret goes with these requests, and the hash decides."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def send(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, timeout: float, limit: int) -> Answer:
        for _ in range(6):
            answer = self._wire.send(method, url, headers, content, timeout, limit)
            target = answer.headers.get("location", "")
            if not (300 <= answer.status < 400 and target):
                return answer
            url = urljoin(url, target)
        raise ServerFailed(f"{url} redirects in a circle")

    def close(self) -> None:
        self._wire.close()


def hub(bundle: Path | None = None, base: str = HOST + WHERE) -> Link:
    """The connection that the default model comes over."""
    return Link(base, Following(HttpxWire(bundle)), patience=Patience(timeout=120))


def progress() -> Told:
    """A bar on a terminal, one line for every tenth elsewhere."""
    last = -1

    def told(name: str, done: int, whole: int) -> None:
        nonlocal last
        tenth = done * 10 // max(whole, 1)
        if sys.stderr.isatty():
            print(
                f"\r{name} [{'#' * tenth:<10}] {done // MEGABYTE} of {whole // MEGABYTE} MB",
                end="\n" if done >= whole else "",
                file=sys.stderr,
            )
        elif whole >= MEGABYTE and tenth != last:
            log.info("%s: %d of %d MB", name, done // MEGABYTE, whole // MEGABYTE)
        last = tenth

    return told
