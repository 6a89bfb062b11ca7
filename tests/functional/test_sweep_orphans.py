"""How long an orphan lies still: a lease and one sweep, whatever way its worker died.

An orphan is an effect that is not at its end, that waits for nothing, and that neither a living
worker nor a queue message has. Its age counts from the death of the worker, the loss of the
message or the end of what it waited for, whichever came last.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from chalicelib.core.effects import TERMINAL, Effect
from chalicelib.core.errors import MailInDoubt, MailThrottled, MailTooFast, Transient
from chalicelib.core.offers import offer_to_json
from chalicelib.core.overdue import GRACE_SECONDS
from chalicelib.core.pace import Limits
from chalicelib.core.untouched import WaitUntil, untouched
from chalicelib.flows.act import LEASE_SECONDS, from_messages
from chalicelib.flows.relay import from_stream
from chalicelib.flows.sweep import SweepPorts, sweep
from tests.delay_queue import DelayQueue
from tests.functional.test_act_crashes import FAULTS, fault
from tests.functional.test_relay import effect_record
from tests.functional.test_sweep_crashes import swept as swept_behind_a_gate
from tests.gate import Died, Gate
from tests.mail_makers import (
    NOW,
    TEN_PERCENT,
    World,
    contact_of,
    effect,
    mail_effect,
    sqs_event,
)

ID = "e" * 32
EVERY_SECONDS = 60
VISIBILITY_SECONDS = 360
BOUND_SECONDS = LEASE_SECONDS + EVERY_SECONDS
STEP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Way:
    """One sort of work during which a worker may die.

    Attributes:
        planned: the effect.
        ports: what the worker is given.
        prepare: what else is so.
        mend: what is so again once the worker is dead.
    """

    planned: Effect
    ports: Mapping[str, Any]
    prepare: Callable[[World], None] = lambda _world: None
    mend: Callable[[World], None] = lambda _world: None


MAIL = mail_effect(offer=None)
ORDER_MAIL = mail_effect(purpose="transactional", offer=None)
DOUBT = replace(ORDER_MAIL, state="IN_DOUBT", posts=1, changed_at=NOW - 900, reason="no_answer")
WAYS: Mapping[str, Way] = {
    "a mail": Way(MAIL, {}),
    "a mail for which somebody waits": Way(ORDER_MAIL, {}),
    "a second post": Way(DOUBT, {}),
    "an event": Way(effect("offer", payload={"offer": offer_to_json(TEN_PERCENT)}), {}),
    "a dead claim": Way(replace(MAIL, state="CLAIMED", owner="w", lease_until=NOW), {}),
    "a dead sending": Way(replace(MAIL, state="SENDING", owner="w", lease_until=NOW, posts=1), {}),
    "nobody agreed": Way(MAIL, {}, lambda world: world.meet(contact_of(consents={}))),
    "switched off": Way(
        MAIL,
        {},
        lambda world: world.switch(sending=False),
        lambda world: world.switch(sending=True),
    ),
    "the rate is full": Way(MAIL, {"limits": Limits(per_second=0)}),
    "the quota is full": Way(MAIL, {"limits": Limits(per_day=0)}),
    "too fast": Way(MAIL, {}, lambda world: world.mailer.fail_next(MailTooFast("slow down"))),
    "throttled": Way(MAIL, {}, lambda world: world.mailer.fail_next(MailThrottled("slow down"))),
    "no answer": Way(MAIL, {}, lambda world: world.mailer.lose_replies(MailInDoubt("timeout"))),
}  # fmt: skip


def world_of(way: Way) -> World:
    """Ada, who agreed to marketing, and the effect."""
    world = World()
    world.meet(contact_of())
    world.plan(way.planned)
    way.prepare(world)
    return world


def dies(
    world: World, way: Way, hooks: Any, *, now: int, worker: str, queue: DelayQueue, message: Any
) -> Gate:
    """A worker has the message, behind these hooks."""
    gate = Gate(before=hooks[0], after=hooks[1])
    ports = gate.guard(world.ports_with(later=queue, **way.ports))
    with contextlib.suppress(Died, Transient):
        from_messages(sqs_event(message), ports=ports, now=now, worker=worker)
    return gate


def calls_of(way: Way) -> int:
    """How many calls a worker makes that does not die."""
    return len(
        dies(
            world_of(way),
            way,
            fault("", 0),
            now=NOW,
            worker="w-0",
            queue=DelayQueue(NOW),
            message=ID,
        ).passed
    )


def free_at(effect: Effect) -> int:
    """From when on an effect waits for nobody but a worker; a lease is no such wait."""
    match effect.state:
        case "PLANNED":
            return effect.not_before or effect.planned_at
        case "IN_DOUBT":
            doubted = untouched(effect, now=0)
            return doubted.at if isinstance(doubted, WaitUntil) else 0
        case _:
            return 0


def ages(
    world: World, queue: DelayQueue, *, died_at: int, first_sweep: int, until: int
) -> Iterable[int]:
    """How old the orphan is at every step; sweeps each minute, and workers that do not die."""
    covered_at = died_at
    for now in range(died_at, until, STEP_SECONDS):
        queue.now = now
        if (now - first_sweep) % EVERY_SECONDS < STEP_SECONDS and now >= first_sweep:
            sweep(ports=SweepPorts(world.store, queue), now=now, correlation_id="s")
        if queue.names(ID):
            covered_at = now
        for number, message in enumerate(queue.take()):
            worker = f"w-{now}-{number}"
            if world.receive(sqs_event(message), now=now, worker=worker, later=queue):
                queue.hide(message, until=now + VISIBILITY_SECONDS)
        standing = world.effect()
        if standing.state in TERMINAL:
            return
        yield now - max(covered_at, free_at(standing))


@pytest.mark.parametrize("offset_seconds", [0, 55])
@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("name", WAYS)
def test_an_orphan_is_on_its_way_within_a_lease_and_one_sweep(
    name: str, kind: str, offset_seconds: int
) -> None:
    """Whatever it was at, at whichever call it died, and its message is gone with it.

    That is more than a queue does, which delivers the message again; the sweep does not need it.
    """
    way = WAYS[name]
    for at in range(1, calls_of(way) + 1):
        world, queue = world_of(way), DelayQueue(NOW)

        dies(world, way, fault(kind, at), now=NOW, worker="dead", queue=queue, message=ID)
        queue.waiting.clear()
        way.mend(world)

        first = NOW + offset_seconds
        oldest = max(
            ages(world, queue, died_at=NOW, first_sweep=first, until=NOW + 3_000), default=0
        )
        assert oldest <= BOUND_SECONDS, (at, world.effect())
        ended = world.effect().state in TERMINAL
        assert ended or world.effect().state == "IN_DOUBT" or name == "the quota is full"


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.sweep
def test_a_second_death_with_the_sweeps_own_message(name: str) -> None:
    """The message that the sweep has sent is a message: the queue delivers it again."""
    way = WAYS[name]
    calls = range(1, calls_of(way) + 1)
    for first, second in itertools.product(calls, calls):
        world, queue = world_of(way), DelayQueue(NOW)
        dies(
            world, way, fault("dies before", first), now=NOW, worker="d-1", queue=queue, message=ID
        )
        queue.waiting.clear()
        died_at = NOW + BOUND_SECONDS
        queue.now = died_at
        sweep(ports=SweepPorts(world.store, queue), now=died_at, correlation_id="s")
        for message in queue.take():
            hooks = fault("dies before", second)
            dies(world, way, hooks, now=died_at, worker="d-2", queue=queue, message=message)
            queue.hide(message, until=died_at + VISIBILITY_SECONDS)
        way.mend(world)

        seen = ages(world, queue, died_at=died_at, first_sweep=died_at + 55, until=died_at + 5_000)
        assert max(seen, default=0) <= BOUND_SECONDS, (first, second, world.effect())


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("state", ["PLANNED", "CLAIMED", "SENDING", "held", "IN_DOUBT"])
def test_a_sweep_that_dies_is_made_up_for_by_the_next(state: str, kind: str) -> None:
    """At any of its calls, for whatever it was to bring back: the next minute's run does it."""
    planned: dict[str, Effect] = {
        "PLANNED": MAIL,
        "CLAIMED": replace(MAIL, state="CLAIMED", owner="d", lease_until=NOW + LEASE_SECONDS),
        "SENDING": replace(
            MAIL, state="SENDING", owner="d", lease_until=NOW + LEASE_SECONDS, posts=1
        ),
        "held": replace(MAIL, not_before=NOW + LEASE_SECONDS, reason="quiet_hours"),
        "IN_DOUBT": replace(DOUBT, changed_at=NOW + LEASE_SECONDS - 900),
    }
    due = NOW + LEASE_SECONDS
    gate = Gate()
    swept_behind_a_gate(world_of(Way(planned[state], {})), gate, now=due)
    working = [at for at, call in enumerate(gate.passed, 1) if call != "overdue"]
    assert len(working) == 3
    for at in (1, *working):
        world = world_of(Way(planned[state], {}))
        swept_behind_a_gate(
            world, Gate(before=fault(kind, at)[0], after=fault(kind, at)[1]), now=due
        )
        if not world.later.messages:
            swept_behind_a_gate(world, Gate(), now=due + EVERY_SECONDS)

        assert [message["effect_id"] for message in world.later.messages] == [ID]


@pytest.mark.parametrize("queued", [True, False])
def test_a_relay_that_dies_orphans_nothing_for_longer(queued: bool) -> None:
    """The stream delivers again; were it never to, the sweep brings what was planned."""
    world, queue = world_of(WAYS["a mail"]), DelayQueue(NOW)

    class Dies:
        """A queue whose sender dies, before or after the message is in it."""

        def send(self, bodies: Any, *, delay_seconds: int | None = None) -> None:
            if queued:
                queue.send(bodies, delay_seconds=delay_seconds)
            raise Died

    with contextlib.suppress(Died):
        from_stream({"Records": [effect_record(MAIL)]}, queue=Dies(), store=world.store, now=NOW)

    assert queue.names(ID) == queued
    for offset_seconds in range(0, EVERY_SECONDS, STEP_SECONDS):
        world, first = world_of(WAYS["a mail"]), NOW + offset_seconds
        one = DelayQueue(NOW)
        oldest = max(ages(world, one, died_at=NOW, first_sweep=first, until=NOW + 600), default=0)
        assert GRACE_SECONDS - STEP_SECONDS <= oldest <= BOUND_SECONDS
        assert world.effect().state == "ACCEPTED"
