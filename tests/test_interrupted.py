"""A signal ends a run wherever it arrives, also inside code that swallows every Exception."""

from __future__ import annotations

import logging
import os
import signal

import pytest

from confluence_sync.cli import _stop_on_signals
from confluence_sync.errors import Interrupted


class Stream:
    """A log stream during whose writing SIGTERM arrives."""

    def write(self, text: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    def flush(self) -> None:
        """Nothing is kept."""


def test_a_signal_inside_a_log_call_is_not_lost():
    """SIGTERM while a log line is written ends the run with 143, although logging swallows Exceptions in handlers."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    logger = logging.getLogger("confluence_sync.test_interrupted")
    handler = logging.StreamHandler(Stream())
    logger.addHandler(handler)
    try:
        _stop_on_signals()
        with pytest.raises(Interrupted) as caught:
            logger.error("a line")
    finally:
        logger.removeHandler(handler)
        for number, action in before.items():
            signal.signal(number, action)
    assert caught.value.exit_code == 143
