"""Makes text safe inside Markdown: what looks like markup is escaped, and only that, so that prose stays readable."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from confluence_sync.convert.scan import collapsed, escaped, marked

LINE = "\x01"  # a line break that survives the collapsing of white space; XML text cannot contain it
SPACE = "\x02"  # a space that survives it

_BLOCK_START = re.compile(r"#{1,6}(?=\s|$)|>|[-+*](?=\s|$)|(?:-{2,}|=+)\s*$|~{3,}|\d{1,9}(?=[.)](?:\s|$))")
_STARTERS = frozenset("#>-+*=~0123456789")
_PLAIN_ADDRESS = re.compile(r"(?:https?://|[#/])[\w.\-/:%#?=&;,@!$'+~]*|[\w.-]+", re.ASCII)  # without a colon there is no scheme
_UNSAFE_IN_ADDRESS = re.compile(r"[\s()<>\\`\"|*\x00-\x1f]")
_SAFE_SCHEMES = {"http", "https", "mailto", "ftp", "ftps", "sftp", "tel", "ssh", "git", "smb", "file", "news", "irc"}
_INVISIBLE = re.compile("[\u0000-\u0020\u007f-\u00a0\u200b-\u200f\u2028\u2029\ufeff]")


def text(raw: str) -> str:
    """A text node of the page as Markdown text. White space is left for `paragraph` to collapse."""
    if not marked(raw):
        return raw
    raw = raw.replace("\u200b", "").replace("\ufeff", "")  # before the escapes: "<\u200bb>" must not become a tag afterwards
    return escaped(raw)


def paragraph(inline: str) -> str:
    """Joined inline pieces as the lines of one paragraph, none of which can be read as another kind of block."""
    words = collapsed(inline)
    if not words.isascii() and ("\u200b" in words or "\ufeff" in words):
        words = words.replace("\u200b", "").replace("\ufeff", "").strip()
    if LINE in words:
        lines = [line.strip(" ") for line in words.strip(LINE + " ").split(LINE)]
        return "  \n".join([line_start(line) for line in lines if line]).replace(SPACE, " ")
    if words.endswith("\\]"):
        words = words[:-2] + "]"  # nothing follows that could make it a link
    return line_start(words).replace(SPACE, " ")


def paragraphs(raw: str | None) -> list[str]:
    """A text node that stands alone, as a paragraph; none for white space."""
    block = paragraph(text(raw)) if raw else ""
    return [block] if block else []


def one_line(inline: str) -> str:
    """The same on one line, for headings and labels."""
    return collapsed(inline.replace(LINE, " ")).replace(SPACE, " ")


def line_start(line: str) -> str:
    """`line` with a backslash where it would otherwise begin a heading, a quote, a list or a rule."""
    found = _BLOCK_START.match(line) if line[:1] in _STARTERS else None
    if found is None:
        return line
    if line[0].isdigit():
        return found.group() + "\\" + line[found.end() :]
    return "\\" + line


def label(inline: str) -> str:
    """The visible part of a link: brackets in it may not end it."""
    flat = one_line(inline)
    if "[" in flat or "]" in flat:
        flat = re.sub(r"(?<!\\)[\[\]]", r"\\\g<0>", flat)
    return flat


def address(url: str) -> str:
    """A link target that a Markdown reader takes as one, or "" when its scheme could run something."""
    if _PLAIN_ADDRESS.fullmatch(url):
        return url
    url = url.strip()
    try:
        scheme = urlsplit(_INVISIBLE.sub("", url)).scheme.lower()
    except ValueError:
        return ""
    if scheme and scheme not in _SAFE_SCHEMES:
        return ""
    return _UNSAFE_IN_ADDRESS.sub(_percent, url)


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match.group().encode())


def code_span(code: str) -> str:
    """Text in code style on one line, with as many backticks as it needs."""
    if not code.strip():
        return ""
    ticks = "`" if "`" not in code else _absent_run(code)
    pad = " " if code[0] == "`" or code[-1] == "`" else ""
    return (ticks + pad + code + pad + ticks).replace(" ", SPACE)


def fence(code: str, language: str = "") -> str:
    """A fenced code block; the fence is longer than any run of backticks inside."""
    ticks = "`" * max(3, _longest_run(code) + 1) if "```" in code else "```"
    return f"{ticks}{language}\n{code}\n{ticks}"


def _absent_run(code: str) -> str:
    """The shortest run of backticks that the code does not have."""
    runs = set(re.findall("`+", code))
    return next(ticks for length in range(1, len(runs) + 2) if (ticks := "`" * length) not in runs)


def _longest_run(code: str) -> int:
    return max((len(run) for run in re.findall("`+", code)), default=0)
