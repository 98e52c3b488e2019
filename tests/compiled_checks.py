"""What a compiled installation has of its own, beside what it stands in for. Run by tests/integration/test_compiled.py, not alone."""

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

import pytest
from benchmarks.installed import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from confluence_sync import cl100k, tokens
from confluence_sync.convert import element, escape, lxml_tree, mending, parsing, scan
from confluence_sync.convert.repair import repaired
from tests import conversions
from tests.convert_pages import NAMES, golden

COMPILED = (
    "chunk",
    "chunking.assembly",
    "chunking.blocks",
    "chunking.context",
    "chunking.cuts",
    "chunking.pieces",
    "chunking.sections",
    "chunking.units",
    "cl100k",
    "convert.blocks",
    "convert.element",
    "convert.entities",
    "convert.escape",
    "convert.mending",
    "convert.parsing",
    "convert.scan",
    "convert.tables",
    "convert.walk",
)

Shape = tuple[str, str, str, dict[str, str], list["Shape"]] | str


def shape(root: element.Element) -> Shape:
    """A tree as plain values."""
    return (root.tag, root.text or "", root.tail or "", attributes(root), [shape(child) for child in root])


def attributes(root: element.Element) -> dict[str, str]:
    names = ("a", "b", "name", "{ac}name", "{ri}content-title", "{at}x", "colspan", "href", "local-id", "{ac}schema-version")
    return {name: value for name in names if (value := root.get(name)) is not None}


def read(parsed: object, body: str) -> Shape:
    try:
        return shape(parsed(body))
    except lxml_tree.NotWellFormed:
        return "not well-formed"


