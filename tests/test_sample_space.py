"""The bundled sample space is what it promises to be, and agrees with its readable source."""

from __future__ import annotations

import html
import json
import re
from html.entities import name2codepoint
from typing import Any

import pytest
from lxml import etree

from confluence_sync.simulator.sample import SAMPLE, day_of_changes
from confluence_sync.simulator.sample_source import build, storage
from confluence_sync.simulator.server import Simulator

PAGES: list[dict[str, Any]] = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
BODIES = {page["title"]: page["body"]["storage"]["value"] for page in PAGES}
EVERYTHING = "".join(BODIES.values())
NAMESPACES = {"ac": "urn:ac", "ri": "urn:ri"}


def parsed(body: str) -> etree._Element:
    entities = "<!DOCTYPE body [" + "".join(f'<!ENTITY {n} "&#{p};">' for n, p in name2codepoint.items() if n not in ("lt", "amp")) + "]>"
    declared = " ".join(f'xmlns:{name}="{uri}"' for name, uri in NAMESPACES.items())
    return etree.fromstring(f"{entities}<body {declared}>{body}</body>".encode())


def test_the_file_agrees_with_its_source() -> None:
    """known_issues.jsonl is exactly what the readable pages make; if not, run python -m confluence_sync.simulator.sample_source."""
    assert SAMPLE.read_text(encoding="utf-8") == build()


def test_it_is_one_space_of_many_pages() -> None:
    """At least 45 current pages of the space KNOWN with unique ids and titles, six levels deep."""
    current = [page for page in PAGES if page["status"] == "current"]
    assert len(current) >= 45
    assert {page["space"]["key"] for page in PAGES} == {"KNOWN"}
    assert len({page["id"] for page in PAGES}) == len({page["title"] for page in PAGES}) == len(PAGES)
    assert max(len(page["ancestors"]) for page in PAGES) >= 6
    assert {page["status"] for page in PAGES} == {"current", "archived", "draft"}


@pytest.mark.parametrize("title", BODIES)
def test_every_body_is_well_formed(title: str) -> None:
    """Each body is well-formed storage format, and its links to pages lead to pages of this space."""
    body = parsed(BODIES[title])
    assert body is not None
    targets = {html.unescape(found) for found in re.findall(r'ri:content-title="([^"]*)"', BODIES[title])}
    assert targets <= set(BODIES)


MACROS = (
    "anchor children code contentbylabel details detailssummary drawio excerpt excerpt-include expand include info jira math mermaid-cloud "
    "noformat note panel plantuml recently-updated status tip toc warning"
)
ELEMENTS = (
    *("<ac:task-list>", "<ac:layout-section", "<ri:attachment", "<ac:image", "<ri:user", "<time ", "<ac:emoticon", "<ac:link-body>"),
    *("<ac:inline-comment-marker", "<ac:adf-extension>", "<ac:placeholder>", 'rowspan="2"', 'colspan="2"', "ac:anchor=", "<td><ul>"),
    *("]]]]><![CDATA[>", "<blockquote>", "<hr />", "<a href=", "&nbsp;", "<sub>", "<sup>", "<del>", "<u>", '<span style="color'),
)


@pytest.mark.parametrize("macro", MACROS.split())
def test_every_common_macro_is_used(macro: str) -> None:
    """The space uses each macro that a converter meets every day."""
    assert f'ac:name="{macro}"' in EVERYTHING


@pytest.mark.parametrize("mark", ELEMENTS)
def test_every_common_element_is_used(mark: str) -> None:
    """Tasks, layouts, attachments, mentions, dates, spans, lists in cells and split CDATA sections are all there."""
    assert mark in EVERYTHING


@pytest.mark.parametrize("language", ["python", "bash", "yaml", "java", "sql", "go", "json"])
def test_code_comes_in_several_languages(language: str) -> None:
    """There is a code macro in this language."""
    assert f'<ac:parameter ac:name="language">{language}</ac:parameter>' in EVERYTHING


def test_code_keeps_signs_and_blank_lines() -> None:
    """Some code holds < and > and blank lines, which a converter must keep."""
    codes = re.findall(r"<!\[CDATA\[(.*?)\]\]>", EVERYTHING, re.DOTALL)
    assert any("<" in code and ">" in code and "\n\n" in code for code in codes)


def test_it_has_the_odd_pages() -> None:
    """One page of more than 100 KB, an empty one, one of only a table of contents, some in French and in Japanese."""
    sizes = [len(body.encode()) for body in BODIES.values()]
    assert max(sizes) >= 100 * 1024
    assert sizes.count(0) >= 1
    assert any(re.fullmatch(r'<ac:structured-macro ac:name="toc">.*?</ac:structured-macro>', body) for body in BODIES.values())
    assert sum(bool(re.search(r"\b(les|de|une)\b.*é", body, re.DOTALL)) for body in BODIES.values()) >= 3
    assert sum(bool(re.search(r"[ぁ-ん]", body)) for body in BODIES.values()) >= 3


def test_the_page_about_the_full_disk_is_the_only_one_of_that_title() -> None:
    """A question in the words of a title has one right page."""
    assert [title for title in BODIES if "disk full on /var" in title.casefold()] == ["Disk full on /var"]


def test_the_long_page_does_not_repeat_itself() -> None:
    """Every entry of the alert catalogue has a meaning of its own."""
    meanings = re.findall(r"</ac:structured-macro> ([A-Z][^<]{20,})</p>", BODIES["Alert catalogue"])
    assert len(meanings) > 80
    assert len(set(meanings)) == len(meanings)


def test_a_day_of_changes_applies_and_shows_every_kind() -> None:
    """The day's changes can be made to the sample space: edits, a rename, a move, labels, deletions and an addition."""
    simulator, changes = Simulator(SAMPLE), day_of_changes()
    before = dict(simulator.wiki.contents)
    for change in changes:
        simulator.apply(change)
    after = simulator.wiki.contents
    assert {change["op"] for change in changes} >= {"replace", "rename", "move", "relabel", "delete", "trash", "archive", "add"}
    assert len(after.keys() - before.keys()) == len(before.keys() - after.keys()) == 1
    assert {change["id"] for change in changes} == {i for i in before.keys() | after.keys() if before.get(i) != after.get(i)}
    assert all(change["why"] for change in changes)


def test_the_shorthands_make_storage_format() -> None:
    """Headings, nested lists, tables, tasks, fences, links and macros become what Confluence stores."""
    assert storage("# A `b<c`") == "<h1>A <code>b&lt;c</code></h1>"
    assert storage("1. one\n  - two\n2. three") == "<ol><li><p>one</p><ul><li><p>two</p></li></ul></li><li><p>three</p></li></ol>"
    assert storage("| a | b |\n| 1 | 2 |").count("<td><p>") == 2
    assert "<ac:task-status>complete</ac:task-status>" in storage("[x] done\n[ ] open")
    assert "a]]]]><![CDATA[>b" in storage("```xml\na]]>b\n\nc\n```")
    assert 'ac:anchor="Top"><ri:page ri:content-title="T &amp; U"' in storage("see [[T & U#Top|words]]")
    assert storage("one\n\n\n\ntwo") == "<p>one</p><p>two</p>"
    assert storage("(!info title=T)\n\ntext\n\n(!)").endswith("<p>text</p></ac:rich-text-body></ac:structured-macro>")
