"""What stands on its own: headings, paragraphs, quotes, lists, tasks and preformatted text."""

from __future__ import annotations

import re

from confluence_sync.convert import escape
from confluence_sync.convert.element import Element, plain
from confluence_sync.convert.reading import AC
from confluence_sync.convert.walk import Handler, Walk, single

_INNER_LINE = re.compile(r"\n(?=[^\n])")
_CLOSING_HASHES = re.compile(r"(?<= )#+$|^#+$")
_PARTS_OF_TASK = (f"{AC}task-id", f"{AC}task-uuid", f"{AC}task-status", f"{AC}task-body")
_LIST_ITEM = re.compile(r"(?:[-*+]|\d+[.)]) ")


def container(walk: Walk, element: Element) -> None:
    """A block without a sign of its own: <p>, <div>, a layout."""
    walk.flush()
    if len(element):
        walk.flow(element)
        walk.flush()
    else:
        walk.blocks.extend(escape.paragraphs(element.text))


def heading(level: int) -> Handler:
    def titled(walk: Walk, element: Element) -> None:
        walk.flush()
        title = escape.one_line(walk.inline(element))
        if not title:
            return
        if walk.in_cell:
            walk.block(f"**{title.replace('**', '')}**")
            return
        if title.endswith("#"):
            title = _CLOSING_HASHES.sub(lambda m: "\\" + m.group(), title)
        walk.block("#" * level + " " + title)

    return titled


def rule(walk: Walk, element: Element) -> None:
    if walk.in_cell:
        walk.flush()
    else:
        walk.block("***")


def quoted(blocks: list[str]) -> str:
    """Blocks as one block quote."""
    return "> " + "\n\n".join(blocks).replace("\n", "\n> ").replace("\n> \n", "\n>\n").replace("\n> \n", "\n>\n")


def quote(walk: Walk, element: Element) -> None:
    blocks = walk.collected(element)
    if walk.in_cell:
        walk.flush()
        walk.blocks.extend(blocks)
    elif blocks:
        walk.block(quoted(blocks))


def preformatted(walk: Walk, element: Element) -> None:
    code_block(walk, plain(element).strip("\n"), "")


def code_block(walk: Walk, code: str, language: str) -> None:
    """A fence; in a table cell, where Markdown has none, a code span for each line."""
    if not walk.in_cell:
        walk.block(escape.fence(code, language))
        return
    walk.flush()
    spans = [escape.code_span(line.replace("\t", "    ")).replace(escape.SPACE, " ") for line in code.split("\n")]
    walk.blocks.extend(span for span in spans if span)
    if len(spans) > 1:
        walk.lost("code in a table cell")


def unordered(walk: Walk, element: Element) -> None:
    _list(walk, element, None)


def ordered(walk: Walk, element: Element) -> None:
    start = element.get("start") or "1"
    _list(walk, element, int(start) if start.isdecimal() and len(start) < 9 else 1)


def _list(walk: Walk, element: Element, number: int | None) -> None:
    items: list[str] = []
    loose = [element.text or ""]
    for child in element:
        loose.append(child.tail or "")
        if child.tag == "li":
            blocks = walk.collected(child)
            if blocks:
                items.append(item("- " if number is None else f"{number}. ", _no_task(blocks)))
                number = None if number is None else number + 1
        else:
            blocks = walk.apart(single, child)
            (items if items else walk.blocks).extend(_below(blocks) if items else blocks)
    if any(text and not text.isspace() for text in loose):
        walk.flush()
        walk.text(" ".join(loose))
    if items:
        walk.block("\n".join(items))


def _no_task(blocks: list[str]) -> list[str]:
    """Text in brackets at the start of an item is not a task."""
    return ["\\" + blocks[0], *blocks[1:]] if blocks[0].startswith(("[ ] ", "[x] ", "[X] ")) else blocks


def _below(blocks: list[str]) -> list[str]:
    """What a list holds beside items, usually a list that should stand inside the item before it: it continues that item."""
    return ["  " + _INNER_LINE.sub("\n  ", block) for block in ["\n\n".join(blocks)] if block]


def item(marker: str, blocks: list[str]) -> str:
    """One list item: further blocks are indented under the first, lists directly, others after a blank line."""
    indent = "\n" + " " * len(marker)
    pieces = [marker]
    for position, block in enumerate(blocks):
        if position:
            pieces.append(indent if _LIST_ITEM.match(block) else "\n" + indent)
        pieces.append(_INNER_LINE.sub(indent, block) if "\n" in block else block)
    return "".join(pieces)


def tasks(walk: Walk, element: Element) -> None:
    """Tasks with their state; ids go. What a damaged list holds beside tasks stands before it."""
    items: list[str] = []
    walk.stray(element.text)
    for child in element:
        if child.tag == f"{AC}task":
            items += _task(walk, child)
        else:
            walk.visit(child)
        walk.stray(child.tail)
    if items:
        walk.block("\n".join(items))


def _task(walk: Walk, task: Element) -> list[str]:
    status = task.findtext(f"{AC}task-status") or ""
    body = task.find(f"{AC}task-body")
    blocks = [] if body is None else walk.collected(body)
    blocks += walk.apart(_beside_body, task)
    box = "[x] " if status.strip() == "complete" else "[ ] "
    return [item("- ", [box + blocks[0], *blocks[1:]])] if blocks else []


def _beside_body(walk: Walk, task: Element) -> None:
    """What a damaged task holds beside its body, or in place of one."""
    walk.beside(task, _PARTS_OF_TASK)


def list_item(walk: Walk, element: Element) -> None:
    """An item without a list around it."""
    blocks = walk.collected(element)
    if blocks:
        walk.block(item("- ", blocks))


def term(walk: Walk, element: Element) -> None:
    walk.flush()
    title = escape.one_line(walk.inline(element))
    if title:
        walk.block(f"**{title}**")


def dropped(walk: Walk, element: Element) -> None:
    """Nothing a reader sees."""


def counted(walk: Walk, element: Element) -> None:
    """Something a reader sees and Markdown cannot hold."""
    walk.lost(str(element.tag).rpartition("}")[2])


_CONTAINERS = (
    "p", "div", "section", "article", "figure", "figcaption", "dl", "dd", "details", "address", "header", "footer", "center", "main",
    "aside", "nav", "form", "fieldset", f"{AC}layout", f"{AC}layout-section", f"{AC}layout-cell", f"{AC}caption",
)  # fmt: skip

HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(_CONTAINERS, container),
    **{f"h{level}": heading(level) for level in range(1, 7)},
    "hr": rule,
    "blockquote": quote,
    "pre": preformatted,
    "ul": unordered,
    "ol": ordered,
    "li": list_item,
    "dt": term,
    "summary": term,
    f"{AC}task-list": tasks,
    **dict.fromkeys(("script", "style", "template", f"{AC}placeholder", f"{AC}parameter", f"{AC}adf-mark"), dropped),
    **dict.fromkeys(("iframe", "object", "embed", "video", "audio"), counted),
}
