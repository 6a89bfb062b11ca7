"""Storage that holds values as they are: what a decision costs when AWS costs nothing.

It keeps the conditions of every write, and no encoding: that belongs to AWS' side of the bill.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from chalicelib.core.storage import AtVersion, Conflict, Found, Key, Kind, Stored, Write
from chalicelib.core.subject import Subject


class HeldStore:
    """A dictionary; ``reads`` and ``writes`` count the calls that would go to AWS."""

    def __init__(self, held: Iterable[tuple[Key[Any], Any]]) -> None:
        self._items = {key: Stored(value, 1) for key, value in held}
        self.reads = 0
        self.writes = 0

    def read(self, keys: Sequence[Key[Any]], *, now: int) -> Found:
        """As ``DynamoStore.read``."""
        self.reads += 1
        items = self._items
        return Found({key: items[key] for key in keys if key in items}, now=now)

    def write(self, writes: Sequence[Write], *, now: int) -> None:
        """As ``DynamoStore.write``, except that nothing of it stays: it has gone to AWS."""
        self.writes += 1
        items = self._items
        failed = [w for w in writes if w.key in items and not _holds(w, items[w.key], now)]
        if failed:
            raise Conflict(failed)

    def due(self, *, shard: int, now: int, limit: int) -> list[tuple[Subject, int]]:
        """Nothing is ever due here."""
        return []

    def recent_decisions(self, subject_key: str, *, limit: int) -> list[str]:
        """Nobody looks decisions up here."""
        return []

    def belongings(
        self, subject_key: str, *, table: Literal["profiles", "effects"]
    ) -> list[Key[Any]]:
        """Nobody asks for their data here."""
        return []

    def members(self, group: str, *, limit: int) -> list[tuple[Subject, int]]:
        """Nobody asks who belongs together here."""
        return []

    def count_group(self, group: str) -> int:
        """Nobody is in any group here."""
        return 0

    def overdue(self, kind: Kind[Any], *, shard: str, now: int, limit: int) -> list[str]:
        """Nothing ever stands still here."""
        return []

    def listed(self, *, under: str, before: str | None, limit: int) -> list[str]:
        """Nobody lists mails here."""
        return []

    def recent_drops(self, *, before: str | None, limit: int) -> list[str]:
        """Nor drops."""
        return []


def _holds(write: Write, stored: Stored[Any], now: int) -> bool:
    condition = write.condition
    if not isinstance(condition, AtVersion):
        return True
    if stored.expires_at is not None and stored.expires_at <= now:
        return condition.version == 0
    held: bool = stored.version == condition.version
    return held
