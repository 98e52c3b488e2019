"""Forms that few pages have: odd link targets, buttons, diagrams with a source, items beside their lists."""

from __future__ import annotations

import pytest

from confluence_sync import tokens
from confluence_sync.chunk import Limits
from confluence_sync.chunking.blocks import blocks
from confluence_sync.convert import rendered, to_markdown
from tests.convert_pages import SITE, cut, markdown, page


def macro(name: str, inside: str) -> str:
    return f'<ac:structured-macro ac:name="{name}">{inside}</ac:structured-macro>'


def parameter(name: str, value: str) -> str:
    return f'<ac:parameter ac:name="{name}">{value}</ac:parameter>'


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (
            '<ac:link><ri:attachment ri:filename="a.pdf"><ri:page ri:content-title="Other"/></ri:attachment></ac:link>',
            f"[a.pdf]({SITE}/display/PRESS/Other)",
        ),
        ("<ac:link><ri:attachment/></ac:link>", ""),
        ('<ac:link><ri:url ri:value="https://example.org/x"/></ac:link>', "https://example.org/x"),
        ('<ac:link><ri:shortcut ri:key="jira" ri:parameter="INK-1"/></ac:link>', "jira:INK-1"),
        ("<ac:link><ri:content-entity/></ac:link>", ""),
        ("<ac:link><ri:unheard-of/></ac:link>", ""),
        ("<a href='//example.org/x'>x</a>", "[x](//example.org/x)"),
        ("<p><time datetime='2026-01-01'>New Year</time></p>", "New Year"),
        ("<p>a<math></math>b</p>", "ab"),
        ("<table><tr><td>a<hr/>b</td></tr></table>", "|  |\n| --- |\n| a<br>b |"),
        ("<table><caption>Prices</caption>stray<tr><td>a</td></tr></table>", "Prices\n\nstray\n\n|  |\n| --- |\n| a |"),
        ("<p><code><strong>x</strong> <br/>y</code></p>", "`x `  \n`y`"),
        ('<p><code>see <ac:link><ri:page ri:content-title="P"/></ac:link></code></p>', f"see [P]({SITE}/display/PRESS/P)"),
        ("<ac:task-list><ac:task><ac:task-status>complete</ac:task-status></ac:task></ac:task-list>", ""),
        ("<dl><dt></dt><dd>x</dd></dl>", "x"),
        ("<li></li>", ""),
    ],
)
def test_rare_elements(body: str, wanted: str) -> None:
    """Rare targets and elements come out as text or as a link, and never fail."""
    assert markdown(body) == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (macro("include", parameter("page", "Old rules")), "Included page: Old rules"),
        (macro("drawio", "<ac:plain-text-body>&lt;mxfile/&gt;</ac:plain-text-body>"), "```xml\n<mxfile/>\n```"),
        (macro("plantumlcloud", "<ac:plain-text-body>A -> B</ac:plain-text-body>"), "```\nA -> B\n```"),
        (macro("gliffy", ""), ""),
        (macro("ui-button", parameter("title", "Go") + parameter("url", "https://example.org")), "[Go](https://example.org)"),
        (macro("ui-button", parameter("link", '<ri:page ri:content-title="P"/>')), f"[P]({SITE}/display/PRESS/P)"),
        (macro("auibutton", parameter("title", "Go") + "<ac:rich-text-body><p>Some content</p></ac:rich-text-body>"), "Go\n\nSome content"),
        (macro("widget", parameter("url", "https://example.org/video")), "https://example.org/video"),
        (macro("panel", "<ac:plain-text-body>old *panel*</ac:plain-text-body>"), "> old \\*panel\\*"),
        (macro("info", ""), ""),
        (macro("anchor", parameter("", "")), ""),
        (macro("jira", ""), ""),
        (macro("code", "<p>not where it belongs</p>stray"), "not where it belongs\n\nstray"),
        (macro("code", ""), ""),
        ("<ac:structured-macro>x</ac:structured-macro>", "x"),
        (
            '<ac:adf-node type="task-item">tail<ac:adf-attribute key="state">DONE</ac:adf-attribute></ac:adf-node>',
            "- [x] tail",
        ),
        ('<ac:adf-extension><ac:adf-node type="decision-item"/></ac:adf-extension>', ""),
        ('<ac:adf-extension><ac:adf-node type="x"><p>a</p> b<ac:adf-mark/></ac:adf-node></ac:adf-extension>', "a\n\nb"),
    ],
)
def test_rare_macros(body: str, wanted: str) -> None:
    """Macros show what a reader sees of them, whatever they lack."""
    assert markdown(body) == wanted


def test_html_that_the_parser_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendered HTML that html.parser gives up on is read without its tags."""

    def refuse(*_: object) -> None:
        raise rendered.ParserRejectedMarkup("no")

    monkeypatch.setattr(rendered, "BeautifulSoup", refuse)
    assert to_markdown(page("<p>one</p><p>*two*</p>", "view")).markdown == "one\n\n\\*two\\*"


def test_blocks_of_foreign_markdown() -> None:
    """Blank lines beyond one are no blocks, an open fence runs to the end, a fence is closed only by its own kind."""
    assert blocks("\n\n\na\n\n\n\nb\n\n   \n\n") == ["a", "b"]
    assert blocks("```\na\n\n\nb\n\n") == ["```\na\n\n\nb"]
    assert blocks("~~~\na\n\n```\n\n~~~\n\nb") == ["~~~\na\n\n```\n\n~~~", "b"]
    assert blocks("- a\n\n  ```\n  x\n\n  y\n  ```\n\nb") == ["- a\n\n  ```\n  x\n\n  y\n  ```", "b"]
    assert blocks("```` x ```` y\n\nb") == ["```` x ```` y", "b"]


def test_a_fence_too_long_to_repeat() -> None:
    """Code with a run of backticks longer than a chunk is cut as text rather than lost or too large."""
    body = macro("code", "<ac:plain-text-body>" + "`" * 9000 + "\n" + "line of code\n" * 300 + "</ac:plain-text-body>")
    parts = cut(body, Limits(100, 0))
    assert sum(part.text.count("line of code") for part in parts) == 300
    assert max(part.metadata.tokens for part in parts) <= 100


def test_the_encoder_is_loaded_once() -> None:
    """A second look at the encoder finds the module that is there."""
    before = tokens.count("a b")
    tokens.counter.cache_clear()
    tokens._exact.cache_clear()
    assert tokens.count("a b") == before
