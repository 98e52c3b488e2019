"""Balances the tags of a body that is not well-formed, so that a damaged page still converts and keeps its text."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_DEPTH = 100

_TOKEN = re.compile(
    r"<!\[CDATA\[(?P<cdata>.*?)(?:\]\]>|(?=</ac:plain-text-(?:link-)?body)|\Z)"
    r"|<!--.*?-->"
    r"|<(?P<end>/?)(?P<name>[A-Za-z_][A-Za-z0-9_:.-]*+)(?P<attributes>(?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+')*+)>"
    r"|<[?!][^<>]*+>"
    r"|(?P<text>[^<]++|<)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"([A-Za-z_][A-Za-z0-9_:.-]*)\s*=\s*(\"[^\"]*\"|'[^']*'|[^\s\"'>]+)")
_NAME = re.compile(r"(?:(?:ac|ri|at):)?[A-Za-z_][A-Za-z0-9_.-]*")
VOID = {"br", "hr", "img", "col", "input", "meta", "link", "wbr", "area", "base", "embed", "source", "track"}
_BAD_REFERENCE = re.compile(r"&(#\d+|#[xX][0-9a-fA-F]+);?")


class _Tag(NamedTuple):
    """A tag as it is written when nothing is wrong with it: `text` opens `name`, or is a whole element, or is empty and closes it."""

    name: str
    text: str
    whole: bool


def repaired(body: str) -> str:
    """The same text under tags that balance and are at most MAX_DEPTH deep. Linear in the size of the body."""
    out: list[str] = []
    stack: list[str] = []
    known: dict[str, _Tag] = {}  # pages repeat their tags
    for token in _TOKEN.finditer(body):
        kind, written = token.lastgroup, token.group()
        if kind == "text":
            out.append(_text(written))
        elif kind == "cdata":
            out.append(f"<![CDATA[{token['cdata'].replace(']]>', '')}]]>")
        elif kind == "attributes":
            tag = known.get(written)
            if tag is None:
                tag = known[written] = _tag(token)
            _place(tag, out, stack)
    out.extend([f"</{name}>" for name in reversed(stack)])
    return "".join(out)


def _tag(token: re.Match[str]) -> _Tag:
    name = _name(token["name"])
    if token["end"]:
        return _Tag(name, "", False)
    attributes = token["attributes"]
    whole = attributes.endswith("/") or name in VOID
    return _Tag(name, f"<{name}{_attributes(attributes)}{'/' if whole else ''}>", whole)


def _place(tag: _Tag, out: list[str], stack: list[str]) -> None:
    if not tag.text:
        _close(tag.name, out, stack)
    elif tag.whole:
        out.append(tag.text)
    elif len(stack) < MAX_DEPTH:
        out.append(tag.text)
        stack.append(tag.name)


def _close(name: str, out: list[str], stack: list[str]) -> None:
    if name not in stack:
        return
    top = ""
    while top != name:
        top = stack.pop()
        out.append(f"</{top}>")


def _attributes(raw: str) -> str:
    """Each attribute once: the first of a name counts, as HTML has it."""
    if "=" not in raw:
        return ""
    seen: dict[str, str] = {}
    for name, value in _ATTRIBUTE.findall(raw):
        if not name.startswith("xmlns"):
            seen.setdefault(_name(name), value.strip("\"'"))
    return "".join(f' {name}="{_value(value)}"' for name, value in seen.items())


def _value(value: str) -> str:
    return _text(value).replace('"', "&quot;")


def _name(name: str) -> str:
    """A prefix that is not declared, or has nothing behind it, becomes part of the name."""
    return name if _NAME.fullmatch(name) else name.replace(":", "-")


def _text(text: str) -> str:
    if "&#" not in text and "<" not in text and "]]>" not in text:
        return text
    return _BAD_REFERENCE.sub(_reference, text).replace("<", "&lt;").replace("]]>", "]]&gt;")


def _reference(match: re.Match[str]) -> str:
    """A character reference that XML takes, or nothing: a page may not hold U+0000 or half a surrogate pair."""
    digits = match.group(1)[1:]
    code = int(digits[1:], 16) if digits[0] in "xX" else int(digits)
    legal = code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF
    return f"&#{code};" if legal else ""
