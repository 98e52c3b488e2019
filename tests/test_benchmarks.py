"""What the benchmarks write into the documents."""

from __future__ import annotations

from benchmarks.stores import BEGIN, END, with_column


def test_a_column_leaves_the_others_as_they_are() -> None:
    """Stores are measured one by one, on different days: each run makes its own column anew, in the order of the stores."""
    text = f"Before.\n{BEGIN}\n{END}\nAfter."
    for kind, rows in (("milvus", {"load": "3 s"}), ("sqlite", {"load": "1 s", "disk": "5 MB"}), ("milvus", {"load": "2 s"})):
        text = with_column(text, kind, rows)
    table = "| | sqlite | milvus |\n|---|---|---|\n| load | 1 s | 2 s |\n| disk | 5 MB |  |"
    assert text == f"Before.\n{BEGIN}\n{table}\n{END}\nAfter."
