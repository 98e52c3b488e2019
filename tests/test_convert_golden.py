"""Every construct that must survive, page by page, against Markdown that was read by a person."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from confluence_sync.convert import mentioned_users, to_markdown
from tests.convert_pages import GOLDEN, NAMES, USERS, golden, markdown


@pytest.mark.parametrize("name", NAMES)
def test_golden_page(name: str) -> None:
    """A golden page converts to exactly the Markdown beside it."""
    wanted = (GOLDEN / f"{name}.md").read_text(encoding="utf-8")
    assert to_markdown(golden(name), USERS).markdown + "\n" == wanted


@pytest.mark.parametrize(
    ("name", "degraded"),
    [
        ("unknown_macro", {"Old-Macro": 1, "gallery": 1, "house-source": 1, "house-style": 2}),
        ("table_cells", {"code in a table cell": 1, "table in a table cell": 1}),
        ("jira_math_diagrams", {"drawio": 1, "jira": 1}),
        ("adf", {"adf something-new": 1}),
        ("goes", {}),
        ("callouts", {}),
    ],
)
def test_degraded_constructs_are_counted(name: str, degraded: dict[str, int]) -> None:
    """What could not be converted fully is counted by name, and nothing else is."""
    converted = to_markdown(golden(name), USERS)
    assert dict(converted.degraded) == degraded
    assert not converted.fallback


def test_code_reads_back_from_its_fence() -> None:
    """A CommonMark parser finds every code body again, with its language, spaces and blank lines."""
    fences = [token for token in MarkdownIt("commonmark").parse(markdown(golden("code_macro").body)) if token.type == "fence"]
    assert [fence.info for fence in fences] == ["python", "", "markdown", "", "java", ""]
    assert fences[0].content == 'def turn(x):\n    if x < 3 and x > 1:\n\n        return "<b>&amp;</b>"   \n\t# tabbed\n\n\n'
    assert fences[2].content == "Here:\n```sh\nls\n```\n````\nfour\n````\n"
    assert fences[4].content == "a]]>b\n"


def test_code_in_lists_and_callouts_reads_back() -> None:
    """A fence inside a list item or a callout belongs to it and keeps its blank lines."""
    for name, body in (("lists", "if true; then\n\n  echo yes\nfi\n"), ("callouts", "make dry\n\nmake wet\n")):
        tokens = MarkdownIt("commonmark").parse(markdown(golden(name).body))
        assert [token.content for token in tokens if token.type == "fence"] == [body]


def test_no_parameter_leaks() -> None:
    """Ids, colours and other parameters that no reader sees are in no golden page's Markdown."""
    text = "".join((GOLDEN / f"{name}.md").read_text(encoding="utf-8") for name in NAMES)
    for parameter in (
        "9e0c",
        "linenumbers",
        "#deebff",
        "atlassian-info",
        "5aa69414",
        "Our Jira",
        "Yellow",
        "aa-bb",
        "557058",
        "maxLevel",
        "ab12",
    ):
        assert parameter not in text


def test_mentioned_users() -> None:
    """Account ids, user keys and logins are found for the look-up before the conversion, each once."""
    assert mentioned_users(golden("mentions").utf8) == {"557058:aa", "8a7f", "jdoe", "unknown-1"}
    assert mentioned_users(b"<p>nobody</p>") == set()


def test_unknown_user_is_no_opaque_id() -> None:
    """A user nobody could look up is shown as a placeholder."""
    text = markdown('<p>Ask <ac:link><ri:user ri:account-id="5570:x"/></ac:link></p>')
    assert text == "Ask @someone"


def test_page_links_on_data_center() -> None:
    """The address of a page link follows the site's base address, which has no /wiki on Data Center."""
    from dataclasses import replace

    page = replace(golden("links"), site="https://confluence.example.org")
    assert "(https://confluence.example.org/display/PRESS/Ink+%26+Paper+%282026%29)" in to_markdown(page).markdown


@pytest.mark.parametrize("body", ["", "   ", "<p></p>", "<p>&nbsp;</p>", '<ac:structured-macro ac:name="toc"/>'])
def test_empty_pages(body: str) -> None:
    """A page without text converts to nothing."""
    assert markdown(body) == ""


def test_text_without_a_paragraph_and_spans_of_a_table() -> None:
    """Loose text counts as a paragraph, and absurd spans do not make a table absurd."""
    assert markdown("loose <strong>text</strong>") == "loose **text**"
    table = markdown('<table><tr><td rowspan="x" colspan="99999999">a</td></tr><tr><td rowspan="0">b</td></tr></table>')
    assert table.count("|") < 1000
    assert "a" in table
    assert "b" in table


def test_list_with_text_between_items() -> None:
    """Text that stands in a list but in no item is kept."""
    assert markdown("<ul>before<li>item</li></ul>") == "before\n\n- item"
    assert markdown("<li>alone</li>") == "- alone"
    assert markdown("<ol><ul><li>first</li></ul></ol>") == "- first"
    assert markdown("<ul><p>a</p><pre>b</pre><li>c</li><p></p><pre>d</pre></ul>") == "a\n\n```\nb\n```\n\n- c\n  ```\n  d\n  ```"


def test_marks_and_blocks_mixed() -> None:
    """A block inside an inline mark ends the paragraph and loses nothing."""
    body = (
        '<p>a <strong>b<ac:structured-macro ac:name="code"><ac:plain-text-body>c</ac:plain-text-body></ac:structured-macro>d</strong> e</p>'
    )
    assert markdown(body) == "a b\n\n```\nc\n```\n\n**d** e"
