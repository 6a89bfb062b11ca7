"""Held effects: one owner of what comes next, no message that cycles, and out again in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from chalicelib.core.breaker import SHARDS as BREAKER_SHARDS
from chalicelib.core.breaker import Counts, Tally
from chalicelib.core.contact_policy import ContactPolicy, QuietHours
from chalicelib.core.effects import TERMINAL
from chalicelib.core.errors import MailInDoubt, MailTooFast, Transient
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import BREAKER
from chalicelib.core.overdue import GRACE_SECONDS
from chalicelib.core.pace import Limits
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from chalicelib.core.untouched import RESEND_AFTER_SECONDS
from chalicelib.flows.sweep import SweepPorts, sweep
from tests.delay_queue import DelayQueue, Message
from tests.mail_makers import (
    NOW,
    World,
    contact_of,
    mail_effect,
    message_of,
    sqs_event,
    world_with_a_mail,
)

MAIL, ORDER_MAIL = "e" * 32, "0" * 32
EVERY_SECONDS = 60
QUIET = ContactPolicy(quiet_hours=QuietHours(start="21:00", end="08:00"))
EVENING = int(datetime(2026, 2, 25, 21, 30, tzinfo=UTC).timestamp())
MORNING = EVENING + 10 * 3600 + 1800


def lived(
    world: World,
    queue: DelayQueue,
    *,
    seconds: int,
    step: int = EVERY_SECONDS,
    each: Callable[[int], None] = lambda _now: None,
    down: Callable[[int], bool] = lambda _now: False,
    **ports: Any,
) -> None:
    """Let time pass: the sweep once a minute, and at every step a worker for all that is visible.

    While the workers are ``down`` nothing is taken; ``each`` is called whenever all was.
    """
    end = queue.now + seconds
    while queue.now < end:
        if (queue.now - queue.began) % EVERY_SECONDS == 0:
            sweep(ports=SweepPorts(world.store, queue), now=queue.now, correlation_id="s")
        if not down(queue.now):
            for number, message in enumerate(queue.take()):
                given = {"later": queue, **ports}
                event, worker = sqs_event(message), f"w-{queue.now}-{number}"
                assert world.receive(event, now=queue.now, worker=worker, **given) == []
            each(queue.now)
        queue.now += step


def breaks_open(world: World, *, now: int) -> None:
    """Let too many mails of today have bounced."""
    tally = Tally({now // DAY_SECONDS: Counts(1000, 500, 0)})
    put = Put(BREAKER.key(str(BREAKER_SHARDS - 1)), tally, WHATEVER)
    world.store.write([put], now=now)


def held_world(reason: str) -> tuple[World, dict[str, Any]]:
    """A mail that something will hold, and what the worker is given for it."""
    world = world_with_a_mail()
    world.meet(contact_of(time_zone="UTC"))
    world.plan(replace(mail_effect(offer=None), planned_at=EVENING))
    match reason:
        case "sending_off":
            world.switch(sending=False)
        case "breaker_bounces":
            breaks_open(world, now=EVENING)
        case "quiet_hours":
            return world, {"contact_policy": QUIET}
        case "quota":
            return world, {"limits": Limits(per_day=0)}
        case "rate":
            return world, {"limits": Limits(per_second=0)}
    return world, {}


LONG = ["sending_off", "breaker_bounces", "quiet_hours", "quota"]


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("reason", LONG)
def test_nothing_of_a_held_mail_is_in_the_queue(reason: str, copies: int) -> None:
    """Ten hours of a hold that is renewed again and again, and of copies of each message."""
    world, ports = held_world(reason)
    queue = DelayQueue(EVENING, copies=lambda: copies)
    queue.send([message_of(world.effect())] * copies)

    def check(_now: int) -> None:
        effect = world.effect()
        assert (effect.state, effect.reason) == ("PLANNED", reason)
        assert queue.waiting == []

    lived(world, queue, seconds=10 * 3600, each=check, **ports)

    renewals = {"quiet_hours": 0, "quota": 0}.get(reason, 10 * 3600 // 900)
    assert queue.sent - copies <= renewals
    assert world.mailer.sent == []


@pytest.mark.parametrize("seed", range(8))
def test_a_wait_for_the_rate_has_one_message_however_often_it_is_renewed(seed: int) -> None:
    """Copies of every message, a relay that repeats itself, workers that are down for minutes.

    Whenever all that is visible was taken, one message of the mail is left: its present hold's.
    """
    chance = Random(seed)  # noqa: S311 - replays
    world, ports = held_world("rate")
    queue = DelayQueue(EVENING, copies=lambda: chance.randint(1, 3))
    first = message_of(world.effect())
    queue.send([first] * 3)
    ends: set[int | None] = set()
    outages: list[int] = []
    up_again = EVENING

    def down(now: int) -> bool:
        nonlocal up_again
        if now >= up_again and chance.random() < 0.01:  # long enough for the sweep to send one, too
            up_again = now + 3 * GRACE_SECONDS
            outages.append(now)
        return now < up_again

    def check(now: int) -> None:
        effect = world.effect()
        ends.add(effect.not_before)
        assert (effect.state, effect.reason) == ("PLANNED", "rate")
        assert [body["held_until"] for _, body in queue.waiting] == [effect.not_before]
        if chance.random() < 0.2:
            queue.waiting.append((now, first))

    lived(world, queue, seconds=3600, step=1, each=check, down=down, **ports)

    assert len(ends) > 50
    assert len(outages) > 2


@pytest.mark.parametrize("renewals", [1, 20, 200])
def test_n_renewals_leave_one_message(renewals: int) -> None:
    """Whatever was sent for an earlier hold leads to nothing more, and in no order to two mails."""
    world, ports = held_world("rate")
    queue = DelayQueue(EVENING)
    old: list[Message] = []
    queue.send([message_of(world.effect())])
    while len(old) < renewals:
        old += [body for _, body in queue.waiting]
        queue.now = max(at for at, _ in queue.waiting)
        lived(world, queue, seconds=1, **ports)
    assert len(queue.waiting) == 1

    queue.send(old)
    lived(world, queue, seconds=1, step=1, **ports)
    assert len(queue.waiting) == 1
    assert queue.waiting[0][1]["held_until"] == world.effect().not_before

    queue.send(old)
    lived(world, queue, seconds=60, step=1)
    assert (len(world.mailer.sent), queue.waiting) == (1, [])


@pytest.mark.parametrize("offset_seconds", range(0, EVERY_SECONDS, 7))
def test_the_morning_is_noticed_within_one_sweep(offset_seconds: int) -> None:
    """Quiet hours end at eight; by one minute past eight the mail is out."""
    world, ports = held_world("quiet_hours")
    world.receive(sqs_event(MAIL), now=EVENING, **ports)
    assert world.effect().not_before == MORNING
    queue = DelayQueue(MORNING - 600)
    out: list[int] = []

    def check(now: int) -> None:
        out.extend([now] * (len(world.mailer.sent) - len(out)))

    while not out:
        at = queue.now + offset_seconds
        sweep(ports=SweepPorts(world.store, queue), now=at, correlation_id="s")
        for message in queue.take():
            world.receive(sqs_event(message), now=at, worker="w", later=queue, **ports)
        check(at)
        queue.now += EVERY_SECONDS

    assert MORNING <= out[0] < MORNING + EVERY_SECONDS


def test_a_switch_that_is_on_again_is_noticed_within_a_quarter_of_an_hour_and_a_sweep() -> None:
    """Nobody tells the mails that wait; each asks again by itself."""
    world, _ = held_world("sending_off")
    queue = DelayQueue(EVENING)
    queue.send([message_of(world.effect())])
    lived(world, queue, seconds=3 * 3600)
    world.switch(sending=True)
    began = queue.now

    lived(world, queue, seconds=900 + EVERY_SECONDS)

    assert world.effect().state == "ACCEPTED"
    assert (world.effect().changed_at or 0) <= began + 900 + EVERY_SECONDS


def test_the_sweep_is_a_worker_sooner_than_the_hold_is_over() -> None:
    """Two clocks that differ by a second cost one more sweep, not the sweep's patience."""
    world, ports = held_world("quiet_hours")
    world.receive(sqs_event(MAIL), now=EVENING, **ports)
    queue = DelayQueue(MORNING)

    sweep(ports=SweepPorts(world.store, queue), now=MORNING, correlation_id="s")
    world.receive(sqs_event(*queue.take()), now=MORNING - 1, worker="w-1", later=queue, **ports)
    assert world.effect().state == "PLANNED"

    sweep(ports=SweepPorts(world.store, queue), now=MORNING + 60, correlation_id="s")
    world.receive(sqs_event(*queue.take()), now=MORNING + 60, worker="w-2", later=queue, **ports)
    assert world.effect().state == "ACCEPTED"


