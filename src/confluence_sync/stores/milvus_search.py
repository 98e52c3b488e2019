"""How Milvus is asked for the nearest rows: by its index, and exactly where a filter leaves so few that the index misses them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

from confluence_sync.model import Filter
from confluence_sync.stores.milvus_layout import ABOUT, PATIENCE, WHERE_THE_WORDS_ARE, Client, Fields, expression

MOST_COMPARED = 4000  # rows that are fetched with their vectors: 6 MB with 384 numbers each
PAUSES = (0.01, 0.05, 0.2, 0.5, 1.0)  # seconds to wait for rows that are being put away

Scored = list[tuple[str, float]]


def nearest(client: Client, name: str, asked: object, column: str, limit: int, where: Filter) -> Scored:
    """(chunk id, score), best first, of at most `limit` rows; `asked` is a vector, or words for the keyword index."""
    (found,) = client.search(
        name,
        [asked],
        anns_field=column,
        limit=limit,
        filter=expression(where),
        search_params={"metric_type": "BM25" if column == WHERE_THE_WORDS_ARE else "COSINE"},
        output_fields=["chunk"],
        consistency_level="Strong",
        timeout=PATIENCE,
    )
    scored = [(str(cast(Fields, each["entity"])["chunk"]), float(str(each["distance"]))) for each in found]
    return [pair for pair in scored if pair[0]]


def exactly(client: Client, name: str, vector: Sequence[float], where: Filter) -> Scored:
    """(chunk id, cosine), best first, of every row that the filter leaves, compared here.

    Milvus's index over rows that it has not yet put away looks at the nearest few clusters only and filters then: where few rows are
    left, most of them are not found (2.3.5: those of two pages of eight).
    """
    rows = client.query(name, expression(where), ["chunk", "vector"], PATIENCE, consistency_level="Strong", limit=MOST_COMPARED)
    found = [row for row in rows if row["chunk"]]
    if not found:
        return []
    import numpy as np

    scores = np.array([floats(row["vector"]) for row in found]) @ np.array(vector)
    return [(str(found[i]["chunk"]), float(scores[i])) for i in np.argsort(-scores, kind="stable")]


def settled_down(client: Client, name: str) -> bool:
    """Whether a collection that answered with nothing is whole, now or soon; False when it went, where no error told so.

    One that is dropped answers with nothing for a moment, and only then with an error; and while Milvus Lite puts rows away, those
    written last are in neither place. The row about the collection is written with every change: where it is, the others are.
    """
    for pause in PAUSES:
        if client.query(name, f'id == "{ABOUT}"', ["part"], PATIENCE, consistency_level="Strong"):
            return True
        time.sleep(pause)
    return False


def floats(vector: object) -> list[float]:
    return [float(x) for x in cast("Sequence[float]", vector)]
