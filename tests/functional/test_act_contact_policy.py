"""How often and when people are written to, however many workers are at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.core.contact_policy import ContactPolicy, QuietHours
from chalicelib.core.errors import MailInDoubt, MailThrottled, Transient
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.subject import customer
from chalicelib.flows.act import perform
from tests.baton import Switch, interleave
from tests.gate import Gate
from tests.mail_makers import ADA, EMAIL, NOW, World, contact_of, mail_effect, world_with_a_mail

QUIET = QuietHours(start="21:00", end="08:00")
THREE_A_WEEK = ContactPolicy(max_marketing_mails=3, window_days=7)
NIGHTS_OFF = ContactPolicy(max_marketing_mails=3, window_days=7, quiet_hours=QUIET)
ACTIONS = 64


def ids(count: int) -> list[str]:
    """Names of effects."""
    return [f"{index:032x}" for index in range(count)]


def world_with_mails(count: int, **texts: Any) -> World:
    """One address behind two customers, and mails of many actions planned for both."""
    world = World()
    other = customer("c-2")
    world.meet(contact_of(**texts), contact_of(other, **{**texts, "email": EMAIL.upper()}))
    for index, name in enumerate(ids(count)):
        world.plan(mail_effect(name, subject=other if index % 2 else ADA, offer=None))
    return world


def at_once(
    world: World, names: Sequence[str], *, policy: ContactPolicy, now: int, seed: int
) -> None:
    """One worker for each effect, all at the same time; what comes back is taken up again."""

    def worker(name: str, number: int) -> Callable[[Switch], None]:
        def work(switch: Switch) -> None:
            gate = Gate(before=lambda _number, _port: switch())
            for delivery in range(50):
                ports = gate.guard(world.ports_with(contact_policy=policy))
                who = f"w-{number}-{delivery}"
                try:
                    perform(name, ports=ports, now=now, worker=who, correlation_id="c")
                except (Transient, MailThrottled):
                    now_later(world, name)
                    continue
                return

        return work

    interleave([worker(name, number) for number, name in enumerate(names)], seed=seed)


def now_later(world: World, name: str) -> None:
    """A claim whose worker gave up is free when its lease has run out; time stands still here."""
    world.free(name)


@pytest.mark.parametrize("seed", range(12))
def test_64_workers_on_one_address_never_breach_the_cap(seed: int) -> None:
    """Three mails go out, whoever is first; the others are suppressed, and none is lost."""
    world = world_with_mails(ACTIONS)

    at_once(world, ids(ACTIONS), policy=THREE_A_WEEK, now=NOW, seed=seed)

    assert len(world.mailer.sent) == 3
    outcomes = [(world.effect(name).state, world.effect(name).reason) for name in ids(ACTIONS)]
    assert sorted(set(outcomes), key=str) == [
        ("ACCEPTED", None),
        ("SUPPRESSED", "frequency_cap"),
    ]
    assert outcomes.count(("ACCEPTED", None)) == 3


def test_the_window_rolls() -> None:
    """A mail counts for the window, to the second that clocks may differ by, and then no more."""
    world = world_with_mails(8)
    policy: dict[str, Any] = {"contact_policy": THREE_A_WEEK}
    for index, name in enumerate(ids(3)):
        assert world.act(name, now=NOW + index, **policy).state == "ACCEPTED"

    week = NOW + 7 * DAY_SECONDS
    assert world.act(ids(8)[3], now=week + 299, **policy).reason == "frequency_cap"
    assert world.act(ids(8)[4], now=week + 300, **policy).state == "ACCEPTED"
    assert world.act(ids(8)[5], now=week + 300, **policy).reason == "frequency_cap"
    assert world.act(ids(8)[6], now=week + 302, **policy).state == "ACCEPTED"


def test_a_mail_in_doubt_counts_and_one_given_back_takes_its_own_place() -> None:
    """What may have been sent counts; what definitely was not does not count twice."""
    world = world_with_mails(5)
    policy: dict[str, Any] = {"contact_policy": THREE_A_WEEK}
    world.mailer.lose_replies(MailInDoubt("SendEmail: ReadTimeoutError"))
    one, two, three, four, _ = ids(5)
    assert world.act(one, **policy).state == "IN_DOUBT"
    assert world.act(two, **policy).state == "ACCEPTED"

    for number in range(3):
        world.mailer.fail_next(MailThrottled("SendEmail: Throttling"))
        with pytest.raises(MailThrottled):
            world.act(three, worker=f"w-{number}", **policy)
    assert world.act(three, worker="w-9", **policy).state == "ACCEPTED"

    assert world.act(four, **policy).reason == "frequency_cap"


def test_a_transactional_mail_is_neither_counted_nor_capped_nor_held() -> None:
    """Whoever waits for a mail about an order gets it at night, and as the fifth."""
    world = world_with_mails(4, time_zone="UTC")
    policy = ContactPolicy(max_marketing_mails=1, quiet_hours=QUIET)
    night = int(datetime(2026, 2, 25, 23, tzinfo=UTC).timestamp())
    for index in range(6):
        world.plan(mail_effect(f"{index:x}" * 32, purpose="transactional", offer=None))
        outcome = world.act(f"{index:x}" * 32, now=night, contact_policy=policy)
        assert outcome.state == "ACCEPTED"
    assert world.store.all("mailed") == {}


def test_a_held_mail_says_until_when_and_why_and_needs_no_message() -> None:
    """The ledger holds it as planned; until the hold is over nothing of it is in the queue."""
    world = world_with_a_mail()
    world.meet(contact_of(time_zone="Europe/Berlin"))
    night = int(datetime(2026, 2, 26, 6, 50, tzinfo=UTC).timestamp())  # 07:50 in Berlin

    outcome = world.act(now=night - 3600, contact_policy=NIGHTS_OFF)

    effect = world.effect()
    assert (outcome.put_off, effect.state, effect.reason) == (
        "quiet_hours",
        "PLANNED",
        "quiet_hours",
    )
    assert effect.not_before == night + 600
    assert (effect.owner, effect.lease_until) == (None, None)
    assert world.act(now=night, contact_policy=NIGHTS_OFF).put_off == "quiet_hours"
    assert world.effect() == effect
    assert world.later.delays == []

    assert world.act(now=night + 600, contact_policy=NIGHTS_OFF).state == "ACCEPTED"
    assert (world.effect().not_before, world.effect().reason) == (None, None)


def test_a_hold_ends_when_what_it_waited_for_comes_sooner() -> None:
    """A customer who moves to a zone where it is day is not kept waiting for the old morning."""
    world = world_with_a_mail()
    world.meet(contact_of(time_zone="Europe/Berlin"))
    night = int(datetime(2026, 2, 25, 22, tzinfo=UTC).timestamp())
    world.act(now=night, contact_policy=NIGHTS_OFF)

    world.meet(contact_of(time_zone="America/New_York"))

    assert world.act(now=night + 900, contact_policy=NIGHTS_OFF).state == "ACCEPTED"


@pytest.mark.parametrize("said", [None, "Mars/Olympus_Mons", "../../etc/passwd"])
def test_an_unknown_zone_is_the_policys(said: str | None) -> None:
    """Nobody is mailed at night because their zone is missing or made up."""
    world = world_with_a_mail()
    texts: dict[str, Any] = {"time_zone": said}
    world.meet(contact_of(**texts))
    policy = ContactPolicy(quiet_hours=QUIET, default_time_zone="Asia/Tokyo")
    noon_in_london = int(datetime(2026, 2, 25, 12, 30, tzinfo=UTC).timestamp())

    assert world.act(now=noon_in_london, contact_policy=policy).put_off == "quiet_hours"
    assert world.act(now=noon_in_london + 12 * 3600, contact_policy=policy).state == "ACCEPTED"


def test_the_cap_is_asked_when_a_hold_ends() -> None:
    """Mails that wait for the morning are counted in the morning, not when they were planned."""
    world = world_with_mails(5, time_zone="UTC")
    night = int(datetime(2026, 2, 25, 23, tzinfo=UTC).timestamp())
    for name in ids(5):
        assert world.act(name, now=night, contact_policy=NIGHTS_OFF).put_off == "quiet_hours"

    morning = night + 9 * 3600
    states = [world.act(name, now=morning, contact_policy=NIGHTS_OFF).state for name in ids(5)]

    assert states == ["ACCEPTED"] * 3 + ["SUPPRESSED"] * 2