def test_a_doubt_has_no_message_either() -> None:
    """The second post of a transactional mail comes by the sweep, once, however it was repeated."""
    world = world_with_a_mail()
    world.plan(mail_effect(ORDER_MAIL, purpose="transactional", offer=None))
    world.mailer.lose_replies(MailInDoubt("SendEmail: ReadTimeoutError"))
    queue = DelayQueue(NOW, copies=lambda: 2)
    queue.send([message_of(world.effect(ORDER_MAIL))] * 3)
    posts: list[int] = []

    def check(now: int) -> None:
        posts.extend([now] * (len(world.mailer.to("ada@example.com")) - len(posts)))
        assert queue.waiting == []

    lived(world, queue, seconds=2 * 3600, each=check)

    assert world.effect(ORDER_MAIL).posts == 2
    first, second, third = posts  # the other one is the marketing mail that nobody announced
    assert (first, third) == (NOW, NOW + RESEND_AFTER_SECONDS)
    assert second == NOW + GRACE_SECONDS


def test_a_hold_whose_message_could_not_be_sent_is_swept_up() -> None:
    """The ledger first, then the message: a crash in between costs a grace and one sweep."""
    world, ports = held_world("rate")
    queue = DelayQueue(EVENING)
    world.later.fail_next(Transient("SendMessageBatch"))

    assert world.receive(sqs_event(MAIL), now=EVENING, **ports) == ["m-0"]
    held = world.effect()
    assert (held.state, held.reason, list(world.later.messages)) == ("PLANNED", "rate", [])
    assert held.not_before == EVENING + 1

    # Its own message comes back, and is void: it was sent for none.
    assert world.receive(sqs_event(MAIL), now=EVENING + 60, worker="w-2", later=queue) == []
    assert world.effect() == held
    lived(world, queue, seconds=1 + GRACE_SECONDS + EVERY_SECONDS)
    assert world.effect().state == "ACCEPTED"


