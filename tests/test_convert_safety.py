"""Page text cannot become markup: what an author types is read as text, and no address can run something."""

from __future__ import annotations

import re
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from confluence_sync.convert import escape, links, to_markdown
from tests.convert_pages import golden, markdown, page

OURS = re.compile(r'</?su[bp]>|<br>|<a id="[^"<>]*">|</a>')  # the only HTML that a conversion emits


def raw_html(text: str) -> list[str]:
    """The raw HTML that a CommonMark parser sees in Markdown, without what conversions emit themselves."""
    pieces: list[str] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        pieces += [token.content] if token.type == "html_block" else []
        pieces += [child.content for child in token.children or [] if child.type == "html_inline"]
    return [piece for piece in pieces if OURS.sub("", piece).strip()]


def addresses(text: str) -> list[str]:
    tokens = [child for token in MarkdownIt("commonmark", {"linkify": False}).parse(text) for child in token.children or []]
    return [str(token.attrs.get("href") or token.attrs.get("src")) for token in tokens if token.type in ("link_open", "image")]


def test_injection_page() -> None:
    """A page full of attempts yields no raw HTML and no address that a browser would run."""
    text = markdown(golden("injection").body)
    assert raw_html(text) == []
    assert addresses(text) == ["https://example.org/%22onmouseover=%22x", "x.png"]


@given(st.text(alphabet='aZ09_.~- /é漢+&%\n#)"') | st.text())
def test_titles_in_addresses_are_quoted_whatever_they_hold(title: str) -> None:
    """What has nothing to quote takes a shorter way to the same address."""
    assert links._plus(title) == quote_plus(title)


def test_the_check_itself_sees_html() -> None:
    """The check would see a script, so its silence means something."""
    assert raw_html("a <script>b</script>") == ["<script>", "</script>"]
    assert raw_html("<div>\nx\n</div>") != []


@pytest.mark.parametrize(
    "scheme", ["javascript", "JavaScript", "vbscript", "data", "blob", "java\tscript", " javascript", "\u200bjavascript", "x-apple"]
)
def test_addresses_that_could_run_something(scheme: str) -> None:
    """Only the usual schemes survive, however the name is disguised."""
    assert escape.address(f"{scheme}:alert(1)") == ""


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("https://example.org/a b(c)", "https://example.org/a%20b%28c%29"),
        ("/relative/path", "/relative/path"),
        ("#anchor", "#anchor"),
        ("mailto:a@example.org", "mailto:a@example.org"),
        ("https://[broken", ""),
        ("?a=1", "?a=1"),
        ("https://example.org/é", "https://example.org/é"),
    ],
)
def test_addresses_that_survive(given: str, wanted: str) -> None:
    """An address keeps its meaning and cannot end the link it stands in."""
    assert escape.address(given) == wanted


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(alphabet="<>!/ab[](){}*_`~#-+|\\&;:=.\"' \n\u200b1", max_size=12), max_size=8))
def test_any_text_stays_text(parts: list[str]) -> None:
    """Whatever characters a page spreads over its elements, a parser sees no HTML and no link in the Markdown."""
    body = "".join(f"<{tag}><![CDATA[{part}]]></{tag}>" for part, tag in zip(parts, ["span", "b", "i", "u"] * 2, strict=False))
    text = to_markdown(page(f"<p>{body}</p>")).markdown
    assert raw_html(text) == []
    assert addresses(text) == []


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab#>-+*=~0123456789.) \n_[]()<!`", min_size=1, max_size=30))
def test_a_paragraph_stays_a_paragraph(raw: str) -> None:
    """No text of a paragraph turns it into a heading, a list, a quote, a rule or code."""
    text = to_markdown(page(f"<p><![CDATA[{raw.replace(']]>', ']]]]><![CDATA[>')}]]></p>")).markdown
    kinds = {token.type for token in MarkdownIt("commonmark").parse(text)}
    assert kinds <= {"paragraph_open", "paragraph_close", "inline"}


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="ab *_`~\\<>&[]().:!1", max_size=30))
def test_text_reads_back(raw: str) -> None:
    """A CommonMark reader shows the words that the page shows."""
    text = to_markdown(page(f"<p><![CDATA[x{raw.replace(']]>', ']]]]><![CDATA[>')}x]]></p>")).markdown  # CDATA cannot hold its own end
    inline = MarkdownIt("commonmark").parse(text)[1]
    shown = "".join("\n" if child.type == "softbreak" else child.content for child in inline.children or [])
    assert shown.split() == f"x{raw}x".split()
