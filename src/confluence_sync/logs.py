"""Log lines as text or JSON on standard error, with control characters of foreign titles taken out."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime

from confluence_sync.model import plain_text

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def shown(text: str) -> str:
    """`text` as it may go to a terminal: a page title must not move the cursor or change colours, and half a character is none."""
    return CONTROL.sub("\ufffd", plain_text(text))


def one_line(text: str) -> str:
    """The same on one line: a page title must not forge a line of its own."""
    return " ".join(shown(text).split())


def json_text(value: object) -> str:
    """JSON for a terminal or a pipe: control characters that JSON itself lets pass are escaped."""
    return re.sub(r"[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


class TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return level + shown(_with_traceback(self, record))


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": when, "level": record.levelname.lower(), "message": shown(_with_traceback(self, record)), "logger": record.name}
        return json.dumps(line, ensure_ascii=False)


def set_up(log_format: str, level: str) -> None:
    """Sends this program's log to standard error; libraries are heard from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("confluence_sync").setLevel(level.upper())


def _with_traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    message = record.getMessage().replace("\n", "\n  ")  # what a foreign text puts on a line of its own is not one of ours
    return f"{message}\n{formatter.formatException(record.exc_info)}" if record.exc_info else message