def test_a_mail_that_left_too_fast_waits_with_one_message() -> None:
    """SES's own word holds it for a minute, whatever copies of its message there are."""
    world, _ = held_world("none")
    queue = DelayQueue(EVENING, copies=lambda: 3)
    queue.send([message_of(world.effect())])
    world.mailer.fail_next(*[MailTooFast("TooManyRequestsException")] * 5)

    lived(world, queue, seconds=600, step=1, each=lambda _now: None)

    assert world.effect().state == "ACCEPTED"
    assert (len(world.mailer.sent), queue.waiting) == (1, [])
    assert queue.sent == 1 + 5


def test_a_morning_of_many_does_not_hide_what_was_lost() -> None:
    """What the sweep itself holds stands in shards of its own, not next to lost plans."""
    world = World()
    people = [customer(f"p-{number}") for number in range(400)]
    held = [
        replace(
            mail_effect(f"{number:032x}", subject=person),
            not_before=NOW + 60,
            reason="quiet_hours",
            changed_at=NOW,
        )
        for number, person in enumerate(people)
    ]
    world.plan(*held)
    world.plan(mail_effect("f" * 32))
    now = NOW + GRACE_SECONDS

    sweep(ports=SweepPorts(world.store, world.later), now=now, correlation_id="s", most_per_shard=5)

    queued = [message["effect_id"] for message in world.later.messages]
    assert queued[0] == "f" * 32
    assert len(queued) == 1 + 8 * 5


def test_every_hold_ends() -> None:
    """All reasons one after the other, and the mail is out once in the end."""
    world, _ = held_world("sending_off")
    queue = DelayQueue(EVENING, copies=lambda: 2)
    queue.send([message_of(world.effect())])
    lived(world, queue, seconds=1800)
    world.switch(sending=True)
    breaks_open(world, now=EVENING)
    lived(world, queue, seconds=1800)
    assert world.effect().reason == "breaker_bounces"
    world.store.write([Put(BREAKER.key(str(BREAKER_SHARDS - 1)), Tally({}), WHATEVER)], now=EVENING)
    lived(world, queue, seconds=1800, limits=Limits(per_day=0))
    assert world.effect().reason == "quota"
    lived(world, queue, seconds=2 * DAY_SECONDS, contact_policy=QUIET)

    assert world.effect().state in TERMINAL
    assert len(world.mailer.sent) == 1
