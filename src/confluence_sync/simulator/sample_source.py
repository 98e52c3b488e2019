"""Makes known_issues.jsonl from the readable pages in data/space: `python -m confluence_sync.simulator.sample_source`.

A file holds several pages. One begins with
    === ID < PARENT | Title | label, label | vN CREATED UPDATED author [status]
and goes on in storage format, for which there are a few shorthands: headings with #, lists with - and 1., tables with |,
tasks with [ ] and [x], entries of the alert catalogue with (alert), code between ``` fences, `code`, **strong**,
[[Page title|text]], {@person}, {!STATUS colour}, and macros with a body between (!name key=value) and (!).
A block that begins with < is taken as it stands.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

DATA = Path(__file__).parent / "data"
PEOPLE = {
    "mira": "Mira Okafor",
    "jonas": "Jonas Weiss",
    "aiko": "Aiko Tanaka",
    "camille": "Camille Laurent",
    "ravi": "Ravi Menon",
    "sofia": "Sofia Lindqvist",
}
SPACE = {"id": 724500001, "key": "KNOWN", "name": "Known Issues", "type": "global", "status": "current"}
HEAD = re.compile(r"^=== (\d+) < (\d*) \| (.+?) \| (.*?) \| v(\d+) (\S+) (\S+) (\w+) ?(\w*)$", re.MULTILINE)
HEARS = {
    "page": "the person on call, by telephone",
    "ticket": "the owning team, as a ticket in the morning",
    "info": "nobody; shown on the dashboard",
}
Page = dict[str, object]


def account(person: str) -> str:
    return f"712020:{sorted(PEOPLE).index(person) + 1:08d}-4b7e-4d1f-8a52-known-issues"


def code(language: str, text: str) -> str:
    kind = f'<ac:parameter ac:name="language">{language}</ac:parameter>' if language else ""
    safe = text.replace("]]>", "]]]]><![CDATA[>")
    name = "noformat" if not language else "code"
    return f'<ac:structured-macro ac:name="{name}">{kind}<ac:plain-text-body><![CDATA[{safe}]]></ac:plain-text-body></ac:structured-macro>'


def page_link(found: re.Match[str]) -> str:
    title, _, text = found[1].partition("|")
    title, _, anchor = title.partition("#")
    at = f' ac:anchor="{html.escape(anchor)}"' if anchor else ""
    words = f"<ac:link-body>{text}</ac:link-body>" if text else ""
    return f'<ac:link{at}><ri:page ri:content-title="{html.escape(title)}" />{words}</ac:link>'


def status(found: re.Match[str]) -> str:
    colour = f'<ac:parameter ac:name="colour">{found[2]}</ac:parameter>'
    return f'<ac:structured-macro ac:name="status">{colour}<ac:parameter ac:name="title">{found[1]}</ac:parameter></ac:structured-macro>'


INLINE: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"`([^`]+)`"), lambda found: f"<code>{html.escape(found[1], quote=False)}</code>"),
    (re.compile(r"\*\*([^*]+)\*\*"), lambda found: f"<strong>{found[1]}</strong>"),
    (re.compile(r"\[\[([^\]]+)\]\]"), page_link),
    (re.compile(r"\{@(\w+)\}"), lambda found: f'<ac:link><ri:user ri:account-id="{account(found[1])}" /></ac:link>'),
    (re.compile(r"\{!([^}]+?) (\w+)\}"), status),
)


def inline(text: str) -> str:
    for pattern, made in INLINE:
        text = pattern.sub(made, text)
    return text


def storage(source: str) -> str:
    """The storage format of one page's source."""
    return "".join(block(part) for part in parts(source))


def parts(source: str) -> Iterator[str]:
    """The blocks of a source: separated by blank lines, with fences and raw elements kept whole."""
    held: list[str] = []
    fenced = False
    for line in [*source.split("\n"), ""]:
        fenced ^= line.startswith("```")
        if line.strip() or fenced:
            held.append(line)
        elif held:
            yield "\n".join(held)
            held = []


def block(text: str) -> str:
    first = text.split("\n", 1)[0]
    if first.startswith("<"):
        return text
    if first.startswith("```"):
        return code(first[3:].strip(), text.split("\n", 1)[1].rsplit("\n```", 1)[0])
    if first.startswith("(!"):
        return macro(first)
    if first.startswith("#"):
        level = len(first) - len(first.lstrip("#"))
        return f"<h{level}>{inline(first[level:].strip())}</h{level}>"
    if first.startswith("(alert) "):
        return "".join(alert(line) for line in text.split("\n"))
    if first.startswith("|"):
        return table(text.split("\n"))
    if re.match(r"\[[ x]\] ", first):
        return tasks(text.split("\n"))
    if re.match(r"(- |\d+\. )", first):
        return items(text.split("\n"))
    return f"<p>{inline(text.replace(chr(10), ' '))}</p>"


