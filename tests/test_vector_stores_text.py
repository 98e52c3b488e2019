"""How chunks survive as files on servers that flatten Markdown, guess charsets and limit attributes."""

from dataclasses import replace

import pytest

from confluence_sync.stores.vector_stores_text import attributes, decoded, encoded, pinned, read_attributes
from tests.store_contract import DISK, chunk

AWKWARD = (
    "plain",
    "  two before\n\tand a tab\n\n\n\ttabs\tinside\t\n",
    "```python\nif x < 3:\n\n        return  x\n```",
    "hard break  \nnext   three\n \n",
    "\t\n \t mixed",
)


def flatten(text: str) -> str:
    """What OGX 1.5 does with a file's text unless it is told not to."""
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.split("\n"))))


@pytest.mark.parametrize("text", AWKWARD)
def test_pinned_text_survives_flattening(text: str) -> None:
    """Indentation, blank lines, tabs and runs of spaces come back after the server has flattened the file."""
    stored = flatten(encoded(chunk("1", text), flattens=True).decode())
    assert decoded(stored) == text


@pytest.mark.parametrize("text", AWKWARD)
def test_text_that_nobody_flattens_comes_back(text: str) -> None:
    """Without pins the text is stored as it is, but for the mark at its end."""
    assert decoded(encoded(chunk("1", text), flattens=False).decode()) == text


def test_pins_cost_nothing_where_nothing_would_be_lost() -> None:
    """Ordinary prose is not touched."""
    assert pinned("One line.\nAnother one.") == "One line.\nAnother one."


def test_equal_texts_of_two_pages_are_two_files() -> None:
    """Some providers give equal texts one id, so that deleting one page takes the other's chunk."""
    assert encoded(chunk("1", "same"), flattens=False) != encoded(chunk("2", "same"), flattens=False)


def test_attributes_keep_within_the_strictest_limits() -> None:
    """At most 16 scalars of at most 512 characters; an address that is too long loses its anchor, not its page."""
    url = "https://example.atlassian.net/wiki/spaces/K/pages/1"
    long = replace(DISK, metadata=DISK.metadata._replace(title="t" * 600, url=f"{url}#{'a' * 600}", labels=("x", "y")))
    values = attributes(long)
    assert len(values) <= 16
    assert all(isinstance(v, (str, int, float, bool)) for v in values.values())
    assert max(len(v) for v in values.values() if isinstance(v, str)) == 512
    assert values["url"] == url


def test_attributes_come_back_as_metadata() -> None:
    """Numbers that the server turned to floats and joined labels are read as they were."""
    returned = {key: float(value) if isinstance(value, int) else value for key, value in attributes(DISK).items()}
    assert read_attributes(returned) == (DISK.id, DISK.metadata)


def test_a_file_of_somebody_else_is_known_as_such() -> None:
    """Attributes without ours give no id and no metadata."""
    assert read_attributes({"title": "theirs", "tags": ["a"]}) == ("", None)
