"""What the benchmarks write into the documents."""

from __future__ import annotations

from pathlib import Path

from benchmarks.document import rows_of, table, write_section
from benchmarks.stores import BEGIN, END, with_column


def test_a_column_leaves_the_others_as_they_are() -> None:
    """Stores are measured one by one, on different days: each run makes its own column anew, in the order of the stores."""
    text = f"Before.\n{BEGIN}\n{END}\nAfter."
    for kind, rows in (("milvus", {"load": "3 s"}), ("sqlite", {"load": "1 s", "disk": "5 MB"}), ("milvus", {"load": "2 s"})):
        text = with_column(text, kind, rows)
    table = "| | sqlite | milvus |\n|---|---|---|\n| load | 1 s | 2 s |\n| disk | 5 MB |  |"
    assert text == f"Before.\n{BEGIN}\n{table}\n{END}\nAfter."


def test_a_row_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    """What was measured before is found again by its first cell, in this section alone; a section that is not there has no rows."""
    document = tmp_path / "benchmarks.md"
    document.write_text("# Benchmarks\n\n## Other\n\n| a | b |\n| --- | --- |\n| x | 1 |\n")
    assert rows_of("Sending", document) == {}
    write_section("Sending", table(("store", "ms"), [["dash", "3"], ["pgvector", "4"]]), document)
    assert rows_of("Sending", document) == {"dash": ["dash", "3"], "pgvector": ["pgvector", "4"]}
    assert rows_of("Other", document) == {"x": ["x", "1"]}
