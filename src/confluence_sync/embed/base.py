"""What an embedder is, and what is recorded of it with a collection so that two models never mix."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from confluence_sync.errors import BadAnswer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix: TypeAlias = NDArray[np.float32]
else:
    Matrix = object

CANARY = "The printer on the third floor answers with error 0x8007 when two people print at once."
CANARY_AGREES = 0.99  # cosine; servers that batch differently or compute in 16 bits stay above it, another model does not


@dataclass(frozen=True, slots=True)
class Facts:
    """Which model made the vectors. `weights` is the file's SHA-256, empty for a server's; `canary` the vector of CANARY."""

    model: str
    weights: str
    dimension: int
    normalised: bool = True
    canary: tuple[float, ...] = ()

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def differences(self, other: Facts) -> list[str]:
        """What is not the same, in words; the canary says so when a server swapped its model under one name."""
        names = [name for name in ("dimension", "normalised") if getattr(self, name) != getattr(other, name)]
        if self.weights and other.weights:
            names += ["weights"] if self.weights != other.weights else []
        elif self.model != other.model:
            names += ["model"]
        told = [f"{name} {_short(getattr(self, name))} there, {_short(getattr(other, name))} now" for name in names]
        if not told and self.canary and other.canary and cosine(self.canary, other.canary) < CANARY_AGREES:
            told = [f"a test sentence gets another vector than before (cosine {cosine(self.canary, other.canary):.2f}): another model"]
        return told


def facts_from(text: str) -> Facts:
    """The facts that as_json wrote."""
    values = json.loads(text)
    return replace(Facts(**values), canary=tuple(values["canary"]))


class Embedder(Protocol):
    """One model."""

    def facts(self) -> Facts:
        """Cheap for a local model, one request for an endpoint; asked once."""

    def window(self) -> int:
        """How many of its own tokens the model reads at once; 0 when that is not known."""

    def windows(self, text: str) -> list[str]:
        """`text` cut so that the model sees all of it: overlapping parts, each under the chunk's context line; at least one."""

    def embed(self, texts: Sequence[str]) -> Matrix:
        """One row for each text, each of length 1 and finite. Raises RemoteError subclasses for what an endpoint did."""

    def close(self) -> None:
        """Gives back connections and memory; idempotent."""


def embed_windows(embedder: Embedder, texts: Sequence[str]) -> list[Matrix]:
    """For each text the matrix of its windows: (number of windows, dimension)."""
    parts = [embedder.windows(text) for text in texts]
    flat = embedder.embed([part for some in parts for part in some])
    ends = list(_running([len(some) for some in parts]))
    return [flat[end - len(some) : end] for end, some in zip(ends, parts, strict=True)]


def _running(lengths: Iterable[int]) -> Iterator[int]:
    total = 0
    for length in lengths:
        total += length
        yield total


def checked(rows: object, texts: Sequence[str], who: str) -> Matrix:
    """Vectors of length 1 from whatever a model gave; BadAnswer when one is missing, uneven, zero or not a number."""
    import numpy as np

    try:
        matrix = np.asarray(rows, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise BadAnswer(f"{who} gave vectors of different lengths, or no numbers ({error}); nothing of this batch was stored") from error
    if matrix.ndim != 2 or len(matrix) != len(texts):
        raise BadAnswer(f"{who} gave {len(matrix) if matrix.ndim else 0} vectors for {len(texts)} texts; nothing of this batch was stored")
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    wrong = np.flatnonzero(~np.isfinite(lengths[:, 0]) | (lengths[:, 0] == 0))
    if wrong.size:
        raise BadAnswer(
            f"{who} gave a vector that is zero or not a number (NaN) for {texts[int(wrong[0])][:60]!r}; nothing of this batch was stored"
        )
    return np.asarray(matrix / lengths, dtype=np.float32)


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    """Of two vectors of length 1."""
    return sum(x * y for x, y in zip(a, b, strict=True)) if len(a) == len(b) else 0.0


def disagreement(recorded: Facts, ours: Facts, collection: str) -> str:
    """What to tell when a collection was filled by another model than the one at hand; "" when it was this one."""
    told = recorded.differences(ours)
    if not told:
        return ""
    return (
        f"collection {collection!r} was filled with {recorded.model}, and the embedder is {ours.model}: {'; '.join(told)}. "
        "Vectors of two models cannot be compared: set the old model, name a new collection (COLLECTION_ID), or run `sync --rebuild`, "
        "which fills a new one beside it and then lets that take its place"
    )


def _short(value: object) -> str:
    return str(value)[:12] if isinstance(value, str) and len(value) == 64 else str(value)
