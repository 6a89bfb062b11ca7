"""Storage as a checkout sees it: the plain interface, and one deadline behind every call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from chalicelib.aws.deadline import Deadline
from chalicelib.aws.store import DynamoStore
from chalicelib.core.storage import Found, Key, Write
from chalicelib.core.subject import Subject


@dataclass(frozen=True, slots=True)
class StoreWithin:
    """Storage for one checkout: every call within the one deadline."""

    store: DynamoStore
    deadline: Deadline

    def read(self, keys: Sequence[Key[Any]], *, now: int) -> Found:
        """As ``DynamoStore.read``."""
        return self.store.read(keys, now=now, deadline=self.deadline)

    def write(self, writes: Sequence[Write], *, now: int) -> None:
        """As ``DynamoStore.write``."""
        self.store.write(writes, now=now, deadline=self.deadline)

    def due(self, *, shard: int, now: int, limit: int) -> list[tuple[Subject, int]]:
        """As ``DynamoStore.due``, which nobody asks in a hurry."""
        return self.store.due(shard=shard, now=now, limit=limit)

    def recent_decisions(self, subject_key: str, *, limit: int) -> list[str]:
        """As ``DynamoStore.recent_decisions``, which nobody asks in a hurry."""
        return self.store.recent_decisions(subject_key, limit=limit)

    def belongings(
        self, subject_key: str, *, table: Literal["profiles", "effects"]
    ) -> list[Key[Any]]:
        """As ``DynamoStore.belongings``, which nobody asks in a hurry."""
        return self.store.belongings(subject_key, table=table)

    def members(self, group: str, *, limit: int) -> list[tuple[Subject, int]]:
        """As ``DynamoStore.members``, which nobody asks in a hurry."""
        return self.store.members(group, limit=limit)

    def listed(self, *, under: str, before: str | None, limit: int) -> list[str]:
        """As ``DynamoStore.listed``, which nobody asks in a hurry."""
        return self.store.listed(under=under, before=before, limit=limit)

    def recent_drops(self, *, before: str | None, limit: int) -> list[str]:
        """As ``DynamoStore.recent_drops``, which nobody asks in a hurry."""
        return self.store.recent_drops(before=before, limit=limit)
