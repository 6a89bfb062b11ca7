"""What stops or slows all mail: the breaker, the account's rate, its quota. Nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.breaker import SHARDS, Counts, Tally
from chalicelib.core.effects import TERMINAL
from chalicelib.core.errors import MailTooFast, Transient
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import BREAKER, PACE, PACE_NAME
from chalicelib.core.pace import Limits
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from chalicelib.flows.act import from_messages
from chalicelib.flows.sweep import SweepPorts, sweep
from tests.baton import Switch, interleave
from tests.gate import Gate
from tests.mail_events import hear, ses_event
from tests.mail_makers import NOW, World, contact_of, mail_effect, sqs_event, world_with_a_mail

ID = "e" * 32
Message = str | Mapping[str, Any]
DAY = NOW // DAY_SECONDS


def world_of(count: int) -> tuple[World, list[str]]:
    """So many people, and a mail for each."""
    world, names = World(), [f"{index:032x}" for index in range(count)]
    for index, name in enumerate(names):
        person = customer(f"p-{index}")
        world.meet(contact_of(person, email=f"p{index}@example.com"))
        world.plan(mail_effect(name, subject=person, offer=None))
    return world, names


def tally(world: World, counts: Counts) -> None:
    """Let these counts of today stand, in one of the shards."""
    put = Put(BREAKER.key(str(SHARDS - 1)), Tally({DAY: counts}), WHATEVER)
    world.store.write([put], now=NOW)


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (Counts(1000, 40, 0), "breaker_bounces"),
        (Counts(10_000, 0, 8), "breaker_complaints"),
        (Counts(999, 999, 999), None),
        (Counts(1000, 39, 5), None),
    ],
)
def test_the_breaker_holds_marketing_and_loses_none(counts: Counts, reason: str | None) -> None:
    """An open breaker puts marketing off; when the bad days have passed, it goes out."""
    world = world_with_a_mail()
    tally(world, counts)

    outcome = world.act()

    assert outcome.put_off == reason
    if reason is not None:
        assert (world.effect().state, world.effect().not_before) == ("PLANNED", NOW + 900)
        assert len(world.later.messages) == 0
        assert world.act(now=NOW + 7 * DAY_SECONDS).state == "ACCEPTED"


def test_the_breaker_does_not_stop_transactional_mail() -> None:
    """A customer who waits for a mail about an order is no newsletter."""
    world = world_with_a_mail()
    tally(world, Counts(1000, 500, 500))
    world.plan(mail_effect(purpose="transactional", offer=None))

    assert world.act().state == "ACCEPTED"


def test_bounces_open_it_by_themselves() -> None:
    """From SES's events alone: 40 of 1,000 bounce, and the next marketing mail is held."""
    world = World()
    sent = replace(mail_effect(), state="ACCEPTED", posts=1)
    for index in range(1000):
        effect_id = f"{index:032x}"
        world.plan(replace(sent, effect_id=effect_id))
        name = "bounce" if index % 25 == 0 else "delivery"
        hear(world, ses_event(name, effect_id=effect_id), now=NOW + 60)
    world.meet(contact_of(customer("c-2"), email="bo@example.com"))
    world.plan(mail_effect("f" * 32, subject=customer("c-2")))

    assert world.act("f" * 32, now=NOW + 60).put_off == "breaker_bounces"
    assert len(world.store.all("breaker")) == SHARDS


def send_all(
    world: World,
    names: list[str],
    *,
    limits: Limits,
    workers: int,
    seed: int,
    pause: Callable[[int], int] = lambda now: now + 1,
) -> list[tuple[int, int]]:
    """Let workers empty the queue, all at once in each round, and sweep before the next one.

    Returns mails by moment.
    """
    sent: list[tuple[int, int]] = []
    now, delivery = NOW, 0
    waiting: list[Message] = list(names)
    while any(world.effect(name).state not in TERMINAL for name in names):
        before = len(world.mailer.sent)
        back: list[Message] = []

        def worker(
            share: list[Message], who: str, *, now: int = now, back: list[Message] = back
        ) -> Callable[[Switch], None]:
            def work(switch: Switch) -> None:
                gate = Gate(before=lambda _number, _port: switch())
                ports = gate.guard(world.ports_with(limits=limits))
                replaced: Mapping[str, Any] = {
                    name: getattr(ports, name) for name in ("store", "mailer", "later", "limits")
                }
                failed = world.receive(sqs_event(*share), now=now, worker=who, **replaced)
                back.extend(share[int(name.removeprefix("m-"))] for name in failed)

            return work

        shares = [waiting[n * 10 : n * 10 + 10] for n in range(workers)]
        interleave(
            [worker(share, f"w-{delivery}-{n}") for n, share in enumerate(shares) if share],
            seed=seed + delivery,
        )
        sent.append((now, len(world.mailer.sent) - before))
        now, delivery = pause(now), delivery + 1
        sweep(ports=SweepPorts(world.store, world.later), now=now, correlation_id="s")
        waiting = waiting[workers * 10 :] + back
        waiting += world.later.drain()
        assert delivery < 400
    return sent


