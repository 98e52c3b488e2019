"""Walks a page's element tree once, in reading order, and collects its Markdown blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping

from confluence_sync.convert import escape
from confluence_sync.convert.element import Element
from confluence_sync.model import Page

MAX_DEPTH = 100  # deeper markup is read as plain text: no real page comes near, and the walk is recursive

Handler = Callable[["Walk", Element], None]


class Walk:
    """One page being converted: finished `blocks`, and the inline pieces of the paragraph in the making."""

    __slots__ = ("blocks", "degraded", "depth", "handlers", "in_cell", "levels", "page", "parts", "users")

    def __init__(self, page: Page, users: Mapping[str, str], handlers: Mapping[str, Handler]) -> None:
        self.page = page
        self.users = users
        self.handlers = handlers
        self.degraded: Counter[str] = Counter()
        self.blocks: list[str] = []
        self.parts: list[str] = []
        self.levels: list[list[str]] = [self.parts]
        self.depth = 0
        self.in_cell = False

    def flow(self, element: Element) -> None:
        """The content of an element: its text and its children, each through its handler."""
        if self.deep(element):
            return
        self.depth += 1
        text = element.text
        if text:
            self.text(text)
        handlers = self.handlers
        for child in element:
            handlers.get(child.tag, foreign)(self, child)
            text = child.tail
            if text and (self.parts or len(self.levels) > 1 or not text.isspace()):
                self.text(text)
        self.depth -= 1

    def visit(self, element: Element) -> None:
        """One element through its handler, without the text that follows it."""
        if self.deep(element):
            return
        self.depth += 1
        self.handlers.get(str(element.tag), foreign)(self, element)
        self.depth -= 1

    def deep(self, element: Element) -> bool:
        """Whether an element stands too deep to be walked; then its text is taken as it is. Whatever calls itself for what an element
        holds asks, and counts itself in `depth`."""
        if self.depth < MAX_DEPTH:
            return False
        self.degraded["deep nesting"] += 1
        self.text(" ".join(map(str, element.itertext())))
        return True

    def text(self, raw: str) -> None:
        self.parts.append(escape.text(raw))

    def stray(self, text: str | None) -> None:
        """Text where only elements belong: white space there is layout."""
        if text and not text.isspace():
            self.text(text)

    def beside(self, element: Element, own: Container[str]) -> None:
        """What a damaged element holds beside the tags that belong in it: the rest of a page can stand there."""
        self.stray(element.text)
        for child in element:
            if child.tag not in own:
                self.visit(child)
            self.stray(child.tail)

    def flush(self) -> None:
        """Ends the paragraph in the making, also that of every inline element still open around it."""
        levels = self.levels
        if len(levels) == 1 and not self.parts:
            return
        block = escape.paragraph("".join(self.parts if len(levels) == 1 else ["".join(parts) for parts in levels]))
        for parts in levels:
            parts.clear()
        if block:
            self.blocks.append(block)

    def block(self, block: str) -> None:
        """Adds a finished block after the paragraph in the making."""
        self.flush()
        self.blocks.append(block)

    def inline(self, element: Element) -> str:
        """The inline content of an element; blocks found inside go to the page on the way."""
        if len(element) == 0:
            return escape.text(element.text) if element.text else ""
        outer = self.parts
        self.parts = []
        self.levels.append(self.parts)
        self.flow(element)
        inner = "".join(self.levels.pop())
        self.parts = outer
        return inner

    def apart(self, handler: Handler, element: Element) -> list[str]:
        """The blocks that a handler makes of an element, apart from those of the page: what it stands in goes on afterwards."""
        saved = (self.blocks, self.parts, self.levels)
        self.blocks, self.parts = [], []
        self.levels = [self.parts]
        handler(self, element)
        self.flush()
        inner = self.blocks
        self.blocks, self.parts, self.levels = saved
        return inner

    def collected(self, element: Element) -> list[str]:
        """The blocks inside an element, apart from those of the page. Plain text, alone or in one <p>, needs no walk."""
        if len(element) == 0:
            return escape.paragraphs(element.text)
        only = element[0]
        if len(element) == 1 and only.tag == "p" and len(only) == 0 and not (element.text or only.tail):
            return escape.paragraphs(only.text)
        return self.apart(content, element)

    def lost(self, name: str) -> None:
        """Counts something that could not be converted fully."""
        self.degraded[name] += 1


def single(walk: Walk, element: Element) -> None:
    """One element, whichever it is: a handler that finds its handler."""
    walk.visit(element)


def content(walk: Walk, element: Element) -> None:
    """What an element holds, in place: a handler for what has no sign of its own."""
    walk.flow(element)


def foreign(walk: Walk, element: Element) -> None:
    """Unknown elements keep their text; a namespace on a known one (a pasted MathML or SVG) is ignored."""
    local = str(element.tag).rpartition("}")[2]
    walk.handlers.get(local, content)(walk, element)