def macro(line: str) -> str:
    """(!info title=Words to show) opens a macro with a body, (!) closes it."""
    if line == "(!)":
        return "</ac:rich-text-body></ac:structured-macro>"
    name, _, rest = line[2:-1].partition(" ")
    given = [part.partition("=") for part in rest.split("; ") if part]
    parameters = "".join(f'<ac:parameter ac:name="{key}">{value}</ac:parameter>' for key, _, value in given)
    return f'<ac:structured-macro ac:name="{name}">{parameters}<ac:rich-text-body>'


def alert(line: str) -> str:
    """One entry of the alert catalogue: (alert) name ; severity ; for ; expression ; meaning ; first step ; page with the cure."""
    name, severity, lasting, expression, meaning, step, cure = line.removeprefix("(alert) ").split(" ; ")
    colour = {"page": "Red", "ticket": "Yellow", "info": "Blue"}[severity]
    where = f"[[{cure}]]" if cure != "-" else "no page yet; write one when it fires twice"
    return "".join(
        [
            f'<h3><ac:structured-macro ac:name="anchor"><ac:parameter ac:name="">{name}</ac:parameter></ac:structured-macro>{name}</h3>',
            inline(f"<p>{{!{severity.upper()} {colour}}} {meaning}</p>"),
            code("text", expression),
            table(
                [
                    "| Must hold for | Who hears of it | First step | Page with the cure |",
                    f"| {lasting} | {HEARS[severity]} | {step} | {where} |",
                ]
            ),
        ]
    )


def table(lines: list[str]) -> str:
    rows = [line.strip().removeprefix("| ").removesuffix(" |").split(" | ") for line in lines]
    head = "".join(f"<th><p>{inline(cell)}</p></th>" for cell in rows[0])
    body = "".join("<tr>" + "".join(f"<td><p>{inline(cell)}</p></td>" for cell in row) + "</tr>" for row in rows[1:])
    return f"<table><tbody><tr>{head}</tr>{body}</tbody></table>"


def tasks(lines: list[str]) -> str:
    made = [
        f"<ac:task><ac:task-id>{number}</ac:task-id><ac:task-status>{'complete' if line[1] == 'x' else 'incomplete'}</ac:task-status>"
        f"<ac:task-body><span>{inline(line[4:])}</span></ac:task-body></ac:task>"
        for number, line in enumerate(lines, 1)
    ]
    return f"<ac:task-list>{''.join(made)}</ac:task-list>"


def items(lines: list[str]) -> str:
    """A list; lines indented by two spaces make a list inside the item before them."""
    kind = "ul" if lines[0].startswith("- ") else "ol"
    made: list[str] = []
    while lines:
        words = re.sub(r"^(- |\d+\. )", "", lines[0])
        inner = next((n for n, line in enumerate(lines[1:], 1) if not line.startswith("  ")), len(lines))
        below = items([line[2:] for line in lines[1:inner]]) if inner > 1 else ""
        made.append(f"<li><p>{inline(words)}</p>{below}</li>")
        lines = lines[inner:]
    return f"<{kind}>{''.join(made)}</{kind}>"


def pages(source: str) -> Iterator[Page]:
    """The pages of one file, without their ancestors."""
    heads = list(HEAD.finditer(source))
    for head, after in zip(heads, [*heads[1:], None], strict=True):
        body = source[head.end() : after.start() if after else len(source)].strip()
        yield page(head, storage(body) if body else "")


def page(head: re.Match[str], body: str) -> Page:
    number, parent, title, labels, version, created, updated, person, state = head.groups()
    by = {"type": "known", "accountId": account(person), "accountType": "atlassian", "displayName": PEOPLE[person], "email": ""}
    names = [name.strip() for name in labels.split(",") if name.strip()]
    made = {"results": [{"prefix": "global", "name": name, "id": str(9000 + len(name)), "label": name} for name in names]}
    return {
        "id": number,
        "type": "page",
        "status": state or "current",
        "title": title,
        "space": SPACE,
        "history": {"latest": True, "createdBy": by, "createdDate": f"{created}T09:00:00.000Z"},
        "version": {"by": by, "when": f"{updated}:00.000Z", "number": int(version), "minorEdit": False},
        "ancestors": [parent],
        "metadata": {"labels": made},
        "extensions": {"position": int(number) % 1000},
        "body": {"storage": {"value": body, "representation": "storage"}},
    }


def with_ancestors(found: dict[str, Page]) -> Iterator[Page]:
    for thing in found.values():
        chain: list[Page] = []
        above = parent_of(thing)
        while above:
            chain.insert(0, {"id": above, "type": "page", "status": "current", "title": found[above]["title"]})
            above = parent_of(found[above])
        yield {**thing, "ancestors": chain}


def parent_of(thing: Page) -> str:
    above = thing["ancestors"]
    return str(above[0]) if isinstance(above, list) else ""


def build() -> str:
    """The JSONL of the whole sample space."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((DATA / "space").glob("*.txt"))]
    found = {str(thing["id"]): thing for text in texts for thing in pages(text)}
    return "".join(json.dumps(thing, ensure_ascii=False) + "\n" for thing in with_ancestors(found))


if __name__ == "__main__":
    (DATA / "known_issues.jsonl").write_text(build(), encoding="utf-8")
