"""Exact search over the vectors of one collection: a matrix mapped from a file, and beside it what changed since that was written.

The file is only a copy: the rows in SQLite decide. A row of the file counts while the table has that chunk with the same generation,
and what is newer than the file is read from the table in the same transaction as everything else, so a query never mixes two states.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from confluence_sync.embed.base import Matrix

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.int64]

MAGIC = 0x43465356  # "CFSV"
HEADER = 4  # int64: magic, dimension, chunks, generation
SMALL = 2000  # chunks that a query reads from the table without minding
SHARE = 0.1  # of the file: with more than that changed it is written anew
Scored = list[tuple[int, float]]


@dataclass(frozen=True)
class Block:
    """Windows of many chunks, one below the other: those of chunk numbers[i] begin at starts[i]."""

    generation: int
    numbers: Numbers
    generations: Numbers
    starts: Numbers
    matrix: Matrix

    def best(self, vector: Matrix, allowed: Numbers | None) -> tuple[Numbers, Matrix]:
        """Chunks, best first, by the best of their windows: their places in this block and their cosines."""
        import numpy as np

        if not len(self.numbers):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        scores = np.maximum.reduceat(self.matrix @ vector, self.starts)
        places = np.arange(len(scores)) if allowed is None else np.flatnonzero(np.isin(self.numbers, allowed))
        order = places[np.argsort(-scores[places], kind="stable")]
        return order, np.asarray(scores[order], dtype=np.float32)


@dataclass
class Vectors:
    """The vectors of the collection with this number, `folder` being where the mapped copy may lie."""

    number: int
    file: Path
    dimension: int
    _base: Block | None = None
    _delta: Block | None = None

    def best(self, connection: sqlite3.Connection, vector: Matrix, limit: int, allowed: Sequence[int] | None) -> Scored:
        """(chunk number, cosine) of the `limit` nearest chunks among `allowed` (None: all). To be called in a read transaction."""
        import numpy as np

        self._refresh(connection)
        wanted = None if allowed is None else np.array(allowed, dtype=np.int64)
        found: Scored = []
        for block in (self._base, self._delta):
            found += list(self._valid(connection, block, vector, limit, wanted)) if block else []
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:limit]

    def put(self, connection: sqlite3.Connection, windows: dict[str, Matrix]) -> None:
        """Stores the windows of chunks that are already in the table of chunks, by id."""
        row = connection.execute("SELECT generation FROM collection WHERE number = ?", (self.number,)).fetchone()
        generation = max(row[0] + 1, time.time_ns())  # a clock and not a count: a restored backup must not repeat a generation
        connection.execute("UPDATE collection SET generation = ? WHERE number = ?", (generation, self.number))
        connection.executemany(
            f"INSERT OR REPLACE INTO vectors_{self.number} SELECT number, ?, ? FROM chunks_{self.number} WHERE id = ?",
            [(generation, matrix.tobytes(), chunk_id) for chunk_id, matrix in windows.items()],
        )

    def forget_newer(self, generation: int) -> None:
        """Removes a copy that is newer than the table, which happens when a backup of the table was put back."""
        header = _header(self.file)
        if header and header[3] > generation:
            self.file.unlink(missing_ok=True)

    def _valid(
        self, connection: sqlite3.Connection, block: Block, vector: Matrix, limit: int, wanted: Numbers | None
    ) -> Iterator[tuple[int, float]]:
        """The best of a block that the table still has as the block has them."""
        order, scores = block.best(vector, wanted)
        given = 0
        for start in range(0, len(order), 200):
            places = order[start : start + 200]
            numbers = [int(n) for n in block.numbers[places]]
            marks = ", ".join("?" * len(numbers))
            held = dict(
                connection.execute(f"SELECT chunk, generation FROM vectors_{self.number} WHERE chunk IN ({marks})", numbers).fetchall()
            )
            for n, generation, score in zip(numbers, block.generations[places], scores[start : start + 200], strict=True):
                if held.get(n) == int(generation):
                    given += 1
                    yield n, float(score)
            if given >= limit:
                return

    def _refresh(self, connection: sqlite3.Connection) -> None:
        """Makes base and delta those of the state that the transaction sees."""
        current = connection.execute("SELECT generation FROM collection WHERE number = ?", (self.number,)).fetchone()[0]
        if self._delta and self._delta.generation == current:
            return
        base = self._base or self._mapped()
        if base is None or base.generation > current or self._newer(connection, base) > max(SMALL, SHARE * len(base.numbers)):
            base = self._read(connection, -1, current)
            base = self._written(base) if len(base.numbers) > SMALL else base
        self._base = base
        self._delta = self._read(connection, base.generation, current)

    def _newer(self, connection: sqlite3.Connection, base: Block) -> int:
        sql = f"SELECT count(*) FROM vectors_{self.number} WHERE generation > ?"
        return int(connection.execute(sql, (base.generation,)).fetchone()[0])

    def _read(self, connection: sqlite3.Connection, after: int, current: int) -> Block:
        """What the table has that is newer than `after`."""
        import numpy as np

        where = "WHERE generation > ?" if after >= 0 else "WHERE ? < 0"
        sizes = connection.execute(
            f"SELECT chunk, generation, length(windows) FROM vectors_{self.number} {where} ORDER BY chunk", (after,)
        ).fetchall()
        counts = np.array([size // (4 * self.dimension) for *_, size in sizes], dtype=np.int64)
        matrix = np.empty((int(counts.sum()), self.dimension), dtype=np.float32)
        starts = np.cumsum(counts) - counts
        rows = connection.execute(f"SELECT windows FROM vectors_{self.number} {where} ORDER BY chunk", (after,))
        for start, count, (blob,) in zip(starts, counts, rows, strict=True):
            matrix[start : start + count] = np.frombuffer(blob, dtype=np.float32).reshape(count, self.dimension)
        numbers, generations = (np.array([row[i] for row in sizes], dtype=np.int64) for i in (0, 1))
        return Block(current, numbers, generations, starts, matrix)

    def _mapped(self) -> Block | None:
        """The copy in the file, if there is one that is whole."""
        import numpy as np

        header = _header(self.file)
        if not header or header[1] != self.dimension:
            return None
        _, dimension, chunks, generation = header
        whole = np.memmap(self.file, dtype=np.int64, mode="r", shape=(HEADER + 3 * chunks,))
        numbers, generations, starts = (np.array(whole[HEADER + i * chunks : HEADER + (i + 1) * chunks]) for i in range(3))
        matrix = np.memmap(self.file, dtype=np.float32, mode="r", offset=8 * (HEADER + 3 * chunks)).reshape(-1, dimension)
        return Block(generation, numbers, generations, starts, matrix)

    def _written(self, block: Block) -> Block:
        """The block as a file that takes the place of the last one; the block itself where the folder cannot be written to."""
        import numpy as np

        coming = self.file.with_name(f"{self.file.name}.{os.getpid()}.part")
        header = np.array([MAGIC, self.dimension, len(block.numbers), block.generation], dtype=np.int64)
        try:
            with coming.open("wb") as out:
                for part in (header, block.numbers, block.generations, block.starts, block.matrix):
                    part.tofile(out)
            coming.replace(self.file)
        except OSError:
            with contextlib.suppress(OSError):
                coming.unlink()
            return block
        return self._mapped() or block


def _header(file: Path) -> tuple[int, ...] | None:
    """Magic, dimension, chunks and generation; None for a file that is not there or not ours."""
    import numpy as np

    try:
        values = np.fromfile(file, dtype=np.int64, count=HEADER)
    except OSError:
        return None
    return tuple(int(v) for v in values) if len(values) == HEADER and values[0] == MAGIC else None
