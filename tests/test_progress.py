"""What a person sees while a run is going: a bar on a terminal, log lines elsewhere, and logs that no title can break."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable

import pytest

from confluence_sync import progress
from confluence_sync.logs import JsonLines, TextLines, set_up, shown
from confluence_sync.progress import Bar, Lines, open_progress
from confluence_sync.run import Silent


class Terminal(io.StringIO):
    """Keeps what is written, and says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock that goes only when it is told to, by seconds."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def forward(seconds: float) -> None:
        now[0] += seconds

    return forward


def test_what_is_done_soon_shows_nothing(clock: Callable[[float], None]) -> None:
    """A stage of under two seconds draws no bar and clears none."""
    out = Terminal()
    bar = Bar(out)
    bar.stage("listing", 10)
    clock(1.9)
    bar.at(9)
    bar.close()
    assert out.getvalue() == ""


def test_a_bar_shows_share_and_time_left(clock: Callable[[float], None]) -> None:
    """Half done after ten seconds: half a bar, and ten seconds left."""
    out = Terminal()
    bar = Bar(out)
    bar.stage("writing", 200)
    clock(10)
    bar.at(100)
    assert out.getvalue() == f"\r\x1b[Kwriting  [{'█' * 12}{'·' * 12}] 100/200  10 s left"
    bar.close()
    assert out.getvalue().endswith("\r\x1b[K")


def test_minutes_are_said_as_minutes(clock: Callable[[float], None]) -> None:
    """A long rest is said in minutes."""
    out = Terminal()
    bar = Bar(out)
    bar.stage("writing", 1000)
    clock(10)
    bar.at(100)
    assert out.getvalue().endswith("1 min 30 s left")


def test_an_unknown_total_is_counted(clock: Callable[[float], None]) -> None:
    """Without a total there is a number and its speed."""
    out = Terminal()
    bar = Bar(out)
    bar.stage("listing")
    clock(10)
    bar.at(2500)
    assert out.getvalue() == "\r\x1b[Klisting: 2500, 250 a second"


def test_a_bar_is_not_drawn_too_often(clock: Callable[[float], None]) -> None:
    """Ten times a second is enough, however fast pages come."""
    out = Terminal()
    bar = Bar(out)
    bar.stage("writing", 1000)
    clock(5)
    for number in range(100):
        bar.at(number)
    clock(0.2)
    bar.at(100)
    assert out.getvalue().count("\r") == 2


def test_a_bar_copes_with_odd_numbers(clock: Callable[[float], None]) -> None:
    """Nothing done yet, or more than was promised, is drawn all the same; a new stage clears the old one."""
    out = Terminal()
    bar = Bar(out)
    bar.stage("writing", 10)
    clock(3)
    bar.at(0)
    clock(1)
    bar.at(12)
    assert "0/10  0 s left" in out.getvalue()
    assert f"[{'█' * 24}] 12/10" in out.getvalue()
    bar.stage("next", 5)
    assert out.getvalue().endswith("\r\x1b[K")


def test_elsewhere_there_are_lines(clock: Callable[[float], None], caplog: pytest.LogCaptureFixture) -> None:
    """Without a terminal a stage is a line, and every half minute another."""
    caplog.set_level(logging.INFO, "confluence_sync")
    lines = Lines()
    lines.stage("listing")
    clock(29)
    lines.at(100)
    clock(2)
    lines.at(200)
    lines.stage("writing", 500)
    clock(31)
    lines.at(250)
    lines.close()
    assert [record.message for record in caplog.records] == ["listing", "listing: 200", "writing: 500 pages", "writing: 250 of 500"]


def test_who_gets_which() -> None:
    """A bar needs a terminal and LOG_FORMAT=auto; pipes, files and explicit formats get lines."""
    assert isinstance(open_progress("auto", Terminal()), Bar)
    assert isinstance(open_progress("auto", io.StringIO()), Lines)
    assert isinstance(open_progress("text", Terminal()), Lines)
    assert isinstance(open_progress("json", Terminal()), Lines)


def test_silence_is_allowed() -> None:
    """A run inside another program may show nothing."""
    silent = Silent()
    silent.stage("x", 1)
    silent.at(1)


# logs


def record(message: str, level: int = logging.INFO, *values: object, error: BaseException | None = None) -> logging.LogRecord:
    about = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("confluence_sync.x", level, "x.py", 1, message, values, about)  # type: ignore[arg-type]  # all given


def test_lines_of_text() -> None:
    """An ordinary line stands by itself; another level is named."""
    assert TextLines().format(record("page %s", logging.INFO, "a")) == "page a"
    assert TextLines().format(record("careful", logging.WARNING)) == "warning: careful"


def test_lines_of_json() -> None:
    """An object with time in UTC, level, message and logger; also for text that is no ASCII."""
    line = JsonLines().format(record("été \U0001f680"))
    assert "été" in line
    thing = json.loads(line)
    assert (thing["level"], thing["message"], thing["logger"]) == ("info", "été \U0001f680", "confluence_sync.x")
    assert thing["time"].endswith("Z")


def test_a_traceback_stays_in_its_line() -> None:
    """An error's traceback is part of the message, so that a JSON log stays one object a line."""
    error = ValueError("why")
    assert "ValueError: why" in TextLines().format(record("failed", logging.ERROR, error=error))
    line = JsonLines().format(record("failed", logging.ERROR, error=error))
    assert "\n" not in line
    assert "ValueError: why" in json.loads(line)["message"]


@pytest.mark.parametrize("text", ["\x1b[2J", "a\rb", "a\0b", "a\x9bb", "a\x08b", "a\x7fb"])
def test_titles_cannot_steer_a_terminal(text: str) -> None:
    """Control characters of foreign text are replaced."""
    assert not set(shown(text)) & set("\x1b\r\0\x9b\x08\x7f")
    assert "\ufffd" in shown(text)


def test_line_breaks_and_tabs_stay() -> None:
    """What does no harm is left alone."""
    assert shown("a\n\tb é") == "a\n\tb é"


@pytest.mark.parametrize("log_format", ["auto", "json"])
def test_lone_surrogates_can_be_logged(log_format: str) -> None:
    """A title with half a character is logged, not a crash of the log."""
    made = (JsonLines() if log_format == "json" else TextLines()).format(record("title %s", logging.INFO, "\ud83d"))
    made.encode()


def test_setting_up_twice_logs_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Our own log is heard from the level asked for on, libraries from warnings on, each line once."""
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    set_up("text", "info")
    set_up("text", "debug")
    logging.getLogger("confluence_sync.any").debug("ours")
    logging.getLogger("urllib3").info("theirs")
    logging.getLogger("urllib3").warning("their warning")
    assert capsys.readouterr().err.splitlines() == ["debug: ours", "warning: their warning"]
