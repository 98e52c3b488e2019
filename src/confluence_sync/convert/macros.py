"""Confluence's macros: each by what a reader of the page sees of it. Those not listed keep their text and are counted."""

from __future__ import annotations

import re

from confluence_sync.convert import escape, links
from confluence_sync.convert import macro_names as names
from confluence_sync.convert.blocks import code_block, quoted
from confluence_sync.convert.element import Element
from confluence_sync.convert.inline import mention
from confluence_sync.convert.macro_parts import body_text, parameter, rich_body
from confluence_sync.convert.reading import AC, RI
from confluence_sync.convert.walk import Handler, Walk

_NOT_A_LANGUAGE = re.compile(r"[^\w+#.-]")
_PLAIN_NAMES = {"none": "", "text": "", "plain": "", "c#": "csharp", "c++": "cpp", "actionscript3": "actionscript", "py": "python"}


_OWN = {f"{AC}parameter", f"{AC}default-parameter", f"{AC}plain-text-body", f"{AC}rich-text-body"}


def macro(walk: Walk, element: Element) -> None:
    """A macro through its handler, then what does not belong in one."""
    name = (element.get(f"{AC}name") or "").lower()
    MACROS.get(name, _unlisted)(walk, element)
    walk.beside(element, _OWN)


def _unlisted(walk: Walk, element: Element) -> None:
    walk.lost(element.get(f"{AC}name") or "macro without a name")
    text = body_text(element)
    if text and text.strip():
        code_block(walk, text, "")
    rich_body(walk, element)


def with_body(shown: Handler) -> Handler:
    """A handler for macros that show their parameters, and keep a body as well should there be one."""

    def both(walk: Walk, element: Element) -> None:
        shown(walk, element)
        rich_body(walk, element)

    return both


def _code(walk: Walk, element: Element) -> None:
    _title(walk, element)
    language = parameter(element, "language", "lang", "").lower()
    language = _PLAIN_NAMES.get(language, _NOT_A_LANGUAGE.sub("", language)[:30])
    _fenced(walk, element, language)


def fenced(language: str) -> Handler:
    """A handler for a macro whose plain body is source in a known language."""

    def block(walk: Walk, element: Element) -> None:
        _title(walk, element)
        _fenced(walk, element, language)

    return block


def _fenced(walk: Walk, element: Element, language: str) -> None:
    text = body_text(element)
    if text is not None and text.strip():
        code_block(walk, text, language)
    rich_body(walk, element)


def _title(walk: Walk, element: Element) -> None:
    title = escape.one_line(escape.text(parameter(element, "title")))
    if title:
        walk.block(f"**{title}**")


def callout(walk: Walk, sign: str, title: str, blocks: list[str]) -> None:
    """A quote with GitHub's alert sign; in a table cell, where quotes do not exist, the sign as a word."""
    if not blocks and not title:
        return
    heading = [f"**{title}**"] if title else []
    if walk.in_cell:
        walk.flush()
        walk.blocks.extend([f"**{sign.title()}:**"] if sign else [])
        walk.blocks.extend(heading + blocks)
    elif sign:
        walk.block(f"> [!{sign}]\n" + quoted(heading + blocks))
    else:
        walk.block(quoted(heading + blocks))


def panel(sign: str) -> Handler:
    def boxed(walk: Walk, element: Element) -> None:
        title = escape.one_line(escape.text(parameter(element, "title")))
        callout(walk, sign, title, walk.apart(_either_body, element))

    return boxed


def _either_body(walk: Walk, element: Element) -> None:
    rich_body(walk, element)
    text = body_text(element)
    if text:
        walk.text(text)


def _section(walk: Walk, element: Element) -> None:
    """A macro that only groups or hides its body: the title, then the body."""
    title = escape.one_line(escape.text(parameter(element, "title", "label")))
    if title:
        walk.block(f"**{title}**")
    _grouping(walk, element)


def _grouping(walk: Walk, element: Element) -> None:
    block = any(str(child.tag) in _BLOCKS for body in element.iterchildren(f"{AC}rich-text-body") for child in body)
    if block:
        walk.flush()
    _either_body(walk, element)
    if block:
        walk.flush()


