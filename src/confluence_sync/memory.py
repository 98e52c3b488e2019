"""How a run and its workers treat memory: the C allocator must not hoard what threads freed, nor the kernel what a library read once from
its own file; and Python looks for cycles rarely."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # glibc's malloc.h
MADV_DONTNEED = 4  # Linux' mman-common.h
KEPT = 1024 * 1024  # bytes of free memory that may stay at the top of the heap; larger blocks are mapped alone and given back at once


def keep_flat() -> bool:
    """One arena and an early trim: a first sync of 2,000 pages peaks 80 MB lower. Threads gain nothing by arenas of their own where one
    runs at a time, and each has its own holes. False where the C library is not glibc.

    Python looks for cycles a tenth as often, too: a run makes few of them and many objects.
    """
    gc.set_threshold(10_000)
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all(mallopt(option, value) for option, value in ((M_ARENA_MAX, 1), (M_TRIM_THRESHOLD, KEPT), (M_MMAP_THRESHOLD, KEPT)))


def give_back() -> None:
    """Gives freed memory back to the kernel, from between what is in use, too: small pieces that come and go leave holes all over the heap,
    which nobody else can use. Does nothing where the C library is not glibc."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def let_go(library: str, maps: Path = Path("/proc/self/smaps")) -> int:
    """Gives back what of a mapped file is only read, and gives how many bytes that is; what is needed again comes back from the file.

    The token encoder unpacks its tables when it is made, out of 16 MB of its own file that nobody reads a second time. Pages that the
    dynamic linker wrote to (they count as anonymous) are left alone: nothing could bring those back.
    """
    try:
        lines = maps.read_text(encoding="utf-8", errors="replace").splitlines()
        advise = ctypes.CDLL(None).madvise
    except (AttributeError, OSError):
        return 0
    given = 0
    for start, end in _only_read(lines, library):
        given += end - start if advise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED) == 0 else 0
    return given


def _only_read(lines: list[str], library: str) -> Iterator[tuple[int, int]]:
    """Where the file's pages are mapped for reading, and have not been written to: neither in memory nor in swap is there another form."""
    place, written = "", 0
    for line in lines:
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            place, written = words[0] if words[1].startswith("r--") and library in words[-1] else "", 0
        elif words[0] in ("Anonymous:", "Swap:"):
            written += int(words[1])
            if place and words[0] == "Swap:" and not written:
                start, _, end = place.partition("-")
                yield int(start, 16), int(end, 16)
