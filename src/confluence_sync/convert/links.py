"""Links: to pages by title, to anchors, attachments, spaces and the outside; a target that could run something is dropped."""

from __future__ import annotations

import re
from urllib.parse import quote, quote_plus

from confluence_sync.convert import escape
from confluence_sync.convert.element import Element
from confluence_sync.convert.inline import mention
from confluence_sync.convert.reading import AC, RI
from confluence_sync.convert.walk import Handler, Walk
from confluence_sync.model import Page

_PLAIN = re.compile(r"[\w ~.-]*", re.ASCII)  # what quote_plus leaves as it is, but for spaces


def link(walk: Walk, element: Element) -> None:
    """<ac:link>: its body as label, or else the name of what it points at."""
    target: Element | None = None
    body: Element | None = None
    for child in element:
        if child.tag in (f"{AC}link-body", f"{AC}plain-text-link-body"):
            body = child
        elif str(child.tag).startswith(RI):
            target = child
    if target is not None and target.tag == f"{RI}user" and body is None:
        mention(walk, target)
        return
    anchor = (element.get(f"{AC}anchor") or "").replace(" ", "-")
    url, name = resource(walk.page, target)
    url = url + "#" + quote(anchor) if anchor else url
    inner = walk.inline(body) if body is not None else ""
    append(walk, inner if inner.strip() else escape.text(name or element.get(f"{AC}anchor") or ""), url)


def html_link(walk: Walk, element: Element) -> None:
    href = (element.get("href") or "").strip()
    if href.startswith("/") and not href.startswith("//"):
        href = _origin(walk.page.site) + href
    append(walk, walk.inline(element), href)


def _origin(site: str) -> str:
    """https://host of https://host/wiki: what an address from the root is relative to."""
    scheme, separator, rest = site.partition("://")
    return scheme + separator + rest.partition("/")[0]


def append(walk: Walk, inner: str, url: str) -> None:
    """`[inner](url)`, or the inner text alone where there is no safe target; an image as label keeps its own brackets."""
    target = escape.address(url)
    core = inner.strip()
    if not core:
        core = escape.text(target)
    elif target and not _says(core, target):
        core = f"[{core if core.startswith('![') else escape.label(core)}]({target})"
    lead = " " if inner[:1].isspace() else ""
    walk.parts.append(lead + core + (" " if inner[-1:].isspace() else ""))


def _says(shown: str, target: str) -> bool:
    """Whether the label is the address itself, which Markdown readers link on their own."""
    return shown == target or shown.replace("\\", "") == target


def resource(page: Page, target: Element | None) -> tuple[str, str]:
    """The address of what an <ri:...> element names, and the name to show for it."""
    if target is None:
        return "", ""
    kind = str(target.tag).removeprefix(RI)
    resolve = _RESOURCES.get(kind)
    return resolve(page, target) if resolve else ("", "")


def _page(page: Page, target: Element) -> tuple[str, str]:
    title = target.get(f"{RI}content-title") or ""
    space = target.get(f"{RI}space-key") or page.space_key
    return (f"{page.site}/display/{quote(space)}/{_plus(title)}" if title else ""), title


def _plus(title: str) -> str:
    """`quote_plus`, at once for titles with nothing to quote: quoting was half of what a link costs."""
    return title.replace(" ", "+") if _PLAIN.fullmatch(title) else quote_plus(title)


def _blog(page: Page, target: Element) -> tuple[str, str]:
    title = target.get(f"{RI}content-title") or ""
    day = (target.get(f"{RI}posting-day") or "").strip("/")
    space = target.get(f"{RI}space-key") or page.space_key
    return (f"{page.site}/display/{quote(space)}/{day}/{_plus(title)}" if title and day else ""), title


def _attachment(page: Page, target: Element) -> tuple[str, str]:
    name = target.get(f"{RI}filename") or ""
    elsewhere = target.find(f"{RI}page")
    if not name or elsewhere is not None:
        return (_page(page, elsewhere)[0] if elsewhere is not None else ""), name
    return f"{page.site}/download/attachments/{page.ref.id}/{quote(name)}", name


def _space(page: Page, target: Element) -> tuple[str, str]:
    key = target.get(f"{RI}space-key") or ""
    return (f"{page.site}/display/{quote(key)}" if key else ""), key


def _content(page: Page, target: Element) -> tuple[str, str]:
    content = target.get(f"{RI}content-id") or ""
    return (f"{page.site}/pages/viewpage.action?pageId={quote(content)}", f"page {content}") if content else ("", "")


def _url(page: Page, target: Element) -> tuple[str, str]:
    url = target.get(f"{RI}value") or ""
    return url, url


def _shortcut(page: Page, target: Element) -> tuple[str, str]:
    return "", f"{target.get(f'{RI}key') or ''}:{target.get(f'{RI}parameter') or ''}".strip(":")


_RESOURCES = {
    "page": _page,
    "blog-post": _blog,
    "attachment": _attachment,
    "space": _space,
    "content-entity": _content,
    "url": _url,
    "shortcut": _shortcut,
}

HANDLERS: dict[str, Handler] = {f"{AC}link": link, "a": html_link}
