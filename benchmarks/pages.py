"""Makes large spaces out of the bundled sample space: every page is a few of its sections, varied so that no two are the same."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Iterator
from pathlib import Path

from confluence_sync.simulator.sample import SAMPLE

HEADING = re.compile(r"(?=<h[1-3][ >])")
MEDIAN, SIGMA = 9500, 0.85  # bytes of storage format, log-normal: about 14 KB on average


def write_space(file: Path, pages: int, seed: int = 1, median: int = MEDIAN) -> int:
    """Writes `pages` content objects as JSON lines; gives the bytes of storage format in them."""
    parts, total = sections(), 0
    with file.open("w", encoding="utf-8") as out:
        for number in range(pages):
            made = body(random.Random(f"{seed}/{number}"), parts, number, median)
            total += len(made.encode())
            out.write(json.dumps(content(number, made), ensure_ascii=False) + "\n")
    return total


def edited(content: dict[str, object]) -> str:
    """The body with one word more in its first paragraph."""
    text = content["body"]["storage"]["value"]  # type: ignore[index]  # our own shape
    return re.sub(r"<p>(?=\w)", "<p>Today ", text, count=1)


def contents(file: Path) -> Iterator[dict[str, object]]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def sections() -> list[str]:
    """Sections that stand by themselves: those in which tags balance."""
    found = []
    for line in SAMPLE.read_text(encoding="utf-8").splitlines():
        text = json.loads(line)["body"]["storage"]["value"]
        found += [part for part in HEADING.split(text) if len(part) > 200 and _balanced(part)]
    return found


def _balanced(part: str) -> bool:
    bare = re.sub(r"<!\[CDATA\[.*?\]\]>", "", part, flags=re.S)
    opened = re.findall(r"<([a-zA-Z][\w:-]*)(?:\s[^<>]*)?(?<!/)>", bare)
    closed = re.findall(r"</([a-zA-Z][\w:-]*)>", bare)
    return sorted(opened) == sorted(closed)


def body(rng: random.Random, sections: list[str], number: int, median: int) -> str:
    """A page of log-normal size around `median` bytes; its first paragraph says which page it is."""
    target, parts, size = math.exp(rng.gauss(math.log(median), SIGMA)), [f"<p>Reference {number} of the catalogue.</p>"], 0
    while size < min(target, 400_000):
        part = rng.choice(sections).replace("</p>", f" (case {number}-{len(parts)})</p>", 1)
        parts.append(re.sub(r"(?<=[ >])\d{2,5}(?=[ <.,])", lambda m: str(rng.randrange(10, 99999)), part))
        size += len(parts[-1])
    return "".join(parts)


def page_id(number: int) -> str:
    return str(10_000_000 + number)


def content(number: int, body: str) -> dict[str, object]:
    """A v1 content object."""
    parent = [] if number == 0 else [{"id": page_id(number // 12), "type": "page", "title": f"Case {number // 12}"}]
    labels = [{"prefix": "global", "name": name} for name in ("runbook", "database", "network")[: number % 4]]
    return {
        "id": page_id(number),
        "type": "page",
        "status": "current",
        "title": f"Case {number}",
        "space": {"key": "BENCH", "name": "Bench", "type": "global"},
        "version": {"number": 1 + number % 7, "when": f"2026-{1 + number % 12:02}-{1 + number % 28:02}T03:00:00.000Z"},
        "ancestors": parent,
        "metadata": {"labels": {"results": labels}},
        "body": {"storage": {"value": body, "representation": "storage"}},
        "_links": {"webui": f"/spaces/BENCH/pages/{page_id(number)}"},
    }
