"""The rules of chunks: limits, structure, context, ids and metadata."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from confluence_sync import tokens
from confluence_sync.chunk import CHUNKER_VERSION, Limits, chunks, recipe
from confluence_sync.chunking.sections import Section
from confluence_sync.convert import to_markdown
from confluence_sync.errors import SettingsError
from confluence_sync.model import Chunk, digest
from tests.convert_pages import NAMES, SITE, cut, golden, markdown, page

SMALL = Limits(120, 30)
CODE = (
    '<ac:structured-macro ac:name="code"><ac:parameter ac:name="language">{}</ac:parameter>'
    "<ac:plain-text-body><![CDATA[{}]]></ac:plain-text-body></ac:structured-macro>"
)


def body(chunk: Chunk) -> str:
    """A chunk's text without its context line."""
    return chunk.text.partition("\n\n")[2]


def sentence(number: int, words: int = 20) -> str:
    return f"Sentence {number} " + " ".join(f"w{number}x{word}" for word in range(words)) + "."


@pytest.mark.parametrize("limits", [Limits(), Limits(300, 100), SMALL, Limits(64, 0), Limits(64, 32)])
def test_limits_hold_exactly(limits: Limits) -> None:
    """No chunk has more tokens than allowed, overlap and context line included, and the count in its metadata is exact."""
    for name in NAMES:
        for chunk in chunks(golden(name), to_markdown(golden(name)).markdown, limits):
            assert chunk.metadata.tokens == tokens.count(chunk.text) <= limits.tokens


def test_metadata_and_id() -> None:
    """A chunk carries what a filter, a citation or a rebuilt state needs; its id comes from its text alone."""
    [chunk] = cut("<h2>Ink</h2><h3>Black ink</h3><p>Text.</p>")
    m = chunk.metadata
    assert chunk.text == "Press room > The press > Ink\n\n## Ink\n\n### Black ink\n\nText."
    assert (m.source, m.space_key, m.page_id, m.title) == ("wiki.example.org", "PRESS", "1001", "The press")
    assert (m.version, m.last_modified, m.labels, m.fingerprint) == (3, "2026-05-01T08:00:00Z", ("ink",), page("").ref.fingerprint)
    assert (m.url, m.heading_path) == ("https://wiki.example.org/wiki/spaces/PRESS/pages/1001#Ink", "Ink")
    assert (m.chunk_index, m.chunk_count, m.recipe) == (0, 1, recipe(Limits(), "PRESS", "Press room", SITE))
    assert m.content_hash == digest(chunk.text)
    assert chunk.id == digest("wiki.example.org", "PRESS", "1001", m.content_hash, "0")


def test_id_follows_the_text_and_nothing_else() -> None:
    """Version, labels, date and address leave the id alone; another space, page, title or text does not."""
    whole = page("<p>Text.</p>")
    [chunk] = chunks(whole, "Text.")
    same = replace(whole, labels=(), updated_at="2027", url="https://x", ref=replace(whole.ref, version=9, parent_id="7"))
    assert chunks(same, "Text.")[0].id == chunk.id
    others = [
        replace(whole, space_key="X"),
        replace(whole, source="x"),
        replace(whole, ref=replace(whole.ref, id="2")),
        replace(whole, ref=replace(whole.ref, title="t")),
    ]
    ids = {chunks(other, "Text.")[0].id for other in others} | {chunks(whole, "Other.")[0].id}
    assert len(ids) == 5
    assert chunk.id not in ids


def test_no_text_no_chunks() -> None:
    """A page without text has no chunks."""
    assert cut("") == []
    assert chunks(page(""), "\n\n \n") == []


def test_a_chunk_without_a_heading_links_to_the_page() -> None:
    """Where there is no heading above, the address stays plain."""
    [chunk] = cut("<p>Text.</p>")
    assert chunk.metadata.url == page("").url
    assert chunk.metadata.heading_path == ""
    assert chunk.text.startswith("Press room > The press\n\n")


