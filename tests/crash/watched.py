"""Storage, bus and provider in memory that show somebody what they have really taken."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalicelib.core.kinds import CONSENT, EFFECT, RECORD, SIGNAL
from chalicelib.core.ports import BusEvent
from chalicelib.core.storage import Write
from tests.crash.gate import FaultGate
from tests.fakes import MemoryBus, MemoryMailer
from tests.memory_store import MemoryStore

WATCHED = (CONSENT, EFFECT, RECORD, SIGNAL)


class WatchedStore(MemoryStore):
    """Storage that shows the model, and the stream, what it has taken."""

    def __init__(self) -> None:
        super().__init__()
        self.watch: Callable[[Mapping[Any, Any], Sequence[Write], int], None] | None = None

    def write(self, writes: Sequence[Write], *, now: int, deadline: Any = None) -> None:
        """As ``MemoryStore.write``."""
        concerns = any(write.key.kind in WATCHED for write in writes)
        before = self._rows.copy() if concerns and self.watch is not None else {}
        super().write(writes, now=now, deadline=deadline)
        if concerns and self.watch is not None:
            self.watch(_Lazy(before), writes, now)

    def begin(self, gate: FaultGate) -> None:
        """Nothing to prepare: a run begins with these rows, behind this gate."""

    def text(self, *, now: int) -> str:
        """Everything that is stored as text, in small letters; what has expired is TTL's."""
        standing = MemoryStore()
        standing._rows = {
            key: row
            for key, row in self._rows.items()
            if row.expires_at is None or row.expires_at > now
        }
        return standing.dump().casefold()

    def values(self) -> dict[Any, Any]:
        """Everything that is stored, decoded."""
        return dict(_Lazy(self._rows).items())


class _Lazy(Mapping[Any, Any]):
    """Rows decoded as they are looked at."""

    def __init__(self, rows: Mapping[Any, Any]) -> None:
        self._rows = rows

    def __getitem__(self, key: Any) -> Any:
        return key.kind.from_json(json.loads(self._rows[key].body))

    def __iter__(self) -> Any:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class Ses(MemoryMailer):
    """A provider that shows what it took."""

    def __init__(self) -> None:
        super().__init__()
        self.watch: Callable[[Mapping[str, str]], None] | None = None

    def send(self, raw: bytes, *, sender: str, recipient: str, tags: Mapping[str, str]) -> str:
        """As ``Mailer.send``."""
        provider_id = super().send(raw, sender=sender, recipient=recipient, tags=tags)
        if self.watch is not None:
            self.watch(tags)
        return provider_id


class WatchedBus(MemoryBus):
    """A bus that shows what it took."""

    def __init__(self) -> None:
        super().__init__()
        self.watch: Callable[[Sequence[BusEvent]], None] | None = None

    def publish(self, events: Sequence[BusEvent]) -> None:
        """As ``Bus.publish``."""
        super().publish(events)
        if self.watch is not None:
            self.watch(events)
