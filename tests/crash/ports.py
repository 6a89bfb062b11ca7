"""Every port of the product behind the numbered gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from chalicelib.aws.objects import ListedObject, ObjectInfo
from chalicelib.core.ports import Bus, BusEvent, Machine, Mailer, Queue
from chalicelib.core.storage import Found, Key, Kind, Write
from chalicelib.core.subject import Subject
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.objects import Writer
from tests.crash.gate import FaultGate, Request
from tests.fakes import MemoryObjects
from tests.memory_store import MemoryStore


@dataclass(frozen=True, slots=True)
class GatedStore:
    """Storage behind the gate."""

    gate: FaultGate
    store: MemoryStore

    def read(self, keys: Sequence[Key[Any]], *, now: int) -> Found:
        """As ``Store.read``."""
        found: Found = self._call("read", self.store.read, tuple(keys), now=now)
        return found

    def write(self, writes: Sequence[Write], *, now: int) -> None:
        """As ``Store.write``; nothing to write is no call."""
        if writes:
            self._call("write", self.store.write, tuple(writes), now=now)

    def due(self, *, shard: int, now: int, limit: int) -> list[tuple[Subject, int]]:
        """As ``Store.due``."""
        due: list[tuple[Subject, int]] = self._call(
            "due", self.store.due, shard=shard, now=now, limit=limit
        )
        return due

    def overdue(self, kind: Kind[Any], *, shard: str, now: int, limit: int) -> list[str]:
        """As ``OverdueIndex.overdue``."""
        names: list[str] = self._call(
            "overdue", self.store.overdue, kind, shard=shard, now=now, limit=limit
        )
        return names

    def recent_decisions(self, subject_key: str, *, limit: int) -> list[str]:
        """As ``DecisionIndex.recent_decisions``."""
        ids: list[str] = self._call(
            "recent_decisions", self.store.recent_decisions, subject_key, limit=limit
        )
        return ids

    def belongings(
        self, subject_key: str, *, table: Literal["profiles", "effects"]
    ) -> list[Key[Any]]:
        """As ``Library.belongings``."""
        keys: list[Key[Any]] = self._call(
            "belongings", self.store.belongings, subject_key, table=table
        )
        return keys

    def members(self, group: str, *, limit: int) -> list[tuple[Subject, int]]:
        """As ``GroupIndex.members``."""
        members: list[tuple[Subject, int]] = self._call(
            "members", self.store.members, group, limit=limit
        )
        return members

    def count_group(self, group: str) -> int:
        """As ``CountingStore.count_group``."""
        count: int = self._call("count_group", self.store.count_group, group)
        return count

    def _call(self, port: str, function: Any, *what: Any, **options: Any) -> Any:
        request = Request(port, what, options)
        return self.gate.call(request, lambda asked: function(*asked.what, **asked.options))


@dataclass(frozen=True, slots=True)
class GatedBus:
    """The bus behind the gate."""

    gate: FaultGate
    bus: Bus

    def publish(self, events: Sequence[BusEvent]) -> None:
        """As ``Bus.publish``."""
        request = Request("publish", (tuple(events),))
        self.gate.call(request, lambda asked: self.bus.publish(*asked.what))


@dataclass(frozen=True, slots=True)
class GatedMailer:
    """The mailer behind the gate."""

    gate: FaultGate
    mailer: Mailer

    def send(self, raw: bytes, *, sender: str, recipient: str, tags: Mapping[str, str]) -> str:
        """As ``Mailer.send``."""
        request = Request("mail", (raw,), {"sender": sender, "recipient": recipient, "tags": tags})
        provider_id: str = self.gate.call(
            request, lambda asked: self.mailer.send(*asked.what, **asked.options)
        )
        return provider_id


@dataclass(frozen=True, slots=True)
class GatedQueue:
    """A queue behind the gate."""

    gate: FaultGate
    queue: Queue

    def send(
        self, bodies: Sequence[Mapping[str, Any]], *, delay_seconds: int | None = None
    ) -> None:
        """As ``Queue.send``."""
        request = Request("queue", (tuple(bodies),), {"delay_seconds": delay_seconds})
        self.gate.call(request, lambda asked: self.queue.send(*asked.what, **asked.options))


@dataclass(frozen=True, slots=True)
class GatedObjects:
    """Buckets behind the gate."""

    gate: FaultGate
    objects: MemoryObjects

    def head(self, bucket: str, *, key: str, version_id: str | None = None) -> ObjectInfo:
        """As ``Objects.head``."""
        info: ObjectInfo = self._call(
            "head", self.objects.head, bucket, key=key, version_id=version_id
        )
        return info

    def download_to(
        self,
        path: Path,
        *,
        bucket: str,
        key: str,
        version_id: str | None = None,
        etag: str | None = None,
    ) -> None:
        """As ``Objects.download_to``."""
        named = {"bucket": bucket, "key": key, "version_id": version_id, "etag": etag}
        self._call("get", self.objects.download_to, path, **named)

    def download_range(self, path: Path, **what: Any) -> None:
        """As ``Objects.download_range``."""
        self._call("get", self.objects.download_range, path, **what)

    def stream(self, bucket: str, **what: Any) -> Iterator[bytes]:
        """As ``Objects.stream``: one call, however much it brings."""
        found: list[bytes] = self._call(
            "get", lambda *a, **k: [*self.objects.stream(*a, **k)], bucket, **what
        )
        return iter(found)

    def get(self, bucket: str, *, key: str) -> bytes:
        """As ``Objects.get``."""
        body: bytes = self._call("get", self.objects.get, bucket, key=key)
        return body

    def list(self, bucket: str, *, prefix: str) -> Iterator[ListedObject]:
        """As ``Objects.list``."""
        found: list[ListedObject] = self._call(
            "list", lambda *a, **k: [*self.objects.list(*a, **k)], bucket, prefix=prefix
        )
        return iter(found)

    def writer(self, bucket: str, *, key: str, content_type: str) -> Writer:
        """As ``Objects.writer``; nothing is called before the object comes to be."""
        return self.objects.writer(bucket, key=key, content_type=content_type)

    def put(self, bucket: str, *, key: str, body: bytes, content_type: str) -> None:
        """As ``Objects.put``."""
        self._call("put", self.objects.put, bucket, key=key, body=body, content_type=content_type)

    def delete(self, bucket: str, *, key: str) -> None:
        """As ``Objects.delete``."""
        self._call("delete", self.objects.delete, bucket, key=key)

    def upload(self, path: Path, *, bucket: str, key: str, content_type: str) -> None:
        """As ``Objects.upload``."""
        self._call(
            "put", self.objects.upload, path, bucket=bucket, key=key, content_type=content_type
        )

    def _call(self, port: str, function: Any, *what: Any, **options: Any) -> Any:
        request = Request(port, what, options)
        return self.gate.call(request, lambda asked: function(*asked.what, **asked.options))


@dataclass(frozen=True, slots=True)
class GatedMachine:
    """The state machine behind the gate."""

    gate: FaultGate
    machine: Machine

    def start(self, name: str, *, given: Mapping[str, Any]) -> bool:
        """As ``Machine.start``."""
        request = Request("start", (name,), {"given": given})
        started: bool = self.gate.call(
            request, lambda asked: self.machine.start(*asked.what, **asked.options)
        )
        return started


@dataclass(frozen=True, slots=True)
class GatedKeys:
    """The signing keys behind the gate, for a flow that asks for them on its way."""

    gate: FaultGate
    keys: SigningKeys

    def __call__(self) -> SigningKeys:
        """Bring them; raises Transient."""
        found: SigningKeys = self.gate.call(Request("keys", ()), lambda _asked: self.keys)
        return found
