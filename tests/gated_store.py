"""A store behind a gate, whole: every call of any kind is one numbered call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from chalicelib.core.storage import Found, Key, Write
from chalicelib.core.subject import Subject
from chalicelib.flows.read import Library
from tests.gate import Gate


@dataclass(frozen=True, slots=True)
class GatedStore:
    """The same store, behind this gate."""

    gate: Gate
    store: Library

    def read(self, keys: Sequence[Key[Any]], *, now: int) -> Found:
        """As ``Store.read``."""
        found: Found = self.gate.call("read", lambda: self.store.read(keys, now=now))
        return found

    def write(self, writes: Sequence[Write], *, now: int) -> None:
        """As ``Store.write``."""
        self.gate.call("write", lambda: self.store.write(writes, now=now))

    def due(self, *, shard: int, now: int, limit: int) -> list[tuple[Subject, int]]:
        """As ``Store.due``."""
        due: list[tuple[Subject, int]] = self.gate.call(
            "due", lambda: self.store.due(shard=shard, now=now, limit=limit)
        )
        return due

    def recent_decisions(self, subject_key: str, *, limit: int) -> list[str]:
        """As ``DecisionIndex.recent_decisions``."""
        ids: list[str] = self.gate.call(
            "recent_decisions", lambda: self.store.recent_decisions(subject_key, limit=limit)
        )
        return ids

    def belongings(
        self, subject_key: str, *, table: Literal["profiles", "effects"]
    ) -> list[Key[Any]]:
        """As ``Library.belongings``."""
        keys: list[Key[Any]] = self.gate.call(
            "belongings", lambda: self.store.belongings(subject_key, table=table)
        )
        return keys
