"""The world in memory, with every call that is swept made on a real DynamoDB as well.

Both must answer alike, call by call: the same values at the same versions, the same races lost.
So what the sweep shows on memory holds on what the twin was compared with. Calls that are not
numbered only write there, since looking changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from chalicelib.aws.items import item_of, key_of
from chalicelib.aws.store import DynamoStore
from chalicelib.core.storage import Conflict, Found, Key, Kind, Put, Table, Write
from chalicelib.core.subject import Subject
from tests.crash.gate import FaultGate
from tests.crash.watched import WatchedStore

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

MOST_AT_ONCE = 25  # of one BatchWriteItem


class RealTables:
    """Tables of DynamoDB, and what of a run's things stands in them."""

    def __init__(
        self, client: DynamoDBClient, tables: Mapping[Table, str], store: DynamoStore
    ) -> None:
        self.store = store
        self.calls = 0
        self._client, self._tables = client, tables
        self._there: set[Key[Any]] = set()

    def begin(self, rows: Mapping[Key[Any], Any]) -> None:
        """Make the tables hold these rows and nothing else."""
        requests: list[tuple[str, Any]] = [
            (self._tables[key.kind.table], {"DeleteRequest": {"Key": key_of(key)}})
            for key in self._there - rows.keys()
        ]
        for key, (value, version, expires_at) in rows.items():
            item = item_of(Put(key, value, expires_at=expires_at), version=version)
            requests.append((self._tables[key.kind.table], {"PutRequest": {"Item": item}}))
        for start in range(0, len(requests), MOST_AT_ONCE):
            self._write(requests[start : start + MOST_AT_ONCE])
        self._there = set(rows)

    def _write(self, requests: Sequence[tuple[str, Any]]) -> None:
        by_table: dict[str, list[Any]] = {}
        for table, request in requests:
            by_table.setdefault(table, []).append(request)
        answer = self._client.batch_write_item(RequestItems=by_table)
        assert answer["UnprocessedItems"] == {}

    def remember(self, writes: Sequence[Write]) -> None:
        """Note what a write may have put there."""
        self._there |= {write.key for write in writes}


class TwinStore(WatchedStore):
    """Memory, and real tables beside it.

    Attributes:
        gate: numbers the calls that are compared.
        disagreements: calls that the two answered differently.
    """

    def __init__(self, real: RealTables) -> None:
        super().__init__()
        self._real = real
        self.gate: FaultGate | None = None
        self.disagreements: list[str] = []

    def begin(self, gate: FaultGate) -> None:
        """Bring the real tables to what stands in memory."""
        self.gate = gate
        stored = {key: (row.version, row.expires_at) for key, row in self._rows.items()}
        values = self.values()
        self._real.begin({key: (values[key], *stored[key]) for key in values})

    def read(self, keys: Sequence[Key[Any]], *, now: int, deadline: Any = None) -> Found:
        """As ``MemoryStore.read``."""
        found = super().read(keys, now=now, deadline=deadline)
        if self._is_swept:
            real = self._real.store.read(keys, now=now)
            self._real.calls += 1
            for key in keys:
                self._same(f"read of {key.kind.name}", found.stored(key), real.stored(key))
        return found

    def write(self, writes: Sequence[Write], *, now: int, deadline: Any = None) -> None:
        """As ``MemoryStore.write``."""
        self._real.remember(writes)
        self._real.calls += 1
        lost = _lost(lambda: self._real.store.write(writes, now=now))
        try:
            super().write(writes, now=now, deadline=deadline)
        except Conflict as conflict:
            self._same("write", {write.key for write in conflict.failed}, lost)
            raise
        self._same("write", None, lost)

    def due(self, *, shard: int, now: int, limit: int) -> list[tuple[Subject, int]]:
        """As ``MemoryStore.due``."""
        found = super().due(shard=shard, now=now, limit=limit)
        self._compare("due", found, lambda: self._real.store.due(shard=shard, now=now, limit=limit))
        return found

    def overdue(self, kind: Kind[Any], *, shard: str, now: int, limit: int) -> list[str]:
        """As ``MemoryStore.overdue``."""
        found = super().overdue(kind, shard=shard, now=now, limit=limit)
        store = self._real.store
        self._compare(
            "overdue", found, lambda: store.overdue(kind, shard=shard, now=now, limit=limit)
        )
        return found

    def recent_decisions(self, subject_key: str, *, limit: int) -> list[str]:
        """As ``MemoryStore.recent_decisions``."""
        found = super().recent_decisions(subject_key, limit=limit)
        store = self._real.store
        self._compare(
            "recent_decisions", found, lambda: store.recent_decisions(subject_key, limit=limit)
        )
        return found

    def belongings(
        self, subject_key: str, *, table: Literal["profiles", "effects"]
    ) -> list[Key[Any]]:
        """As ``MemoryStore.belongings``."""
        found = super().belongings(subject_key, table=table)
        store = self._real.store
        self._compare("belongings", found, lambda: store.belongings(subject_key, table=table))
        return found

    def compare_all(self, *, now: int) -> None:
        """Everything that stands in memory stands in the tables, at the same version."""
        keys = list(self._rows)
        real, memory = self._real.store.read(keys, now=now), super().read(keys, now=now)
        for key in keys:
            self._same(f"end of {key.kind.name}", memory.stored(key), real.stored(key))

    def _same(self, name: str, memory: Any, real: Any) -> None:
        """Note a difference: a flow would take an exception for storage that does not answer."""
        if memory != real:
            self.disagreements.append(f"{name}: memory {memory!r}, DynamoDB {real!r}")

    @property
    def _is_swept(self) -> bool:
        return self.gate is not None and self.gate.is_numbering

    def _compare(self, name: str, found: list[Any], ask: Callable[[], list[Any]]) -> None:
        if self._is_swept:
            self._real.calls += 1
            self._same(name, sorted(map(str, found)), sorted(map(str, ask())))


def _lost(write: Callable[[], None]) -> set[Key[Any]] | None:
    try:
        write()
    except Conflict as conflict:
        return {each.key for each in conflict.failed}
    return None
