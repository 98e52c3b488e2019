"""Bodies that are not well-formed, huge or hostile: they convert, keep their text, and end in time."""

from __future__ import annotations

import re
import time

import pytest

from confluence_sync.chunk import chunks
from confluence_sync.convert import to_markdown
from confluence_sync.convert.repair import repaired
from tests.convert_pages import page

CODE = '<ac:structured-macro ac:name="code"><ac:plain-text-body><![CDATA[if a < b: "&amp;"'
END = "</ac:plain-text-body></ac:structured-macro>"
QUARTER = 250_000


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("<p>one<p>two", "one\n\ntwo"),
        ("<p>a <b>bold <i>both</b> after</i></p>", "a **bold *both*** after"),
        ("<p>a<br>b</p>", "a  \nb"),
        ("<p>cut in the mid", "cut in the mid"),
        ("<p>cut in a tag</p><p cla", "cut in a tag\n\n\\<p cla"),
        ("</p></div>stray ends", "stray ends"),
        (CODE + "]]>" + "</ac:plain-text-body><p>x", '```\nif a < b: "&amp;"\n```\n\nx'),
        (CODE + END + "<p>x</p>", '```\nif a < b: "&amp;"\n```\n\nx'),
        ("<p>&#0;a&#xD800;b&#233;</p>", "abé"),
        ('<p a="1" a="2" b=3 c>x</p>', "x"),
        ("<foo:bar>kept</foo:bar>", "kept"),
        ('<ac:-->kept</ac:--><ac: x="1">too</ac:><b²>and</b²> <p ac:="1" xml:lang="x">this</p>', "kepttoo**and**\n\nthis"),
        ("<p>5 < 6 & 7 > 2</p>", "5 < 6 & 7 > 2"),
        ("<?php echo 1 ?><!DOCTYPE x><p>x</p><!-- gone --><!-- open", "x\n\n\\<!-- open"),
    ],
)
def test_damaged_bodies(body: str, wanted: str) -> None:
    """A damaged body says so and keeps its text and macros."""
    converted = to_markdown(page(body))
    assert converted.fallback
    assert converted.markdown == wanted


def test_control_characters_and_surrogates() -> None:
    """Characters that XML forbids go, without making the page count as damaged."""
    converted = to_markdown(page("<p>a\x00\x0bb\ud83dc</p>"))
    assert (converted.markdown, converted.fallback) == ("abc", False)


def test_entity_bomb() -> None:
    """Entities of a document type are never expanded."""
    bomb = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><p>&b;&b;</p>'
    assert len(to_markdown(page(bomb)).markdown) < len(bomb) * 2


@pytest.mark.parametrize(
    "tags", [("<div>", "</div>"), ("<b>", "</b>"), ("<ul><li>", "</li></ul>"), ("<blockquote>", "</blockquote>"), ("<b>", "")]
)
def test_ten_thousand_levels(tags: tuple[str, str]) -> None:
    """Nesting of any depth neither fails nor loses the text inside."""
    body = tags[0] * 10_000 + "core" + tags[1] * 10_000
    assert "core" in to_markdown(page(body)).markdown


def test_deep_but_well_formed() -> None:
    """Markup deeper than any real page is read as plain text and counted."""
    converted = to_markdown(page("<div>" * 150 + "core" + "</div>" * 150))
    assert converted.markdown == "core"
    assert converted.degraded == {"deep nesting": 1}