def plain_module(name: str) -> ModuleType:
    """The module in src that a compiled one replaces."""
    spec = importlib.util.spec_from_file_location(f"plain_{name}", ROOT / "src" / "confluence_sync" / "convert" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", COMPILED)
def test_it_is_compiled(name: str) -> None:
    """Every module that setup.py names is machine code; otherwise the rest of this file compares Python with itself."""
    module = importlib.import_module(f"confluence_sync.{name}")
    assert str(module.__file__).endswith(tuple(EXTENSION_SUFFIXES))


# the parser

PIECES = (
    "<p>", "</p>", "<p/>", "<br/>", "<td colspan='2'>", "</td>", "<ac:link>", "</ac:link>", '<ri:page ri:content-title="A &amp; B"/>',
    "<ac:x", ">", "<p a=\"1\" b='2'>", '<p a="1"b="2">', "<p a='1' a='2'>", "<p a>", "<p a=1>", "<p  a\n=\t'x\ty\nz' >", "</p >", "< p>",
    "<P>", "</P>", "<![CDATA[", "]]>", "<![CDATA[]]>", "<![CDATA[<b> & ]] >]]>", "<!--", "-->", "<!-- a -- b -->", "<!-->", "<!---->",
    "<?pi x?>", "<!DOCTYPE r [<!ENTITY e 'x'>]>", "&e;", "&", "&amp;", "&lt;", "&quot;", "&apos;", "&nbsp;", "&rsquo;", "&Tab;",
    "&NewLine;", "&LT;", "&b;", "&a;", "&#65;", "&#x41;", "&#X41;", "&#0;", "&#13;", "&#10;", "&#9;", "&#xD800;", "&#1114112;",
    "&#x10FFFF;", "&#12345678;", "&#;", "&#x;", "&#6_5;", "&unknown;", "&amp", "&;", "&rsquo ;", "&" + "a" * 31 + ";",
    "&" + "a" * 32 + ";", "&ThickSpace;", "&fj;", "&nvlt;", "<r>", "</r>", "text", " ", "\n", "\t", "\r\n", "\r", "\x00", "\x08", "\x0b",
    "\x7f", "\x85", "\u2028", "\ud800", "\ufffe", "\uffff", "\ufeff", "é", "日本", "😀", "<é>", "</é>", "<a:b>", "</a:b>", "<ac:>", "<:p>",
    "<ac:a:b/>", "<p xmlns='x'>", "<p xmlns:q='x'>", "<q:p/>", "<xml:p/>", "<p xml:lang='x'>", "<p ac:name='x'>", "<p q:name='x'>",
    "<_p/>", "<p.q-r_s/>", "<-p/>", "<1p/>", "<p1/>", "<p a='<'>", "<p a='&lt;'>", "<p a='&#10;&#9;'>", "<p a='&nbsp;&b'>",
    "<p a=\"it's\">", "<p a='>'>", "'", '"', "=", "/", "</", "</>", "<>", "<", "<p", "<p ", "<p/ >", "]]",
    "<math xmlns='http://www.w3.org/1998/Math/MathML'><mi>x</mi></math>", "<p ac:name='1' ac:name='2'>", "<p a='1'/ >",
)  # fmt: skip


DAMAGE = (
    "<a>", "</a>", "<b>", "</b>", "</r>", "<br>", "</br>", "<br/>", "<!-- x -->", "<![CDATA[", "]]>", "]]", "&am", "p;", "&#65", "&#0;",
    "&#x41;", "&", "<a b='1'>", "<a b='\"1\"'>", '<a xmlnsx="1">', '<a b="&#65">', "<ac:a>", "</ac:a>", "<ac:plain-text-body>",
    "</ac:plain-text-body>", "</a >", "<a", "\n", "\r", "<a b>", "<x:a>", "</x:a>",
)  # fmt: skip


def made(rng: random.Random) -> str:
    """A body out of pieces, often one that balances."""
    body: list[str] = []
    opened: list[str] = []
    for _ in range(rng.choice((1, 3, 8, 20))):
        kind = rng.random()
        if kind < 0.3:
            name = rng.choice(("p", "td", "ac:link", "ri:user", "at:i", "h1"))
            body.append(f"<{name}>" if rng.random() < 0.7 else f'<{name} a="{rng.choice(PIECES[-60:]).replace(chr(34), "")}">')
            opened.append(name)
        elif kind < 0.5 and opened:
            body.append(f"</{opened.pop()}>")
        else:
            body.append(rng.choice(PIECES))
    return "".join(body) + ("".join(f"</{name}>" for name in reversed(opened)) if rng.random() < 0.9 else "")


def test_bodies_are_read_as_lxml_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred thousand bodies made of tags, entities and damage give the same tree, or are refused by both."""
    asked: list[str] = []
    lxml = lxml_tree.parsed
    monkeypatch.setattr(lxml_tree, "parsed", lambda body: (asked.append(body), lxml(body))[1])
    refused = 0
    for number in range(100_000):
        body = made(random.Random(number))
        wanted = read(lxml, body)
        assert read(parsing.parsed, body) == wanted, repr(body)
        refused += wanted == "not well-formed"
    assert 100_000 - len(asked) > 15_000  # read without lxml's help
    assert refused > 15_000


def test_what_does_not_balance_is_read_as_after_a_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred thousand damaged bodies give the tree of the tags that a repair writes, over 15,000 of them without its help."""
    asked: list[str] = []
    monkeypatch.setattr(mending, "repaired", lambda body: (asked.append(body), repaired(body))[1])
    for number in range(100_000):
        body = made(random.Random(number))
        assert read(mending.mended, body) == read(lambda one: lxml_tree.parsed(repaired(one)), body), repr(body)
    assert 100_000 - len(asked) > 15_000


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from([*"abr &;]>'\"", *DAMAGE]), max_size=12).map("".join))
def test_any_damage_is_read_as_after_a_repair(body: str) -> None:
    """Found by search: tags that are missing, cross or close nothing, entities and sections that dropped tags would join."""
    assert read(mending.mended, body) == read(lambda one: lxml_tree.parsed(repaired(one)), body)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "jira_math_diagrams"])  # MathML declares a namespace: left to lxml
