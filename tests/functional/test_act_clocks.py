"""Workers, a planner and a sweep whose clocks are up to five minutes off, and that die at any call.

Leases and fences are what keeps them apart: a clock decides when somebody may try, never whether a
write of somebody else is overwritten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from chalicelib.core.contact_policy import ContactPolicy
from chalicelib.core.effects import TERMINAL
from chalicelib.core.errors import MailInDoubt, Transient
from chalicelib.core.instants import CLOCK_SKEW_SECONDS, DAY_SECONDS
from chalicelib.core.kinds import MAILED
from chalicelib.core.untouched import ABANDON_AFTER_SECONDS
from chalicelib.flows.act import from_messages
from chalicelib.flows.sweep import SweepPorts, sweep
from tests.baton import Switch, interleave
from tests.delay_queue import DelayQueue, Message
from tests.gate import Died, Gate
from tests.mail_makers import (
    EMAIL,
    NOW,
    World,
    contact_of,
    effect,
    hash_of,
    mail_effect,
    message_of,
    sqs_event,
)

MAILS, ORDER_MAILS, EVENTS = ("a" * 32, "b" * 32, "c" * 32), ("d" * 32, "e" * 32), ("0" * 32,)
IDS = (*MAILS, *ORDER_MAILS, *EVENTS)
TWO_A_WEEK = ContactPolicy(max_marketing_mails=2, window_days=7)
VISIBILITY_SECONDS = 360


class Skewed:
    """A stage on which nobody knows the time better than to five minutes."""

    def __init__(self, seed: int) -> None:
        """Plan everything; the seed chooses clocks, turns and deaths."""
        self.chance = Random(seed)  # noqa: S311 - replays
        self.now = NOW
        self.world, self.queue = World(), DelayQueue(NOW, copies=lambda: self.chance.randint(1, 2))
        self.world.meet(contact_of())
        planned = [
            *(mail_effect(name, offer=None) for name in MAILS),
            *(mail_effect(name, purpose="transactional", offer=None) for name in ORDER_MAILS),
            *(effect("event", name, action="Segment Changed", payload={}) for name in EVENTS),
        ]
        for each in planned:
            at = replace(each, planned_at=NOW + self.skew())
            self.world.plan(at)
            self.queue.send([message_of(at)])

    def skew(self) -> int:
        """How far somebody's clock is off."""
        return self.chance.randint(-CLOCK_SKEW_SECONDS, CLOCK_SKEW_SECONDS)

    def worker(self, message: Message, who: str) -> Callable[[Switch], None]:
        """A worker with a clock of its own, which may die, or lose a reply of the provider."""
        skew, dies_at = self.skew(), self.chance.randint(1, 25)
        if self.chance.random() < 0.2:
            self.world.mailer.lose_replies(MailInDoubt("timeout"))

        def work(switch: Switch) -> None:
            def before(number: int, _port: str) -> None:
                switch()
                if number == dies_at:
                    raise Died

            ports = replace(self.world.ports, later=self.queue, contact_policy=TWO_A_WEEK)
            gated = Gate(before=before).guard(ports)
            back = True
            try:
                event, now = sqs_event(message), self.now + skew
                answer = from_messages(event, ports=gated, now=now, worker=who)
                back = bool(answer["batchItemFailures"])
            except (Died, Transient):
                pass
            if back:
                self.queue.hide(message, until=self.now + VISIBILITY_SECONDS)

        return work

    def live(self) -> int:
        """Until everything is at its end; returns after how many seconds."""
        for rounds in range(5_000):
            if all(self.world.effect(name).state in TERMINAL for name in IDS):
                return self.now - NOW
            self.queue.now = self.now
            sweeping = SweepPorts(self.world.store, self.queue)
            sweep(ports=sweeping, now=self.now + self.skew(), correlation_id="s")
            taken = self.queue.take()
            tasks = [self.worker(each, f"w-{rounds}-{n}") for n, each in enumerate(taken)]
            interleave(tasks, seed=self.chance.randrange(2**32))
            self.now += 60
        raise AssertionError("something stands still")


@pytest.mark.parametrize("seed", range(20))
def test_clocks_that_are_off_double_nothing_and_orphan_nothing(seed: int) -> None:
    """Marketing at most once, transactional at most twice, all at an end, the cap exact."""
    stage = Skewed(seed)

    seconds = stage.live()

    world = stage.world
    taken = Counter(mail.tags["effect_id"] for mail in world.mailer.sent)
    assert max((taken[name] for name in MAILS), default=0) <= 1
    assert max((taken[name] for name in ORDER_MAILS), default=0) <= 2
    for name in (*MAILS, *ORDER_MAILS):
        stored = world.effect(name)
        assert stored.posts <= (2 if name in ORDER_MAILS else 1)
        if stored.state == "ACCEPTED":
            assert taken[name] >= 1
        if name in ORDER_MAILS:
            assert taken[name] >= 1 or (stored.state, stored.posts) == ("ABANDONED", 2)
    assert {event.event_id for event in world.bus.events} == set(EVENTS)
    assert world.effect(*EVENTS).state == "ACCEPTED"
    permitted = {name for name in MAILS if world.effect(name).posts}
    mailed = world.store.one(MAILED.key(hash_of(EMAIL)))
    assert mailed is not None
    assert set(mailed.at_by_effect) == permitted
    assert len(permitted) == 2
    assert {world.effect(name).reason for name in MAILS if not world.effect(name).posts} == {
        "frequency_cap"
    }
    assert seconds <= 2 * ABANDON_AFTER_SECONDS + DAY_SECONDS


@pytest.mark.sweep
def test_clocks_that_are_off_at_many_seeds() -> None:
    """The same for a hundred stages more."""
    for seed in range(100, 200):
        test_clocks_that_are_off_double_nothing_and_orphan_nothing(seed)