@pytest.mark.parametrize("levels", [99, 250, 2000])
@pytest.mark.parametrize(
    ("opened", "closed", "around"),
    [
        ("<ul>", "</ul>", ("", "")),
        ("<ul><li>", "</li></ul>", ("", "")),
        ("<table>", "</table>", ("", "")),
        ("<table><tr><td>", "</td></tr></table>", ("", "")),
        ("<table><tbody><tr><th>", "</th></tr></tbody></table>", ("", "")),
        ("<tbody>", "</tbody>", ("<table>", "</table>")),
        ("<h1>", "</h1>", ("", "")),
        ("<blockquote>", "</blockquote>", ("", "")),
        ("<ac:adf-node>", "</ac:adf-node>", ("<ac:adf-extension>", "</ac:adf-extension>")),
        ("<ac:task-list><ac:task><ac:task-body>", "</ac:task-body></ac:task></ac:task-list>", ("", "")),
        ('<ac:structured-macro ac:name="panel"><ac:rich-text-body>', "</ac:rich-text-body></ac:structured-macro>", ("", "")),
    ],
    ids=["ul", "li", "table", "td", "th", "tbody", "h1", "quote", "adf", "task", "macro"],
)
def test_whatever_is_nested_in_itself_converts(opened: str, closed: str, around: tuple[str, str], levels: int) -> None:
    """Well-formed or, beyond what XML's reader takes, repaired: no depth of anything fails, and the text inside is there once."""
    body = around[0] + opened * levels + "core" + closed * levels + around[1]
    assert to_markdown(page(body)).markdown.count("core") == 1


@pytest.mark.parametrize(
    "body",
    [
        "<table>one<tr><td>two</td></tr>three</table>",
        "<table><tr>one<td>two</td>three</tr></table>",
        "<table><tr><td>one</td><p>two</p><td>three</td></tr></table>",
        "<table><tbody>one<tr><td>two</td></tr><tr>three</tr></tbody></table>",
        "<ac:task-list>one<ac:task>two<ac:task-body>three</ac:task-body></ac:task></ac:task-list>",
        "<ac:task-list><ac:task><ac:task-id>7</ac:task-id><p>one</p>two</ac:task>three</ac:task-list>",
        "<ac:task-list><p>one</p><ac:task><ac:task-body>two</ac:task-body><i>three</i></ac:task></ac:task-list>",
    ],
)
def test_text_where_none_belongs_is_kept(body: str) -> None:
    """A damaged table or task list loses no word and gains none."""
    assert sorted(re.findall(r"\w+", to_markdown(page(body)).markdown.replace("[ ]", ""))) == ["one", "three", "two"]


def test_tables_within_tables() -> None:
    """Tables nested in each other grow the text no faster than the page."""
    body = "<table><tr><td>x" * 90 + "</td></tr></table>" * 90
    text = to_markdown(page(body)).markdown
    assert text.count("x") == 90
    assert len(text) < 3 * len(body)


def test_repair_balances_and_is_linear() -> None:
    """Every tag the repair leaves open is closed; what looks like the start of a tag is read once."""
    assert repaired("<p><b>x") == "<p><b>x</b></p>"
    start = time.process_time()
    repaired('<a href="' * 50_000 + "<" * 50_000 + "<![CDATA[" * 20_000)
    assert time.process_time() - start < 10  # quadratic time would be minutes


@pytest.mark.parametrize(
    "body",
    [
        "<p>" + "word " * (QUARTER // 5) + "</p>",
        "<p>" + "漢" * (QUARTER // 3) + "</p>",
        "<p>" + "same text here</p><p>" * (QUARTER // 21) + "</p>",
        "<table>" + "<tr><td>a</td><td>b</td></tr>" * (QUARTER // 28) + "</table>",
        "<p>" + "<b>a</b>" * (QUARTER // 8) + "</p>",
        "<" * QUARTER,
    ],
    ids=["words", "no spaces", "equal paragraphs", "rows", "marks", "signs"],
)
def test_a_quarter_of_a_megabyte_in_time(body: str) -> None:
    """A quarter of a megabyte of anything is converted and cut in seconds, with chunks within the limit."""
    start = time.process_time()
    whole = page(body)
    cut = chunks(whole, to_markdown(whole).markdown)
    assert time.process_time() - start < 5  # alone on a machine it is a tenth of that; quadratic time would be minutes
    assert cut
    assert max(chunk.metadata.tokens for chunk in cut) <= 1000


def test_what_no_repair_mends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a repair ever yield no XML, the page's text is kept without its tags."""
    monkeypatch.setattr("confluence_sync.convert.mending.repaired", lambda body: "<still broken")
    converted = to_markdown(page("<p>one &eacute;<p>two &#0;"))
    assert converted.markdown == "one é two \ufffd"
    assert converted.fallback
