"""What goes between a run and its workers: packets of bytes over a line, and values packed in few of them."""

from __future__ import annotations

import copyreg
import os
from dataclasses import dataclass, fields, is_dataclass
from operator import attrgetter
from struct import Struct

SIZE = Struct("=Q")  # goes before each packet; both ends are on one machine


@dataclass(frozen=True, slots=True)
class Failed:
    """What a worker answers when a call raised something: texts alone, because not every exception survives the way."""

    kind: str
    message: str


def send(line: int, packet: bytes) -> None:
    """Sends a packet over a file descriptor that waits. Raises OSError when nobody is at the other end."""
    left = [memoryview(SIZE.pack(len(packet))), memoryview(packet)]
    while left:
        written = os.writev(line, left)
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if left:
            left[0] = left[0][written:]


def received(line: int) -> bytearray:
    """The next packet. Raises EOFError when the other end closed the line, OSError when it broke."""
    (size,) = SIZE.unpack(_exactly(line, SIZE.size))
    return _exactly(line, size)


def _exactly(line: int, size: int) -> bytearray:
    """Read to where it stays: `multiprocessing.connection` reads pieces and joins them, and would be a fifth of what a worker imports."""
    packet = bytearray(size)
    left = memoryview(packet)
    while left:
        read = os.readv(line, [left])
        if not read:
            raise EOFError("the other end closed the line")
        left = left[read:]
    return packet


def pack_plainly(*kinds: type) -> None:
    """Pickle asks fields() for each object of a dataclass with slots, packing it and unpacking it: twice as dear as its values alone. It
    asks a named tuple for them in Python, too."""

    def plainly(kind: type) -> None:
        values = attrgetter(*(field.name for field in fields(kind))) if is_dataclass(kind) else tuple
        copyreg.pickle(kind, lambda one: (kind, values(one)))

    for kind in kinds:
        plainly(kind)
