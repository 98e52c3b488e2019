"""Turns a page's body into Markdown: storage format by walking its XML, rendered HTML through markdownify. Pure: no network, no files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from confluence_sync.model import Page

CONVERTER_VERSION = 1  # raised on purpose whenever the Markdown of any page changes: it is part of every chunk's recipe

_MENTION = re.compile(rb"ri:(?:account-id|userkey|username)=[\"']([^\"'<>]+)[\"']")


@dataclass(frozen=True, slots=True)
class Converted:
    """A page as Markdown. `degraded` counts, by macro or construct, what could not be converted fully; `fallback` says that the
    body was not well-formed storage format."""

    markdown: str
    degraded: Mapping[str, int] = field(default_factory=dict)
    fallback: bool = False


def to_markdown(page: Page, users: Mapping[str, str] = {}) -> Converted:
    """The page's body as Markdown without its title. `users` maps account ids, user keys or logins to names."""
    if page.representation != "storage":
        from confluence_sync.convert import rendered

        return Converted(rendered.markdown(page.body), {}, True)
    from confluence_sync.convert import storage

    return storage.converted(page, users)


def mentioned_users(body: bytes) -> set[str]:
    """Account ids, user keys and logins of the users a body in UTF-8 mentions: what to look up before converting it."""
    return {user.decode("utf-8", "surrogatepass") for user in _MENTION.findall(body)} if b"<ri:user" in body else set()
