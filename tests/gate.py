"""Ports behind a gate: a test can do something before or after every single call to the outside.

The calls of one run are numbered from 1, over all ports together, in the order in which they
happen; that number is where a fault is injected or another worker slipped in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.core.errors import Transient
from chalicelib.core.ports import BusEvent, Queue, Store
from chalicelib.core.storage import Found, Key, Write
from chalicelib.core.subject import Subject
from chalicelib.flows.act import ActPorts

Hook = Callable[[int, str], None]


class Died(BaseException):
    """The process is gone: no handler of the code under test may survive this."""


def nothing(_number: int, _port: str) -> None:
    """Let a call pass."""


def fault(kind: str, at: int) -> tuple[Hook, Hook]:
    """Hooks that break the call with this number."""

    def before(number: int, _port: str) -> None:
        if number == at and kind == "dies before":
            raise Died
        if number == at and kind == "fails before":
            raise Transient("not done")

    def after(number: int, _port: str) -> None:
        if number == at and kind == "dies after":
            raise Died
        if number == at and kind == "reply lost":
            raise Transient("reply lost")

    return before, after


class Gate:
    """Counts the calls of one run and calls the hooks around each.

    Attributes:
        passed: the ports called so far, in order.
    """

    def __init__(self, *, before: Hook = nothing, after: Hook = nothing) -> None:
        """Take what to do before a call is made, and after it was made."""
        self.passed: list[str] = []
        self._before, self._after = before, after

    def call(self, port: str, action: Callable[[], Any]) -> Any:
        """Make one call, between the hooks."""
        self.passed.append(port)
        number = len(self.passed)
        self._before(number, port)
        answer = action()
        self._after(number, port)
        return answer

    def guard(self, ports: ActPorts) -> ActPorts:
        """The same ports, behind this gate."""
        gated = _Gated(self, ports)
        return replace(ports, store=gated, bus=gated, mailer=gated, later=gated.later)

    def guard_queue(self, queue: Queue) -> Queue:
        """A queue behind this gate."""
        return _GatedQueue(self, queue)

    def guard_store(self, store: Store) -> Store:
        """A store behind this gate, for flows that need nothing else."""
        return _GatedStore(self, store)


class _GatedStore:
    def __init__(self, gate: Gate, store: Store) -> None:
        self._gate, self._store = gate, store

    def read(self, keys: Sequence[Key[Any]], *, now: int) -> Found:
        """As ``Store.read``."""
        found: Found = self._gate.call("read", lambda: self._store.read(keys, now=now))
        return found

    def write(self, writes: Sequence[Write], *, now: int) -> None:
        """As ``Store.write``."""
        self._gate.call("write", lambda: self._store.write(writes, now=now))

    def due(self, *, shard: int, now: int, limit: int) -> list[tuple[Subject, int]]:
        """As ``Store.due``."""
        return self._store.due(shard=shard, now=now, limit=limit)


class _Gated:
    """Store, bus and mailer in one; they share no method names."""

    def __init__(self, gate: Gate, ports: ActPorts) -> None:
        self._gate, self._ports = gate, ports
        self.later = _GatedQueue(gate, ports.later)

    def read(self, keys: Sequence[Key[Any]], *, now: int) -> Found:
        """As ``Store.read``."""
        found: Found = self._gate.call("read", lambda: self._ports.store.read(keys, now=now))
        return found

    def write(self, writes: Sequence[Write], *, now: int) -> None:
        """As ``Store.write``."""
        self._gate.call("write", lambda: self._ports.store.write(writes, now=now))

    def due(self, *, shard: int, now: int, limit: int) -> list[tuple[Subject, int]]:
        """As ``Store.due``."""
        return self._ports.store.due(shard=shard, now=now, limit=limit)

    def publish(self, events: Sequence[BusEvent]) -> None:
        """As ``Bus.publish``."""
        self._gate.call("publish", lambda: self._ports.bus.publish(events))

    def send(self, raw: bytes, *, sender: str, recipient: str, tags: Mapping[str, str]) -> str:
        """As ``Mailer.send``."""
        send = self._ports.mailer.send
        provider_id: str = self._gate.call(
            "mail", lambda: send(raw, sender=sender, recipient=recipient, tags=tags)
        )
        return provider_id


class _GatedQueue:
    def __init__(self, gate: Gate, queue: Queue) -> None:
        self._gate, self._queue = gate, queue

    def send(
        self, bodies: Sequence[Mapping[str, Any]], *, delay_seconds: int | None = None
    ) -> None:
        """As ``Queue.send``."""
        send = self._queue.send
        self._gate.call("queue", lambda: send(bodies, delay_seconds=delay_seconds))
