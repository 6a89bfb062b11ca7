"""The fault sweep of feedback: whatever breaks at whichever call, nothing is lost or counted twice.

After a fault the queue delivers again until all is quiet; then the tables must be those of a run
in which nothing broke, whatever the order, however often each event came.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any

import pytest

from chalicelib.core.breaker import Counts, shard_of
from chalicelib.core.errors import MailInDoubt
from chalicelib.core.ports import AgainPorts
from chalicelib.core.subject import customer
from chalicelib.flows.feedback import FeedbackPorts, from_messages
from tests.baton import Switch, interleave
from tests.gate import Died, Gate, Hook, fault, nothing
from tests.mail_events import delivered, notification, ports_of, queued, ses_event
from tests.mail_makers import (
    EMAIL,
    NOW,
    World,
    contact_of,
    mail_effect,
    sqs_event,
    world_with_a_mail,
)

FIRST = "e" * 32
# Counted in the same shard, so that two workers meet there.
SECOND = next(
    name for name in (f"{n:032x}" for n in range(100)) if shard_of(name) == shard_of(FIRST)
)
LATER = NOW + 3600
FAULTS = ("dies before", "dies after", "fails before", "reply lost")
KINDS = ("effect", "address", "breaker", "engagement")


def prepared() -> World:
    """Two mails to one address from two accounts; nobody knows whether the second was sent."""
    return World(_sent().store.copy())


@cache
def _sent() -> World:
    """Sending takes longer than all that feedback does, so it is done once."""
    world = world_with_a_mail()
    other = customer("c-2")
    world.meet(contact_of(other))
    world.plan(mail_effect(SECOND, subject=other))
    world.act(FIRST)
    world.mailer.lose_replies(MailInDoubt("reply lost"))
    world.act(SECOND)
    return world


def events() -> list[str]:
    """What SES has to say of both."""
    return [*_events()]


@cache
def _events() -> tuple[str, ...]:
    first = ("send", "delivery", "click", "complaint")
    second = ("send", "soft_bounce", "bounce")
    return (
        *(notification(ses_event(name, effect_id=FIRST)) for name in first),
        *(notification(ses_event(name, effect_id=SECOND)) for name in second),
    )


def tables(world: World) -> list[Any]:
    """Everything that feedback changes."""
    return [dict(world.store.all(kind)) for kind in KINDS]


def run(world: World, bodies: Sequence[str], *hooks: tuple[Hook, Hook]) -> list[list[str]]:
    """Deliver until nothing is left; the nth delivery runs behind the nth hooks."""
    made: list[list[str]] = []
    left = [(body, 1) for body in bodies]
    for delivery in range(8):
        before, after = hooks[delivery] if delivery < len(hooks) else (nothing, nothing)
        gate = Gate(before=before, after=after)
        ports = guarded(world, gate)
        with contextlib.suppress(Died):
            answer = from_messages(delivered(*left), ports=ports, now=LATER)
            returned = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            left = [each for index, each in enumerate(left) if f"m-{index}" in returned]
        left = [(body, deliveries + 1) for body, deliveries in left]
        left += [(json.dumps(copy), 1) for copy in world.aside.drain()]
        made.append(gate.passed)
        if not left:
            return made
    raise AssertionError("still not quiet")


def guarded(world: World, gate: Gate) -> FeedbackPorts:
    """What a worker is given, each call behind the gate."""
    again = AgainPorts(gate.guard_queue(world.aside), gate.guard_queue(world.parked))
    return ports_of(world, store=gate.guard_store(world.store), again=again)


def expected() -> list[Any]:
    """The tables after a run in which nothing breaks."""
    world = prepared()
    run(world, events())
    return tables(world)


def calls() -> int:
    """How many calls that run makes."""
    (made,) = run(prepared(), events())
    return len(made)


def test_what_the_run_comes_to() -> None:
    """The reference: both settled, the address suppressed, each mail counted once."""
    effects, addresses, breaker, engagement = expected()

    assert [effect.state for effect in effects.values()] == ["COMPLAINED", "BOUNCED"]
    [state] = addresses.values()
    assert set(state.suppressed) == {"marketing", "transactional"}
    total = sum((each for t in breaker.values() for each in t.by_day.values()), Counts())
    assert total == Counts(sent=2, bounced=1, complained=1)
    assert len(engagement) == 1


@pytest.mark.parametrize("kind", FAULTS)
def test_one_fault_at_any_call(kind: str) -> None:
    """Redelivered, it comes to the same."""
    reference = expected()
    for at in range(1, calls() + 1):
        world = prepared()

        run(world, events(), fault(kind, at))

        assert tables(world) == reference, (kind, at)


@pytest.mark.sweep
def test_two_faults_at_any_two_calls() -> None:
    """The delivery after a fault may break as well."""
    reference = expected()
    kinds = [kind for kind in FAULTS if kind != "dies after"]  # is dying before the next
    places = list(itertools.product(kinds, range(1, calls() + 1)))
    for first, second in itertools.product(places[::3], places[::2]):
        world = prepared()

        run(world, events(), fault(*first), fault(*second))

        assert tables(world) == reference, (first, second)


@pytest.mark.parametrize("seed", range(60))
def test_duplicated_shuffled_and_concurrent(seed: int) -> None:
    """Every event up to three times, in any order, by four workers in turns: the same tables."""
    reference = expected()
    world = prepared()
    chance = Random(seed)  # noqa: S311 - replays
    bodies = [body for body in events() for _ in range(chance.randint(1, 3))]
    chance.shuffle(bodies)

    def worker(share: list[str]) -> Any:
        def work(switch: Switch) -> None:
            gate = Gate(before=lambda _number, _port: switch())
            left = share
            while left:
                answer = from_messages(queued(*left), ports=guarded(world, gate), now=LATER)
                back = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
                left = [body for index, body in enumerate(left) if f"m-{index}" in back]
                left += [json.dumps(copy) for copy in world.aside.drain()]

        return work

    interleave([worker(bodies[n::4]) for n in range(4)], seed=seed)

    assert tables(world) == reference


@pytest.mark.parametrize("name", ["send", "delivery", "bounce", "complaint"])
@pytest.mark.parametrize("purpose", ["marketing_email", "transactional"])
def test_feedback_between_any_two_calls_of_the_sender(name: str, purpose: str) -> None:
    """An event may come as soon as the mail is posted, and the sender may die after it."""
    for kind, at in itertools.product((*FAULTS, "none"), range(6, 9)):
        world = world_with_a_mail()
        world.plan(mail_effect(purpose=purpose))
        body = notification(ses_event(name))
        before, after = fault(kind, at)

        def heard(
            number: int, port: str, *, world: World = world, body: str = body, after: Hook = after
        ) -> None:
            if port == "mail":
                from_messages(queued(body), ports=ports_of(world), now=NOW)
            after(number, port)

        gate = Gate(before=before, after=heard)
        with contextlib.suppress(Died):
            world.receive(sqs_event(FIRST), **_behind(gate, world))
        for hours in range(1, 60):
            world.receive(sqs_event(FIRST), now=NOW + hours * 3600, worker=f"w-{hours}")

        effect = world.effect()
        assert len(world.mailer.sent) <= (2 if purpose == "transactional" else 1)
        assert effect.state in ("ACCEPTED", "DELIVERED", "BOUNCED", "COMPLAINED", "ABANDONED")
        if "mail" in gate.passed and effect.heard:
            assert len(world.mailer.sent) == 1
            assert EMAIL not in str(effect)


def _behind(gate: Gate, world: World) -> dict[str, Any]:
    ports = gate.guard(world.ports)
    return {"store": ports.store, "bus": ports.bus, "mailer": ports.mailer, "later": ports.later}