@given(st.text(alphabet='aZ09_.~- /é漢+&%\n#"') | st.text())
def test_anchors_are_quoted_whatever_they_hold(anchor: str) -> None:
    """What has nothing to quote takes a shorter way to the same address."""
    assert Section((), anchor).fragment == quote(anchor, safe="!$&'()*+,;=:@/?-._~")


def test_heading_paths_and_anchors() -> None:
    """A chunk's path is that of its first own unit: plain text, deeper levels replaced by higher ones, anchors as Confluence names them."""
    filler = "".join(f"<p>{sentence(n)}</p>" for n in range(12))
    parts = cut(
        f"<h1>A <code>b</code> &lt;c&gt;</h1>{filler}<h3>Ünder &amp; over</h3>{filler}<h2>Same</h2>{filler}<h1>Same</h1>{filler}",
        Limits(400, 80),
    )
    seen = list(dict.fromkeys((part.metadata.heading_path, part.metadata.url.partition("#")[2]) for part in parts))
    assert seen == [
        ("A b <c>", "A-b-%3Cc%3E"),
        ("A b <c> > Ünder & over", "%C3%9Cnder-&-over"),
        ("A b <c> > Same", "Same"),
        ("Same", "Same.1"),
    ]


def test_context_line_is_escaped_and_bounded() -> None:
    """Names cannot become markup in the context line, and a huge title leaves room for the text."""
    whole = replace(page("<p>Text.</p>"), space_name="# <b>")
    [chunk] = chunks(whole, "Text.")
    assert chunk.text == "\\# \\<b> > The press\n\nText."
    long = replace(whole, ref=replace(whole.ref, title="漢字" * 200 + "\ud83d"))
    [chunk] = chunks(long, "Text.")
    line = chunk.text.partition("\n\n")[0]
    assert line.endswith("…")
    assert tokens.count(line) <= 100
    assert chunk.text.endswith("\n\nText.")


def test_equal_texts_get_ordinals() -> None:
    """The same text twice under the same path stays two chunks with different texts and ids."""
    section = "<h2>Same</h2><p>" + " ".join(sentence(1) for _ in range(12)) + "</p>"
    parts = cut(section * 3, Limits(400, 0))
    firsts = [part.text.partition("\n")[0] for part in parts]
    assert len({part.id for part in parts}) == len({part.text for part in parts}) == len(parts)
    assert "Press room > The press > Same" in firsts
    assert "Press room > The press > Same (2)" in firsts
    assert "Press room > The press > Same (3)" in firsts


def test_a_heading_never_ends_a_chunk() -> None:
    """A heading moves to the chunk that has its text, however the sizes fall."""
    for words in range(1, 60, 3):
        html = "".join(f"<h2>Chapter {n}</h2><h3>Part</h3><p>{sentence(n, words)}</p><p>{sentence(n, 9)}</p>" for n in range(12))
        for part in cut(html, Limits(200, 40))[:-1]:
            assert not part.text.rpartition("\n")[2].startswith("#")


def test_blocks_stay_whole() -> None:
    """A block of less than a third of a chunk is never torn."""
    html = "".join(f"<p>{sentence(n)}</p>{CODE.format('sh', f'echo {n}' + chr(10) + 'ls')}" for n in range(60))
    parts = cut(html)
    text = "\n\n".join(body(part) for part in parts)
    assert len(parts) > 3
    for block in markdown(html).split("\n\n"):
        assert block in text


def test_overlap_is_whole_trailing_blocks() -> None:
    """Within a section a chunk begins with the last blocks of the one before, whole, and at most as many as allowed."""
    parts = cut("".join(f"<p>{sentence(n, 8)}</p>" for n in range(80)), Limits(300, 100))
    for before, after in pairwise(parts):
        old, new = body(before).split("\n\n"), body(after).split("\n\n")
        shared = [block for block in new if block in old]
        assert shared
        assert shared == old[-len(shared) :] == new[: len(shared)]
        assert tokens.count("\n\n".join(shared)) <= 100


