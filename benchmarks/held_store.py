"""Storage that holds values as they are: what a decision costs when AWS costs nothing.

It keeps the conditions of every write, and no encoding: that belongs to AWS' side of the bill.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from chalicelib.core.storage import AtVersion, Conflict, Delete, Found, Key, Put, Stored, Write
from chalicelib.core.subject import Subject


class HeldStore:
    """A dictionary; ``reads`` and ``writes`` count the calls that would go to AWS."""

    def __init__(self, held: Iterable[tuple[Key[Any], Any]]) -> None:
        self._lasting = {key: Stored(value, 1) for key, value in held}
        self._items = dict(self._lasting)
        self.reads = 0
        self.writes = 0

    def forget(self) -> None:
        """Drop what decisions wrote, so that a long run measures the same as a short one."""
        self._items = dict(self._lasting)

    def read(self, keys: Sequence[Key[Any]], *, now: int) -> Found:
        """As ``DynamoStore.read``."""
        self.reads += 1
        items = self._items
        return Found({key: items[key] for key in keys if key in items}, now=now)

    def write(self, writes: Sequence[Write], *, now: int) -> None:
        """As ``DynamoStore.write``."""
        self.writes += 1
        failed = [write for write in writes if not self._holds(write, now)]
        if failed:
            raise Conflict(failed)
        for write in writes:
            match write:
                case Put(key, value, _, expires_at):
                    before = self._items.get(key)
                    version = 0 if before is None else before.version
                    self._items[key] = Stored(value, version + 1, expires_at)
                case Delete(key):
                    self._items.pop(key, None)

    def due(self, *, shard: int, now: int, limit: int) -> list[tuple[Subject, int]]:
        """Nothing is ever due here."""
        return []

    def recent_decisions(self, subject_key: str, *, limit: int) -> list[str]:
        """Nobody looks decisions up here."""
        return []

    def _holds(self, write: Write, now: int) -> bool:
        condition = write.condition
        if not isinstance(condition, AtVersion):
            return True
        stored = self._items.get(write.key)
        if stored is None or (stored.expires_at is not None and stored.expires_at <= now):
            return condition.version == 0
        held: bool = stored.version == condition.version
        return held
