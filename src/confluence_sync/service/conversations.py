"""What was asked and answered, by session and key: kept in the service's file, so that it survives a restart and can be cleared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from confluence_sync.answer import Source, Turn
from confluence_sync.service.shapes import source_body
from confluence_sync.service_file import ServiceFile

MOST_TURNS = 200  # of one session; older ones go
NOT_KEPT = ("", "default")  # sessions that would be shared by everybody who names none


@dataclass(frozen=True, slots=True)
class Conversations:
    """The conversations of every caller; a caller sees only their own."""

    file: ServiceFile
    kept: bool = True

    def turns(self, owner: str, session: str, last: int = 12) -> tuple[Turn, ...]:
        """The last turns, oldest first."""
        rows = self._rows(owner, session, last)
        return tuple(Turn(str(role), str(content)) for role, content, _, _ in rows)

    def as_json(self, owner: str, session: str) -> list[dict[str, object]]:
        """Everything of one session, as the page shows it."""
        rows = self._rows(owner, session, MOST_TURNS)
        return [{"role": role, "content": content, "sources": json.loads(str(sources)), "at": at} for role, content, sources, at in rows]

    def add(self, owner: str, session: str, question: str, answer: str, sources: Sequence[Source]) -> None:
        if not self.kept or session in NOT_KEPT:
            return
        at = datetime.now(UTC).isoformat(timespec="seconds")
        shown = json.dumps([source_body(source) for source in sources])
        with self.file.writing() as connection:
            connection.executemany(
                "INSERT INTO turns (owner, session, role, content, sources, at) VALUES (?, ?, ?, ?, ?, ?)",
                [(owner, session, "user", question, "[]", at), (owner, session, "assistant", answer, shown, at)],
            )
            connection.execute(
                "DELETE FROM turns WHERE owner = ? AND session = ? AND number NOT IN "
                "(SELECT number FROM turns WHERE owner = ? AND session = ? ORDER BY number DESC LIMIT ?)",
                (owner, session, owner, session, MOST_TURNS),
            )

    def clear(self, owner: str, session: str) -> int:
        """How many turns went; an empty session means all of this caller's."""
        with self.file.writing() as connection:
            if session:
                return connection.execute("DELETE FROM turns WHERE owner = ? AND session = ?", (owner, session)).rowcount
            return connection.execute("DELETE FROM turns WHERE owner = ?", (owner,)).rowcount

    def _rows(self, owner: str, session: str, last: int) -> list[tuple[object, object, object, object]]:
        if not self.kept or session in NOT_KEPT:
            return []
        rows = self.file.mine().execute(
            "SELECT role, content, sources, at FROM turns WHERE owner = ? AND session = ? ORDER BY number DESC LIMIT ?",
            (owner, session, last),
        )
        return list(reversed(rows.fetchall()))
