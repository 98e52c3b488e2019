"""Rendered HTML, for pages whose storage format is not at hand, through markdownify."""

from __future__ import annotations

import pytest

from confluence_sync.convert import Converted, to_markdown
from tests.convert_pages import page
from tests.test_convert_safety import addresses, raw_html


def rendered(html: str, representation: str = "view") -> Converted:
    return to_markdown(page(html, representation))


@pytest.mark.parametrize("representation", ["view", "export_view", "styled_view"])
def test_every_rendered_representation(representation: str) -> None:
    """All rendered forms are read as HTML and say that storage format was not at hand."""
    assert rendered("<h2>Title</h2><p>a <b>bold</b> word</p>", representation) == Converted("## Title\n\na **bold** word", {}, True)


@pytest.mark.parametrize(
    ("html", "wanted"),
    [
        (
            '<pre class="syntaxhighlighter-pre" data-syntaxhighlighter-params="brush: java; gutter: false">a &lt; b\n\n  c</pre>',
            "```java\na < b\n\n  c\n```",
        ),
        ("<pre>has ``` inside</pre>", "````\nhas ``` inside\n````"),
        ("<pre>  </pre>", ""),
        ("<table><tr><th>a|b</th></tr><tr><td><pre>x\ny</pre></td></tr></table>", "| a\\|b |\n| --- |\n| `x`<br>`y` |"),
        ("<table><tr><td rowspan=2>r</td><td>1</td></tr><tr><td>2</td></tr></table>", "|  |  |\n| --- | --- |\n| r | 1 |\n| r | 2 |"),
        ("<table><tr><td colspan=2>w</td></tr><tr><td>1</td><td>2</td></tr></table>", "|  |  |\n| --- | --- |\n| w |  |\n| 1 | 2 |"),
        ("<table><caption>cap</caption><tr><td></td></tr></table>", "cap"),
        ("<table><tr><th>o</th></tr><tr><td><table><tr><td>i</td><td>j</td></tr></table></td></tr></table>", "| o |\n| --- |\n| i / j |"),
        ('<ul class="inline-task-list"><li class="checked">done</li><li>open</li></ul>', "- [x] done\n- [ ] open"),
        ('<div class="toc-macro"><ul><li>Chapter</li></ul></div><p>text</p>', "text"),
        ('<p><a class="confluence-userlink user-mention" href="/p">Ada</a></p>', "@Ada"),
        ('<p><img class="emoticon" data-emoji-fallback="📋" src="e.png"/><img alt="plan" src="a b.png"/></p>', "📋![plan](a%20b.png)"),
        ("<p># no heading</p><p>1. no list</p>", "\\# no heading\n\n1\\. no list"),
        ("<div>" * 200 + "deep" + "</div>" * 200, "deep"),
    ],
)
def test_constructs(html: str, wanted: str) -> None:
    """Code, tables, tasks, boxes and the rest come out as they do from storage format."""
    assert rendered(html).markdown == wanted


def test_information_box() -> None:
    """Confluence's boxes become callouts by their kind; in a table cell they are plain text."""
    kind = "confluence-information-macro confluence-information-macro-tip"
    html = f'<div class="{kind}"><span class="aui-icon">i</span><div><p>Dry first.</p></div></div>'
    assert rendered(html).markdown == "> [!TIP]\n> Dry first."
    assert rendered(f"<table><tr><td>{html}</td></tr></table>").markdown == "|  |\n| --- |\n| Dry first. |"


def test_nothing_runs() -> None:
    """Scripts, event handlers and addresses that run something are gone, and typed markup is text."""
    html = '<script>x</script><p onclick="x"><a href="javascript:x">a</a> <img src="data:x" alt="b"> &lt;i&gt;[c](d)</p>'
    text = rendered(html).markdown
    assert raw_html(text) == []
    assert addresses(text) == []
    assert text == "a b \\<i>[c\\](d)"