def test_real_pages_are_not_left_to_lxml(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages that people write are read here: what is left to lxml costs twice."""
    wanted = read(lxml_tree.parsed, golden(name).body)
    monkeypatch.setattr(lxml_tree, "parsed", None)
    if wanted != "not well-formed":
        assert read(parsing.parsed, golden(name).body) == wanted


@pytest.mark.parametrize(("length", "left"), [(100, 0), (101, 1)])
def test_names_that_nobody_gives_are_not_remembered(length: int, left: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of each name stays small: a longer one, which may have megabytes, is lxml's to read."""
    asked: list[str] = []
    lxml = lxml_tree.parsed
    monkeypatch.setattr(lxml_tree, "parsed", lambda body: (asked.append(body), lxml(body))[1])
    body = f"<{'n' * length}>text</{'n' * length}>"
    assert read(parsing.parsed, body) == read(lxml, body)
    assert len(asked) == left


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet="<>/&;!-[]CDATA=\"'apcr:i# x1\n", max_size=60))
def test_any_text_is_read_as_lxml_reads_it(body: str) -> None:
    """Found by search rather than by dice: the same tree, or refused by both."""
    assert read(parsing.parsed, body) == read(lxml_tree.parsed, body)


def test_depth_is_no_danger() -> None:
    """Markup as deep as lxml takes it is read, walked and let go without recursion; deeper is refused."""
    for depth in (199, 200, 201, 2000):
        root = parsing.parsed("<p>" * depth + "x" + "</p>" * depth)
        assert element.plain(root) == "x"
        assert len(list(root.iter("p"))) == depth
        assert list(root.itertext()) == ["x"]
    with pytest.raises(lxml_tree.NotWellFormed):
        parsing.parsed("<p>" * 100_000 + "</p>" * 100_000)


def test_an_element_answers_as_lxml_does() -> None:
    """Whatever the converter asks of an element: children, the first of a name, texts, attributes."""
    body = "one<p a='1'>two<b>three</b>four<br/>five</p>six<td/><p>seven</p>"
    ours, theirs = parsing.parsed(body), lxml_tree.parsed(body)
    plain = plain_module("element").plain
    assert element.plain(ours) == plain(theirs) == "onetwothreefour\nfivesixseven"
    assert list(ours.itertext()) == list(theirs.itertext())
    assert [one.tag for one in ours.iter()] == [one.tag for one in theirs.iter()]
    assert [one.tag for one in ours.iter("b", "td")] == [one.tag for one in theirs.iter("b", "td")] == ["b", "td"]
    assert [one.text for one in ours.iterchildren("p")] == [one.text for one in theirs.iterchildren("p")] == ["two", "seven"]
    assert (ours.find("td").tag, ours.find("x"), ours.findtext("p"), ours.findtext("x"), ours.findtext("td")) == (
        "td",
        None,
        "two",
        None,
        "",
    )
    assert (len(ours), ours[0].get("a"), ours[0].get("b"), ours[0].get("b", "2"), len(ours[1])) == (3, "1", None, "2", 0)


def test_adjacent_sections_are_read_in_linear_time() -> None:
    """A body of nothing but small CDATA sections: joining each to those before it would take minutes."""
    assert element.plain(parsing.parsed("<![CDATA[ab]]>" * 300_000)) == "ab" * 300_000


# text


@settings(max_examples=1000, deadline=None)
@given(st.text(alphabet=" \t\n\r\x0b\x1c\x85\xa0\u2003\u3000\u200bab*_[]<~&`\\é日😀\ud800", max_size=12))
def test_characters_are_looked_at_alike(text: str) -> None:
    """What the regular expressions and str.split say of a text, the loops say, too."""
    plain = plain_module("scan")
    assert scan.marked(text) == plain.marked(text)
    assert scan.collapsed(text) == plain.collapsed(text)
    assert scan.whole(text) == plain.whole(text)


def test_the_same_signs_are_escaped() -> None:
    """Two hundred thousand texts of signs, letters of three widths and white space: the loop and the expression agree."""
    plain, rng, changed = plain_module("scan"), random.Random(23), 0
    signs = "\\`*_[]<~&:;(#!?/|{}^.- \n\t\xa0\u2003aZ9é日😀\ud800"
    for _ in range(200_000):
        text = "".join(rng.choice(signs) for _ in range(rng.choice((1, 2, 3, 5, 9))))
        wanted = plain.escaped(text)
        assert scan.escaped(text) == wanted, repr(text)
        changed += wanted != text
    assert changed > 50_000


