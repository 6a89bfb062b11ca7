"""``MemoryStore``, the in-memory twin of ``DynamoStore``; ``tests.fakes`` has the others."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

from chalicelib.aws.deadline import Deadline
from chalicelib.aws.store import check_writes
from chalicelib.core.canonical import canonical_json
from chalicelib.core.control import DROP_LIST
from chalicelib.core.storage import (
    AtVersion,
    Check,
    Condition,
    Conflict,
    Delete,
    Found,
    Key,
    Kind,
    Present,
    Put,
    Stored,
    Whatever,
    Write,
)
from chalicelib.core.subject import Subject

T = TypeVar("T")
Named = Literal[
    "read",
    "write",
    "due",
    "recent_decisions",
    "belongings",
    "members",
    "count_group",
    "overdue",
    "listed",
]
Call = tuple[Named, int]


class Script:
    """Errors that the next calls raise, in order; None lets a call through."""

    def __init__(self) -> None:
        """Start with nothing scripted."""
        self._errors: deque[Exception | None] = deque()

    def extend(self, errors: Sequence[Exception | None]) -> None:
        """Append to what is to come."""
        self._errors.extend(errors)

    def play(self) -> None:
        """Raise the next error, if one is scripted for this call."""
        if self._errors and (error := self._errors.popleft()) is not None:
            raise error


class _Row(NamedTuple):
    body: bytes
    version: int
    expires_at: int | None
    indexed: Mapping[str, str | int]


class MemoryStore:
    """Storage as ``DynamoStore`` keeps it, in a dictionary.

    Attributes:
        calls: every call that would go to AWS: ("read", keys) or ("write", writes) and so on;
            a read of more than 100 keys is several.
        before_write: called once before the next write is applied, for a test to slip in what
            another worker does meanwhile.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.calls: list[Call] = []
        self.before_write: Callable[[], None] | None = None
        self._rows: dict[Key[Any], _Row] = {}
        self._reads, self._writes, self._lost_replies = Script(), Script(), Script()

    def fail_reads(self, *errors: Exception | None) -> None:
        """Make the next reads raise, in order; None lets one through."""
        self._reads.extend(errors)

    def fail_writes(self, *errors: Exception | None) -> None:
        """Make the next writes raise without being applied; None lets one through."""
        self._writes.extend(errors)

    def lose_replies(self, *errors: Exception | None) -> None:
        """Make the next writes be applied and raise nevertheless; None lets one through."""
        self._lost_replies.extend(errors)

    def mend(self) -> None:
        """Forget every error that was scripted and has not been raised yet."""
        self._reads, self._writes, self._lost_replies = Script(), Script(), Script()

    def count(self, name: str) -> int:
        """How many calls of this name there were."""
        return sum(1 for called, _ in self.calls if called == name)

    def read(
        self, keys: Sequence[Key[Any]], *, now: int, deadline: Deadline | None = None
    ) -> Found:
        """As ``DynamoStore.read``."""
        del deadline  # nothing here takes time
        wanted = list(dict.fromkeys(keys))
        for start in range(0, len(wanted), 100):
            self.calls.append(("read", len(wanted[start : start + 100])))
            self._reads.play()
        return Found(
            {key: _stored(key, self._rows[key]) for key in wanted if key in self._rows}, now=now
        )

    def write(self, writes: Sequence[Write], *, now: int, deadline: Deadline | None = None) -> None:
        """As ``DynamoStore.write``: all or nothing, and a conflict names every loser."""
        del deadline
        check_writes(writes)
        if not writes:
            return
        self.calls.append(("write", len(writes)))
        if (meanwhile := self.before_write) is not None:
            self.before_write = None
            meanwhile()
        self._writes.play()
        failed = [write for write in writes if not self._holds(write, now=now)]
        if failed:
            raise Conflict(failed)
        for write in writes:
            self._apply(write)
        self._lost_replies.play()

    def due(self, *, shard: int, now: int, limit: int) -> list[tuple[Subject, int]]:
        """As ``DynamoStore.due``: the index does not know what has expired."""
        self.calls.append(("due", limit))
        found = [
            (int(row.indexed["review_at"]), key.partition)
            for key, row in self._rows.items()
            if row.indexed.get("due_shard") == f"due#{shard:02}"
            and int(row.indexed["review_at"]) <= now
        ]
        return [(Subject.from_key(name), at) for at, name in sorted(found)][:limit]

    def recent_decisions(self, subject_key: str, *, limit: int) -> list[str]:
        """As ``DynamoStore.recent_decisions``."""
        self.calls.append(("recent_decisions", limit))
        found = [
            (int(row.indexed["decided_at"]), key.partition.removeprefix("d#"))
            for key, row in self._rows.items()
            if row.indexed.get("subject") == subject_key
        ]
        return [name for _, name in sorted(found, reverse=True)][:limit]

    def belongings(
        self, subject_key: str, *, table: Literal["profiles", "effects"]
    ) -> list[Key[Any]]:
        """As ``DynamoStore.belongings``."""
        self.calls.append(("belongings", 1))
        return [
            key
            for key, row in self._rows.items()
            if key.kind.table == table and row.indexed.get("owned_by") == subject_key
        ]

    def members(self, group: str, *, limit: int) -> list[tuple[Subject, int]]:
        """As ``DynamoStore.members``."""
        self.calls.append(("members", limit))
        self._reads.play()
        found = [
            (int(row.indexed["grouped_at"]), key.partition)
            for key, row in self._rows.items()
            if row.indexed.get("in_group") == group
        ]
        latest = sorted(found, reverse=True)[:limit]
        return [(Subject.from_key(name), at) for at, name in latest]

    def count_group(self, group: str) -> int:
        """As ``DynamoStore.count_group``."""
        self.calls.append(("count_group", 1))
        self._reads.play()
        return sum(row.indexed.get("in_group") == group for row in self._rows.values())

    def overdue(self, kind: Kind[Any], *, shard: str, now: int, limit: int) -> list[str]:
        """As ``DynamoStore.overdue``."""
        self.calls.append(("overdue", limit))
        found = [
            (int(row.indexed["look_at"]), key.partition.removeprefix(kind.prefix))
            for key, row in self._rows.items()
            if key.kind is kind
            and row.indexed.get("open_shard") == shard
            and int(row.indexed["look_at"]) <= now
        ]
        return [name for _, name in sorted(found)][:limit]

    def listed(self, *, under: str, before: str | None, limit: int) -> list[str]:
        """As ``DynamoStore.listed``."""
        self.calls.append(("listed", limit))
        found = [
            str(row.indexed["listed_at"])
            for row in self._rows.values()
            if row.indexed.get("listed_under") == under
        ]
        return [at for at in sorted(found, reverse=True) if before is None or at < before][:limit]

    def recent_drops(self, *, before: str | None, limit: int) -> list[str]:
        """As ``DynamoStore.recent_drops``."""
        return self.listed(under=DROP_LIST, before=before, limit=limit)

    def copy(self) -> MemoryStore:
        """Another store that holds the same; calls and scripted errors stay behind."""
        other = MemoryStore()
        other._rows = dict(self._rows)
        return other

    def one(self, key: Key[T]) -> T | None:
        """What stands under a key, expired or not; no call to AWS."""
        row = self._rows.get(key)
        return None if row is None else _stored(key, row).value

    def all(self, kind: str) -> dict[str, Any]:
        """Every value of a kind by its partition key, expired ones included; no call to AWS."""
        return {
            key.partition: _stored(key, row).value
            for key, row in self._rows.items()
            if key.kind.name == kind
        }

    def keys(self) -> list[Key[Any]]:
        """The key of everything that is stored."""
        return list(self._rows)

    def backup(self) -> dict[Key[Any], Any]:
        """Everything as it stands, for ``restore``."""
        return dict(self._rows)

    def restore(self, backup: Mapping[Key[Any], Any], *, tables: Sequence[str]) -> None:
        """Bring some tables back to how they were."""
        kept = {key: row for key, row in self._rows.items() if key.kind.table not in tables}
        self._rows = kept | {k: row for k, row in backup.items() if k.kind.table in tables}

    def dump(self) -> str:
        """Everything that is stored as text, keys and index attributes included."""
        return "\n".join(
            f"{key.kind.name} {key.partition} {row.indexed} {row.body.decode()}"
            for key, row in self._rows.items()
        )

    def _holds(self, write: Write, *, now: int) -> bool:
        condition: Condition | Present = write.condition
        row = self._rows.get(write.key)
        match condition:
            case Whatever():
                return True
            case Present():
                return row is not None and not _has_expired(row, now)
            case AtVersion(0):
                return row is None or _has_expired(row, now)
            case AtVersion(version):
                return row is not None and row.version == version

    def _apply(self, write: Write) -> None:
        match write:
            case Put(key=key, value=value, condition=condition, expires_at=expires_at):
                if isinstance(condition, AtVersion):
                    version = condition.version + 1
                else:
                    version = self._rows[key].version + 1 if key in self._rows else 1
                body = canonical_json(key.kind.to_json(value))
                self._rows[key] = _Row(body, version, expires_at, dict(key.kind.index(value)))
            case Delete(key=key):
                self._rows.pop(key, None)
            case Check():
                pass


def _has_expired(row: _Row, now: int) -> bool:
    return row.expires_at is not None and row.expires_at <= now


def _stored(key: Key[T], row: _Row) -> Stored[T]:
    return Stored(key.kind.from_json(json.loads(row.body)), row.version, row.expires_at)