@pytest.mark.parametrize("seed", range(3))
def test_16_workers_keep_the_rate_in_every_second(seed: int) -> None:
    """Fourteen in a second and never fifteen; every mail goes out in the end, once."""
    world, names = world_of(100)

    sent = send_all(world, names, limits=Limits(per_second=14), workers=16, seed=seed)

    assert max(count for _, count in sent) == 14
    assert len(world.mailer.sent) == len(names)
    assert {world.effect(name).state for name in names} == {"ACCEPTED"}
    assert set(Counter(mail.recipient for mail in world.mailer.sent).values()) == {1}
    busy = sent[: 100 // 14]
    assert sum(count for _, count in busy) >= 0.9 * 14 * len(busy)


def test_the_quota_of_24_hours_is_used_and_never_exceeded() -> None:
    """What does not fit waits for the hour in which there is room again."""
    world, names = world_of(50)

    sent = send_all(
        world,
        names,
        limits=Limits(per_day=20),
        workers=4,
        seed=1,
        pause=lambda now: now + 900,
    )

    assert len(world.mailer.sent) == 50
    for end, _ in sent:
        window = sum(count for at, count in sent if end - DAY_SECONDS < at <= end)
        assert window <= 20
    assert sent[0][1] == 20


def test_a_full_second_holds_the_mail_and_a_message_comes_back_soon() -> None:
    """Not in a quarter of an hour, and not all at once."""
    world, names = world_of(30)
    for name in names:
        world.act(name, limits=Limits(per_second=1), worker=f"w-{name}")

    assert len(world.mailer.sent) == 1
    held = [world.effect(name) for name in names[1:]]
    assert {(each.state, each.reason) for each in held} == {("PLANNED", "rate")}
    assert len(world.later.messages) == 29
    assert {1, 10} <= set(world.later.delays) <= set(range(1, 11))


def test_a_slot_that_nobody_used_costs_a_slot_and_no_mail() -> None:
    """A reply that was lost: the mail goes out later, and the rate is kept all the same."""
    world = world_with_a_mail()
    world.store.lose_replies(None, Transient("reply lost"))

    assert world.receive(sqs_event(ID), limits=Limits(per_second=5)) == ["m-0"]
    assert world.act(now=NOW + 360, limits=Limits(per_second=5), worker="w-2").state == "ACCEPTED"

    pace = world.store.read([PACE.key(PACE_NAME)], now=NOW).value(PACE.key(PACE_NAME))
    assert pace is not None
    assert sum(pace.by_hour.values()) == 2
    assert len(world.mailer.sent) == 1


@pytest.mark.parametrize("purpose", ["marketing_email", "transactional"])
def test_a_provider_that_says_too_fast_is_asked_again_later_however_often(purpose: str) -> None:
    """Another sender may have used the account's rate up: the mail is held, and not lost."""
    world = world_with_a_mail()
    world.plan(mail_effect(purpose=purpose, offer=None))
    messages: list[Message] = [ID]
    for minutes in range(20):  # five redeliveries would have ended in the dead-letter queue
        world.mailer.fail_next(MailTooFast("SendEmail: TooManyRequestsException"))
        event = sqs_event(*messages)
        assert world.receive(event, now=NOW + minutes * 60, worker=f"w-{minutes}") == []
        held = world.effect()
        assert (held.state, held.reason, held.posts) == ("PLANNED", "rate", 0)
        messages = [*world.later.drain()]
        assert len(messages) == 1

    assert world.act(now=NOW + 1200, worker="w-last").state == "ACCEPTED"
    assert len(world.mailer.sent) == 1


def test_slots_are_counted_by_the_clock_not_by_when_the_worker_began() -> None:
    """Ten mails take a worker a while; each counts in the second in which it leaves."""
    world, names = world_of(10)
    seconds = iter(range(NOW, NOW + 10))
    ports = world.ports_with(limits=Limits(per_second=1), clock=lambda: next(seconds))

    answer = from_messages(sqs_event(*names), ports=ports, now=NOW, worker="w")

    assert answer == {"batchItemFailures": []}
    assert len(world.mailer.sent) == 10


def test_the_bus_is_not_paced() -> None:
    """Only mails are counted, and without limits nothing is asked."""
    world = world_with_a_mail()

    assert world.act().state == "ACCEPTED"
    assert world.store.all("pace") == {}