def test_none_is_refused_where_text_is_wanted() -> None:
    """A compiled function takes what its annotation says: a slip is an error and no crash."""
    for function in (scan.marked, scan.escaped, scan.collapsed, scan.whole, escape.text, escape.paragraph, cl100k.counter(tokens._exact())):
        with pytest.raises((TypeError, AttributeError)):
            function(None)
        with pytest.raises(TypeError):
            function(b"x")


# counting


def test_words_that_are_remembered_count_the_same() -> None:
    """The second time a text is counted, its words are known."""
    counting = cl100k.counter(tokens._exact())
    for _ in range(2):
        assert [counting(text) for text in ("", "hello world", "a.\n\nb", "<|endoftext|>", "漢字かな交じり文", "    return x")] == [
            0,
            2,
            3,
            7,
            9,
            3,
        ]


def test_half_a_character_is_refused_by_both_counters() -> None:
    """They raise the same, which tokens.count knows how to take."""
    for counting in (cl100k.counter(tokens._exact()), tokens._exact()):
        with pytest.raises(UnicodeEncodeError):
            counting("a\ud83d b")
    assert tokens.count("a\ud83d b") == tokens.count("a b")


def test_every_character_is_cut_like_the_encoder_cuts_it() -> None:
    """Letters, digits and spaces are told apart by tables of Unicode, and Python's is of another year than the encoder's."""
    counting, exact = cl100k.counter(tokens._exact()), tokens._exact()
    for code in range(0x110000):
        if not 0xD800 <= code <= 0xDFFF:
            text = "".join((f"a{chr(code)}'s 1{chr(code)}1 {chr(code)}\n", f"'{chr(code)} \t{chr(code)}  {chr(code)}{chr(code)}\r\n "))
            assert counting(text) == exact(text), hex(code)


def test_any_text_counts_like_the_encoder_counts_it() -> None:
    """Words, spaces and characters of all scripts, mixed at random."""
    counting, exact, rng = cl100k.counter(tokens._exact()), tokens._exact(), random.Random(17)
    pools = ((0x20, 0x7E), (0x00, 0x2FF), (0x300, 0x5FF), (0x900, 0xDFF), (0x2000, 0x2FFF), (0x3000, 0x9FFF), (0xE000, 0x33480))
    words = (
        "'s",
        "'LL",
        "'Re",
        "'d",
        "'vE",
        "'",
        " \n",
        "\n ",
        "\r\n",
        "   ",
        "\t",
        "'ſ",
        "ß",
        "1234",
        "<|x|>",
        "\xa0",
        "\u3000",
        "word",
        " '",
    )
    for number in range(200_000):
        low, high = rng.choice(pools if number % 2 else pools[:1])
        text = "".join(rng.choice(words) if rng.random() < 0.6 else chr(rng.randint(low, high)) for _ in range(rng.choice((2, 5, 40))))
        assert counting(text) == exact(text), repr(text)


def test_more_words_than_fit_are_forgotten_not_miscounted() -> None:
    """The table has places for 65,536 words: after a hundred thousand, the first count as they did."""
    counting, exact = cl100k.counter(tokens._exact()), tokens._exact()
    words = [f"{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676 % 26)}{chr(97 + i // 17576)}" for i in range(100_000)]
    assert [counting(word) for word in words] == [exact(word) for word in words]
    assert [counting(word) for word in words[:1000]] == [exact(word) for word in words[:1000]]


# the whole


def test_pages_become_the_same_chunks_compiled_or_not() -> None:
    """The golden pages, the sample space and 3,000 damaged ones: Markdown, counts of what was lost, chunk ids and metadata are equal."""
    plain = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin"}
    told = "import confluence_sync; print(confluence_sync.compiled())"
    assert subprocess.run([sys.executable, "-c", told], env=plain, capture_output=True, text=True, check=True).stdout == "False\n"
    command = [sys.executable, "-m", "tests.conversions", "0", "3000"]
    done = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=True)
    limits = (conversions.Limits(100, 30), conversions.Limits(), conversions.Limits())
    ours = [conversions.line(one, limits[number % 3]) for number, one in enumerate(conversions.pages(0, 3000))]
    assert ours == done.stdout.splitlines()
    assert Path(conversions.to_markdown.__code__.co_filename).is_relative_to(Path(element.__file__).parent)
