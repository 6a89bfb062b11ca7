"""The sweep under faults: whatever breaks at whichever call, nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.core.effects import TERMINAL
from chalicelib.core.errors import Transient
from chalicelib.core.overdue import FIRST_PATIENCE_SECONDS, GRACE_SECONDS
from chalicelib.core.storage import Found, Key, Kind, Write
from chalicelib.core.subject import Subject
from chalicelib.flows.act import LEASE_SECONDS, from_messages
from chalicelib.flows.sweep import SweepPorts, sweep
from tests.functional.test_act_crashes import FAULTS, MAIL, OFFER, UNWANTED, fault, prepared
from tests.gate import Died, Gate
from tests.mail_makers import NOW, World, sqs_event, world_with_a_mail

IDS = (MAIL, OFFER, UNWANTED)
EVERY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class GatedStore:
    """Storage of the sweep, behind a gate."""

    gate: Gate
    world: World

    def read(self, keys: Sequence[Key[Any]], *, now: int) -> Found:
        """As ``Store.read``."""
        found: Found = self.gate.call("read", lambda: self.world.store.read(keys, now=now))
        return found

    def write(self, writes: Sequence[Write], *, now: int) -> None:
        """As ``Store.write``."""
        self.gate.call("write", lambda: self.world.store.write(writes, now=now))

    def due(self, *, shard: int, now: int, limit: int) -> list[tuple[Subject, int]]:
        """As ``Store.due``."""
        return self.world.store.due(shard=shard, now=now, limit=limit)

    def overdue(self, kind: Kind[Any], *, shard: str, now: int, limit: int) -> list[str]:
        """As ``OverdueIndex.overdue``."""
        overdue = self.world.store.overdue
        found: list[str] = self.gate.call(
            "overdue", lambda: overdue(kind, shard=shard, now=now, limit=limit)
        )
        return found


@dataclass(frozen=True, slots=True)
class GatedQueue:
    """The queue of the sweep, behind the same gate."""

    gate: Gate
    world: World

    def send(
        self, bodies: Sequence[Mapping[str, Any]], *, delay_seconds: int | None = None
    ) -> None:
        """As ``Queue.send``."""
        del delay_seconds
        self.gate.call("queue", lambda: self.world.later.send(bodies))


def swept(world: World, gate: Gate, *, now: int) -> None:
    """One run behind a gate, which a fault may end."""
    ports = SweepPorts(GatedStore(gate, world), GatedQueue(gate, world))
    with contextlib.suppress(Died, Transient):
        sweep(ports=ports, now=now, correlation_id="s-1")


def calls_of_a_run() -> list[str]:
    """The calls of a run in which nothing breaks."""
    gate = Gate()
    swept(prepared(), gate, now=NOW + GRACE_SECONDS)
    return gate.passed


def lived_on(world: World, *, now: int, ids: Sequence[str] = IDS) -> dict[str, int]:
    """Sweep each minute and let workers have what is queued, until nothing stands still.

    Returns when each effect came to its end.
    """
    ended: dict[str, int] = {}
    for minute in range(60):
        swept(world, Gate(), now=now)
        names = [message["effect_id"] for message in world.later.drain()]
        if names:
            world.receive(sqs_event(*names), now=now, worker=f"w-{minute}")
        for each in ids:
            if world.effect(each).state in TERMINAL | {"IN_DOUBT"}:
                ended.setdefault(each, now)
        if len(ended) == len(ids):
            return ended
        now += EVERY_SECONDS
    raise AssertionError(f"after an hour of sweeps only {ended} are at their end")


def check(world: World) -> None:
    """One mail, one announcement under one id, nothing to whom did not agree."""
    assert len(world.mailer.sent) <= 1
    assert world.effect(OFFER).state == "ACCEPTED"
    assert {event.event_id for event in world.bus.events} == {OFFER}
    assert world.effect(UNWANTED).state == "SUPPRESSED"


def test_what_a_run_does() -> None:
    """For each shard with something overdue: find, read, queue, and only then note."""
    calls = [call for call in calls_of_a_run() if call != "overdue"]

    assert calls == ["read", "queue", "write"] * 3


@pytest.mark.parametrize("kind", FAULTS)
def test_one_fault_at_any_call_loses_nothing(kind: str) -> None:
    """No message covers any effect; after the broken run the next ones bring all to its end."""
    started = NOW + GRACE_SECONDS
    for at in range(1, len(calls_of_a_run()) + 1):
        world = prepared()
        before, after = fault(kind, at)

        swept(world, Gate(before=before, after=after), now=started)
        ended = lived_on(world, now=started + EVERY_SECONDS)

        check(world)
        assert world.effect(MAIL).state == "ACCEPTED"
        assert set(ended.values()) == {started + EVERY_SECONDS}


@pytest.mark.sweep
def test_two_faults_in_two_runs_lose_nothing() -> None:
    """The run after a broken one may break as well, at any call that does something."""
    gate = Gate()
    swept(world_with_a_mail(), gate, now=NOW + GRACE_SECONDS)
    working = [at for at, call in enumerate(gate.passed, 1) if call != "overdue"]
    places = list(itertools.product(FAULTS, working))
    assert len(places) == len(FAULTS) * 3
    started = NOW + GRACE_SECONDS
    for pair in itertools.product(places, places):
        world = world_with_a_mail()

        for minute, place in enumerate(pair):
            before, after = fault(*place)
            gate = Gate(before=before, after=after)
            swept(world, gate, now=started + minute * EVERY_SECONDS)
        lived_on(world, now=started + 2 * EVERY_SECONDS, ids=[MAIL])

        assert world.effect(MAIL).state == "ACCEPTED"
        assert len(world.mailer.sent) == 1


@pytest.mark.parametrize("dies_at", range(1, 11))
def test_a_worker_that_dies_at_any_call_is_swept_up_after(dies_at: int) -> None:
    """What it had claimed is at its end a lease and one sweep later.

    Were its messages to vanish with it, which a queue does not do, then what it had not yet
    touched would wait for the sweep's patience with a message that it has sent.
    """
    world = prepared()
    started = NOW + GRACE_SECONDS
    taken: set[str] = set()

    def die(number: int, _port: str) -> None:
        if number == dies_at:
            taken.update(each for each in IDS if world.effect(each).attempts)
            raise Died

    swept(world, Gate(), now=started)
    names = [message["effect_id"] for message in world.later.drain()]
    ports = Gate(before=die).guard(world.ports)
    with contextlib.suppress(Died):
        from_messages(sqs_event(*names), ports=ports, now=started, worker="dead")
    ended = lived_on(world, now=started + EVERY_SECONDS)

    check(world)
    for each in IDS:
        bound = LEASE_SECONDS if each in taken else FIRST_PATIENCE_SECONDS
        assert ended[each] - started <= bound + EVERY_SECONDS


@pytest.mark.parametrize("at", range(1, 26))
def test_another_sweep_at_any_call(at: int) -> None:
    """Two sweeps at once, the second between any two calls of the first, and a worker after."""
    world = prepared()
    started = NOW + GRACE_SECONDS

    def intrude(number: int, _port: str) -> None:
        if number == at:
            swept(world, Gate(), now=started)

    swept(world, Gate(before=intrude), now=started)
    lived_on(world, now=started)

    check(world)
    assert len(world.mailer.sent) == 1
