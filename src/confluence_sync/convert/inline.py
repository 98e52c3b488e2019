"""What stands inside a paragraph: marks, code spans, images, emoticons, dates and mentions."""

from __future__ import annotations

from confluence_sync.convert import escape
from confluence_sync.convert.element import Element, plain
from confluence_sync.convert.reading import AC, RI
from confluence_sync.convert.walk import Handler, Walk

SOMEONE = "@someone"

_EMOTICONS = {
    "smile": "🙂", "sad": "🙁", "cheeky": "😛", "laugh": "😀", "wink": "😉", "thumbs-up": "👍", "thumbs-down": "👎",
    "information": "ℹ️", "tick": "✅", "cross": "❌", "warning": "⚠️", "plus": "➕", "minus": "➖", "question": "❓",
    "light-on": "💡", "light-off": "💡", "yellow-star": "⭐", "red-star": "⭐", "green-star": "⭐", "blue-star": "⭐",
    "heart": "❤️", "broken-heart": "💔",
}  # fmt: skip


def mark(sign: str) -> Handler:
    """A handler for emphasis: white space moves out of the marks, and two equal marks side by side become one."""

    def marked(walk: Walk, element: Element) -> None:
        inner = walk.inline(element)
        core = inner.strip()
        if not core or core == escape.LINE:
            walk.parts.append(inner)
            return
        parts = walk.parts
        if parts and parts[-1] == sign and inner[0] == core[0]:
            parts.pop()
        else:
            parts.append(inner[: len(inner) - len(inner.lstrip())])
            parts.append(sign)
        parts.append(core)
        parts.append(sign)
        if inner[-1].isspace():
            parts.append(" ")

    return marked


def tagged(name: str) -> Handler:
    """A handler for what Markdown has no sign for: <sub> and <sup> carry meaning (H<sub>2</sub>O), so they stay as HTML."""

    def kept(walk: Walk, element: Element) -> None:
        inner = walk.inline(element)
        walk.parts.append(f"<{name}>{inner}</{name}>" if inner.strip() else inner)

    return kept


def code(walk: Walk, element: Element) -> None:
    """A code span; line breaks inside make several, because a span is one line."""
    if len(element) == 0:
        walk.parts.append(escape.code_span(" ".join((element.text or "").split("\n"))))
        return
    if any(str(child.tag).startswith("{") for child in element.iter()):
        walk.flow(element)
        return
    lines = plain(element).split("\n")
    walk.parts.append(escape.LINE.join(escape.code_span(line) for line in lines if line.strip()))


def line_break(walk: Walk, element: Element) -> None:
    walk.parts.append(escape.LINE)


def image(walk: Walk, element: Element) -> None:
    """By alt text or file name; the target is the file name of an attachment or the address of an outside image."""
    alt = element.get(f"{AC}alt") or element.get(f"{AC}title") or ""
    target = ""
    for child in element:
        if child.tag == f"{RI}attachment":
            target = child.get(f"{RI}filename") or ""
        elif child.tag == f"{RI}url":
            target = child.get(f"{RI}value") or ""
    _picture(walk, alt, target)
    for caption in element.iterchildren(f"{AC}caption"):
        walk.flow(caption)


def html_image(walk: Walk, element: Element) -> None:
    _picture(walk, element.get("alt") or element.get("title") or "", element.get("src") or "")


def _picture(walk: Walk, alt: str, target: str) -> None:
    target = escape.address(target)
    name = alt.strip() or target.rpartition("/")[2].partition("?")[0]
    if not name and not target:
        return
    shown = escape.label(escape.text(name))
    walk.parts.append(f"![{shown}]({target})" if target else shown)


def emoticon(walk: Walk, element: Element) -> None:
    fallback = element.get(f"{AC}emoji-fallback") or ""
    if fallback and not fallback.startswith(":"):
        walk.text(fallback)
        return
    short = element.get(f"{AC}emoji-shortname") or ""
    name = element.get(f"{AC}name") or ""
    walk.text(short or _EMOTICONS.get(name) or (f":{name}:" if name else ""))


def date(walk: Walk, element: Element) -> None:
    if len(element) or (element.text or "").strip():
        walk.flow(element)
    else:
        walk.text(element.get("datetime") or "")


def formula(walk: Walk, element: Element) -> None:
    """MathML: its TeX source where it has one, else its symbols."""
    source = next((one.text for one in element.iter() if _is_tex(one)), None)
    text = " ".join((source or plain(element)).split())
    walk.parts.append("$" + escape.code_span(text) + "$" if text else "")


def _is_tex(element: Element) -> bool:
    return element.tag.rpartition("}")[2] == "annotation" and "tex" in (element.get("encoding") or "")


def span(walk: Walk, element: Element) -> None:
    """Its content, unless it only draws what stands beside it in another form (KaTeX)."""
    if element.get("aria-hidden") != "true":
        walk.flow(element)


def mention(walk: Walk, element: Element) -> None:
    """A user by name where it is known; never by an opaque id."""
    for attribute in ("account-id", "userkey", "username"):
        key = element.get(f"{RI}{attribute}")
        if key and key in walk.users:
            walk.text("@" + walk.users[key])
            return
    login = element.get(f"{RI}username")
    walk.text("@" + login if login else SOMEONE)


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(("strong", "b"), mark("**")),
    **dict.fromkeys(("em", "i", "cite", "var", "dfn"), mark("*")),
    **dict.fromkeys(("del", "s", "strike"), mark("~~")),
    **dict.fromkeys(("code", "kbd", "samp", "tt"), code),
    "sub": tagged("sub"),
    "sup": tagged("sup"),
    "br": line_break,
    "img": html_image,
    "time": date,
    "math": formula,
    "span": span,
    f"{AC}image": image,
    f"{AC}emoticon": emoticon,
    f"{RI}user": mention,
}
