"""What keeps memory flat: the allocator's settings, and pages of a library's file that are read once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from confluence_sync import memory

RESIDENT = """
from pathlib import Path
from confluence_sync import memory, tokens
def resident():
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
tokens.count("a")
before = resident()
given = memory.let_go("bpe_openai")
after = resident()
assert tokens.count("漢字かな交じり文 hello world") == 11
print(given, before - after)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux alone shows what is mapped")
def test_the_encoders_file_is_given_back_and_counting_goes_on() -> None:
    """More than 10 MB of the encoder's own file leave memory, and the counts after it are right."""
    done = subprocess.run([sys.executable, "-c", RESIDENT], capture_output=True, text=True, check=True)
    given, less = map(int, done.stdout.split())
    assert given > 10_000_000
    assert less > 10_000


SMAPS = """\
1000-3000 r--p 00000000 08:01 7 /lib/bpe_openai/a.so
Rss: 8 kB
Anonymous: 4 kB
Swap: 0 kB
3000-4000 r--p 00000000 08:01 7 /lib/bpe_openai/a.so
Anonymous: 0 kB
Swap: 4 kB
4000-5000 rw-p 00000000 08:01 7 /lib/bpe_openai/a.so
Anonymous: 0 kB
Swap: 0 kB
6000-7000 r--p 00000000 08:01 8 /lib/other.so
Anonymous: 0 kB
Swap: 0 kB
8000-9000 r--p 00000000 00:00 0
Anonymous: 0 kB
Swap: 0 kB
a000-c000 r--p 00000000 08:01 7 /lib/bpe_openai/a.so
Anonymous: 0 kB
Swap: 0 kB
"""


def test_pages_that_were_written_to_are_left_alone() -> None:
    """A mapping with anonymous or swapped pages holds what the file does not; one for writing, or of another file, is none of ours."""
    assert list(memory._only_read(SMAPS.splitlines(), "bpe_openai")) == [(0xA000, 0xC000)]


def test_without_the_kernels_list_nothing_is_given_back(tmp_path: Path) -> None:
    """On a system that shows no mappings the program runs as it is."""
    assert memory.let_go("bpe_openai", tmp_path / "missing") == 0


HOLES = """
from pathlib import Path
from confluence_sync import memory
memory.keep_flat()
def resident():
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
pieces = [bytes(20_000) for _ in range(2_000)]
del pieces[::2], pieces[:-1]  # the last one stays, above all the others
before = resident()
memory.give_back()
print(before - resident())
"""


@pytest.mark.skipif(not memory.keep_flat(), reason="glibc's allocator alone can be told")
def test_holes_between_what_is_in_use_are_given_back() -> None:
    """Most of 40 MB that were freed below one small piece leaves memory."""
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 30_000
