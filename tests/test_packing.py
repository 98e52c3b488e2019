"""Packets between a run and its workers: whole whatever their size, and an end of the line that is told."""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Iterator
from threading import Thread

import pytest

import confluence_sync.prepare  # noqa: F401  # registers how they are packed
from confluence_sync.model import Chunk, Metadata, Page, PageRef
from confluence_sync.packing import SIZE, received, send

METADATA = Metadata("s", "K", "1", "T", "u", "A > B", ("a", "b"), 3, "2026-01-01", 0, 1, "h", 7, "r", "f")


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_packets_come_whole_and_in_order(ends: tuple[socket.socket, socket.socket]) -> None:
    """Empty, small, and larger than what the kernel holds between the two, so that both ends go on in parts."""
    one, other = ends
    packets = [b"", b"x", os.urandom(5_000_000), b"y" * 70_000]
    sender = Thread(target=lambda: [send(one.fileno(), packet) for packet in packets])
    sender.start()
    assert [received(other.fileno()) for _ in packets] == packets
    sender.join(30)


def test_what_the_kernel_takes_in_parts_comes_whole(ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal may interrupt a write in the middle, of the size as well as of the packet."""
    one, other = ends
    monkeypatch.setattr(os, "writev", lambda line, parts: os.write(line, b"".join(parts)[:5]))
    for packet in (b"", b"x", bytes(range(256))):
        send(one.fileno(), packet)
        assert received(other.fileno()) == packet


@pytest.mark.parametrize("said", [b"", SIZE.pack(10)[:3], SIZE.pack(10) + b"half"], ids=["nothing", "half a size", "half a packet"])
def test_a_line_that_ends_is_told(ends: tuple[socket.socket, socket.socket], said: bytes) -> None:
    """Wherever it ends: part of a packet is none."""
    one, other = ends
    one.sendall(said)
    one.close()
    with pytest.raises(EOFError, match="closed the line"):
        received(other.fileno())


def test_nobody_at_the_other_end_is_told(ends: tuple[socket.socket, socket.socket]) -> None:
    """A worker that died while it was sent something."""
    one, other = ends
    other.close()
    with pytest.raises(OSError, match="pipe"):
        send(one.fileno(), b"x" * 1000)


def test_values_are_packed_without_the_names_of_their_fields() -> None:
    """What prepare.py registers comes back as it was, and its fields are not written out."""
    things = (PageRef("1", 2, "T"), Page(PageRef("1", 2, "T"), "s", "K", "S", "site", "url", b"body"), Chunk("i", "text", METADATA))
    packed = pickle.dumps(things, pickle.HIGHEST_PROTOCOL)
    assert pickle.loads(packed) == things
    assert not [name for name in (b"updated_at", b"space_name", b"fingerprint") if name in packed]