def test_no_overlap_when_none_is_wanted_or_across_a_heading() -> None:
    """Overlap 0 shares nothing, and a new section never begins with the end of another."""
    paragraphs = [f"<p>{sentence(n, 8)}</p>" for n in range(80)]
    parts = cut("".join(paragraphs), Limits(300, 0))
    assert sum(body(part).count("Sentence") for part in parts) == 80
    sections = "".join(f"<h2>Chapter {n}</h2>{one}{one}{one}" for n, one in enumerate(paragraphs))
    for part in cut(sections, Limits(300, 100)):
        assert body(part).startswith("## Chapter")


def test_a_split_table_repeats_its_header() -> None:
    """Every piece of a table has its header, every row comes once, and none is torn."""
    rows = "".join(f"<tr><td>{n}</td><td>{sentence(n, 5)}</td></tr>" for n in range(100))
    parts = cut(f"<table><tr><th>No</th><th>What</th></tr>{rows}</table>", Limits(300, 0))
    assert len(parts) > 3
    for part in parts:
        assert body(part).startswith("| No | What |\n| --- | --- |\n| ")
    numbers = [int(n) for part in parts for n in re.findall(r"^\| (\d+) \|", body(part), re.MULTILINE)]
    assert numbers == list(range(100))


def test_a_row_larger_than_a_chunk() -> None:
    """A huge cell is shared out over rows of the same table, and loses no word."""
    words = " ".join(sentence(n) for n in range(60))
    parts = cut(f"<table><tr><th>No</th><th>What</th></tr><tr><td>7</td><td>{words}</td></tr></table>", Limits(200, 0))
    for part in parts:
        assert body(part).startswith("| No | What |\n| --- | --- |\n| ")
    text = " ".join(body(part) for part in parts)
    assert set(words.split()) <= set(re.split(r"[\s|]+", text))


def test_a_header_larger_than_a_chunk() -> None:
    """A header too large to be repeated is kept once, under an empty one."""
    header = " ".join(sentence(n) for n in range(20))
    parts = cut(f"<table><tr><th>{header}</th></tr><tr><td>cell</td></tr></table>", Limits(200, 0))
    assert all(body(part).startswith("|  |\n| --- |\n") for part in parts)
    assert body(parts[-1]).endswith("| cell |")


def test_a_split_code_block_reopens_its_fence() -> None:
    """Every piece of a code block is a fence with its language, and together they are the code again."""
    code = "\n".join(f"def f{n}(x):\n    if x:\n\n        return {n}\n" for n in range(60))
    parts = cut(CODE.format("python", code), Limits(200, 0))
    assert len(parts) > 3
    for part in parts:
        assert body(part).startswith("```python\n")
        assert body(part).endswith("\n```")
    again = "\n".join(body(part).removeprefix("```python\n").removesuffix("\n```") for part in parts)
    assert [line for line in again.split("\n") if line] == [line for line in code.split("\n") if line]


def test_a_line_of_code_larger_than_a_chunk() -> None:
    """A line without an end is cut within the fence and loses no character."""
    code = "".join(f"x{n}=[{n}];" for n in range(2000))
    parts = cut(CODE.format("js", code), Limits(200, 0))
    assert all(body(part).startswith("```javascript\n") or body(part).startswith("```js\n") for part in parts)
    assert "".join(re.sub(r"```\w*|\s", "", body(part)) for part in parts) == code


