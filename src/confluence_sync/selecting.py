"""Which pages of a spooled listing lie inside the scope (a folder, labels), and what labels they carry now."""

from __future__ import annotations

from collections.abc import Mapping

from confluence_sync.errors import SettingsError
from confluence_sync.model import LABELS_UNKNOWN, Scope, batched, plain_text
from confluence_sync.source.base import BULK, Source
from confluence_sync.state import State


def keep_below(state: State, source: Source, key: str, folder_id: str) -> None:
    """Keeps the pages below a page or folder. Parents that the listing does not show (folders) are asked for once each."""
    parents = {str(i): str(p) for i, p in state.database.rows("select page_id, parent_id from listing where scope = ?", [key])}
    for page_id, parent in list(parents.items()):
        if parent and parent != folder_id and parent not in parents:
            chain = [*source.ancestors(page_id), page_id]
            parents.update(zip(chain[1:], chain, strict=False))
            parents.setdefault(chain[0], "")
    if folder_id not in parents and folder_id not in parents.values() and not source.exists(folder_id):
        raise SettingsError(
            f"FILTER_FOLDER_ID: no page or folder {folder_id} is visible to this account, so nothing lies below it; "
            "open the folder in Confluence and copy the number in its address"
        )
    outside = [page_id for page_id in parents if not _is_below(page_id, folder_id, parents)]
    _put_outside(state, key, outside)


def _is_below(page_id: str, folder_id: str, parents: dict[str, str]) -> bool:
    seen: set[str] = set()
    while page_id and page_id not in seen:
        seen.add(page_id)
        page_id = parents.get(page_id, "")
        if page_id == folder_id:
            return True
    return False


def keep_labelled(state: State, source: Source, key: str, scope: Scope) -> None:
    labelled = {page_id for batch in source.labelled(scope.space, scope.labels) for page_id in batch}
    listed = [str(row[0]) for row in state.database.rows("select page_id from listing where scope = ? and inside = 1", [key])]
    _put_outside(state, key, [page_id for page_id in listed if page_id not in labelled])


def _put_outside(state: State, key: str, page_ids: list[str]) -> None:
    with state.database.transaction():
        state.database.run_many("update listing set inside = 0 where scope = ? and page_id = ?", [(key, i) for i in page_ids])


def note_labels(state: State, source: Source, key: str, scope: Scope) -> None:
    for batch in source.labels_of_space(scope.space):
        _put_labels(state, key, batch)


UNLABELLED = """select e.page_id from entry e join listing l on l.scope = e.scope and l.page_id = e.page_id
where e.scope = ? and e.labels = ? and l.inside = 1 order by e.page_id"""


def note_unknown_labels(state: State, source: Source, key: str) -> None:
    """Asks again for labels that an earlier run was not given: a request or two where they are still not to be had."""
    unlabelled = [str(row[0]) for row in state.database.rows(UNLABELLED, [key, LABELS_UNKNOWN])]
    for some in batched(unlabelled, BULK):
        found = source.labels(some)
        if not found:
            return
        _put_labels(state, key, found)


def _put_labels(state: State, key: str, found: Mapping[str, tuple[str, ...]]) -> None:
    with state.database.transaction():
        rows = [(plain_text(",".join(labels)), key, page_id) for page_id, labels in found.items()]
        state.database.run_many("update listing set labels = ? where scope = ? and page_id = ?", rows)