_BLOCKS = {"p", "div", "ul", "ol", "table", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre"}


def _status(walk: Walk, element: Element) -> None:
    title = escape.one_line(escape.text(parameter(element, "title")))
    if title:
        walk.parts.append(f"**{title}**")


def _anchor(walk: Walk, element: Element) -> None:
    name = escape.address(parameter(element, "", "name")).replace('"', "").replace("&", "%26")
    if name:
        walk.parts.append(f'<a id="{name}"></a>')


def _jira(walk: Walk, element: Element) -> None:
    key = parameter(element, "key")
    query = parameter(element, "jqlQuery", "jql")
    if key:
        walk.text(key)
    else:
        walk.lost("jira")
        walk.parts.append("Jira: " + escape.code_span(query) if query else "")


def _include(walk: Walk, element: Element) -> None:
    """A link to the included page, which is indexed itself."""
    walk.text("Included page: ")
    for child in element.iterchildren(f"{AC}parameter"):
        for target in child.iter(f"{RI}page", f"{RI}blog-post"):
            url, name = links.resource(walk.page, target)
            links.append(walk, escape.text(name), url)
            return
    links.append(walk, escape.text(parameter(element, "", "page", "pageTitle", "PageWithExcerpt")), "")


def _file(walk: Walk, element: Element) -> None:
    """An attachment shown in the page: by its file name."""
    for target in element.iter(f"{RI}attachment", f"{RI}url"):
        url, name = links.resource(walk.page, target)
        links.append(walk, escape.text(name), url)
        return
    name = parameter(element, "name", "filename", "url")
    links.append(walk, escape.text(name), name if "://" in name else "")


def _diagram(walk: Walk, element: Element) -> None:
    """A drawing whose content is an attachment: its name is all the page itself knows."""
    text = body_text(element)
    if text and text.strip():
        code_block(walk, text, "xml" if text.lstrip().startswith("<") else "")
        return
    walk.lost(element.get(f"{AC}name") or "")
    name = parameter(element, "diagramDisplayName", "diagramName", "displayName", "name", "filename")
    walk.text(f"Diagram: {name}" if name else "")


def _math(walk: Walk, element: Element) -> None:
    formula = " ".join((body_text(element) or parameter(element, "body", "")).split())
    if formula:
        walk.parts.append("$" + escape.code_span(formula) + "$")


def _math_block(walk: Walk, element: Element) -> None:
    formula = (body_text(element) or parameter(element, "body", "")).strip()
    if formula:
        code_block(walk, formula, "math")


def _button(walk: Walk, element: Element) -> None:
    for target in element.iter(f"{RI}page", f"{RI}url", f"{RI}attachment", f"{RI}blog-post", f"{RI}space", f"{RI}content-entity"):
        url, name = links.resource(walk.page, target)
        break
    else:
        url, name = parameter(element, "url", "link", "href"), ""
    links.append(walk, escape.text(parameter(element, "title", "text", "label") or name), url)


def _profile(walk: Walk, element: Element) -> None:
    for user in element.iter(f"{RI}user"):
        mention(walk, user)


def _dropped(walk: Walk, element: Element) -> None:
    """Navigation and ornaments: nothing of the page's own text."""


MACROS: dict[str, Handler] = {
    **dict.fromkeys(names.NAVIGATION, _dropped),
    **dict.fromkeys(names.GROUPS, _section),
    **dict.fromkeys(("code", "codeblock", "code-pro", "paste-code-macro"), _code),
    **dict.fromkeys(("noformat", "preformatted"), fenced("")),
    **{name: fenced(name) for name in ("html", "markdown", "mermaid", "plantuml", "graphviz", "sql", "css")},
    **dict.fromkeys(("mermaid-macro", "mermaid-diagram"), fenced("mermaid")),
    "plantumlrender": fenced("plantuml"),
    "info": panel("NOTE"),
    "note": panel("IMPORTANT"),
    "tip": panel("TIP"),
    "warning": panel("WARNING"),
    **dict.fromkeys(("panel", "auimessage", "alert"), panel("")),
    **dict.fromkeys(("status", "lozenge", "status-handy"), with_body(_status)),
    "anchor": _anchor,
    **dict.fromkeys(("jira", "jiraissues"), with_body(_jira)),
    **dict.fromkeys(names.INCLUDES, with_body(_include)),
    **dict.fromkeys(names.FILES, with_body(_file)),
    **dict.fromkeys(names.DIAGRAMS, with_body(_diagram)),
    **dict.fromkeys(names.FORMULAS, with_body(_math)),
    **dict.fromkeys(names.FORMULA_BLOCKS, with_body(_math_block)),
    **dict.fromkeys(("ui-button", "auibutton", "button-hyperlink"), with_body(_button)),
    **dict.fromkeys(("profile", "user-profile", "mention"), with_body(_profile)),
}

HANDLERS: dict[str, Handler] = {f"{AC}structured-macro": macro, f"{AC}macro": macro}