@pytest.mark.parametrize(
    "wrap",
    ["{}", '<ac:structured-macro ac:name="info"><ac:rich-text-body>{}</ac:rich-text-body></ac:structured-macro>', "<ul><li>{}</li></ul>"],
)
@pytest.mark.parametrize(
    "inner",
    [
        CODE.format("py", "\n".join(f"line_{n} = {n}" for n in range(300))),
        "<table><tr><th>a</th></tr>" + "".join(f"<tr><td>cell{n}</td></tr>" for n in range(300)) + "</table>",
        "<ul>" + "".join(f"<li>item{n}<ul><li>below{n}</li></ul></li>" for n in range(200)) + "</ul>",
        "<p>" + " ".join(sentence(n) for n in range(60)) + "</p>",
        "<blockquote><blockquote>" + "".join(f"<p>{sentence(n)}</p>" for n in range(60)) + "</blockquote></blockquote>",
    ],
    ids=["code", "table", "list", "paragraph", "quote"],
)
def test_large_blocks_inside_others(wrap: str, inner: str) -> None:
    """Large blocks are cut soundly also inside a callout or a list item: every word is there, fences are closed, tables have headers."""
    text = markdown(wrap.format(inner))
    parts = cut(wrap.format(inner), Limits(250, 50))
    words = set(re.findall(r"\w+", text))
    assert words <= set(re.findall(r"\w+", " ".join(body(part) for part in parts)))
    for part in parts:
        assert len(re.findall(r"^[> ]*```", body(part), re.MULTILINE)) % 2 == 0
        rows = [line.lstrip("> ") for line in body(part).split("\n") if line.lstrip("> ").startswith("|")]
        assert not rows or rows[:2] == ["| a |", "| --- |"]


def test_sentences_of_a_huge_paragraph_stay_a_paragraph() -> None:
    """A paragraph larger than a chunk is cut at sentences; a sentence that looks like a list item is still text."""
    parts = cut("<p>" + "Some words to fill. 1. not an item. # no heading. " * 100 + "</p>", Limits(200, 0))
    assert len(parts) > 3
    for part in parts:
        assert not re.search(r"^(?:\d+[.)]|#) ", body(part), re.MULTILINE)


def test_recipe_changes_with_the_limits() -> None:
    """The recipe names converter, chunker and limits: another limit is another recipe."""
    assert recipe(Limits()) == recipe(Limits(1000, 180)) != recipe(Limits(1000, 0))
    assert CHUNKER_VERSION >= 1


@pytest.mark.parametrize(
    ("size", "overlap", "name"),
    [(63, 0, "CHUNK_TOKENS is 63"), (0, 0, "CHUNK_TOKENS is 0"), (100, 51, "CHUNK_OVERLAP is 51"), (100, -1, "CHUNK_OVERLAP is -1")],
)
def test_impossible_limits(size: int, overlap: int, name: str) -> None:
    """Limits that cannot hold together are refused by name and value."""
    with pytest.raises(SettingsError, match=name):
        Limits(size, overlap)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "# h",
                "## h",
                "word " * 40,
                "- a\n- b\n  - c",
                "> q\n>\n> r",
                "```\nx\n\n\ny\n```",
                "| a |\n| --- |\n| b |",
                "漢字。" * 40,
                "***",
                "a  \nb",
            ]
        ),
        max_size=30,
    ),
    st.integers(64, 400),
    st.integers(0, 32),
)
def test_any_sequence_of_blocks(parts: list[str], size: int, overlap: int) -> None:
    """Whatever the blocks, no chunk exceeds the limit, counts are exact, and each block's words are somewhere."""
    whole = page("")
    text = "\n\n".join(parts)
    found = chunks(whole, text, Limits(size, overlap))
    for chunk in found:
        assert chunk.metadata.tokens == tokens.count(chunk.text) <= size
        assert "\ufffd" not in chunk.text
    assert set(re.findall(r"\w+", text)) <= set(re.findall(r"\w+", " ".join(body(chunk) for chunk in found)))
    assert len({chunk.id for chunk in found}) == len(found)


def test_a_table_with_something_below_it() -> None:
    """A table that an indented block continues, as only damaged pages have it, is cut as text, and counts stay exact."""
    found = chunks(page(""), "| a |\n| --- |\n" + "| cell |\n" * 30 + "  ```\n  x\n\n  y\n  ```", SMALL)
    assert [chunk.metadata.tokens for chunk in found] == [tokens.count(chunk.text) for chunk in found]


def test_code_that_begins_with_nothing() -> None:
    """Thousands of blank lines before the code do not fill a chunk."""
    parts = cut(CODE.format("py", "\n" * 3000 + "x = 1\n" * 200), SMALL)
    assert max(part.metadata.tokens for part in parts) <= SMALL.tokens
    assert sum(part.text.count("x = 1") for part in parts) >= 200
