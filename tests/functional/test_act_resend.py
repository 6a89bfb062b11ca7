"""Transactional mail: at least once, at most twice; marketing: at most once, whatever happens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.errors import MailInDoubt, MailRefused, MailThrottled
from chalicelib.core.untouched import ABANDON_AFTER_SECONDS, RESEND_AFTER_SECONDS
from chalicelib.flows.act import LEASE_SECONDS
from chalicelib.flows.sweep import SweepPorts, sweep
from tests.mail_events import hear, ses_event
from tests.mail_makers import NOW, World, contact_of, mail_effect, sqs_event, world_with_a_mail

ID = "e" * 32
LOST = MailInDoubt("SendEmail: ReadTimeoutError")
THEN = NOW + RESEND_AFTER_SECONDS


def swept(world: World, *, now: int) -> int:
    """One run of the sweep; returns how many effects it queued."""
    ports = SweepPorts(world.store, world.later)
    return sweep(ports=ports, now=now, correlation_id="s")["queued"]


@pytest.fixture
def world() -> World:
    """Ada, and a mail about her order that may have been sent or not."""
    world = world_with_a_mail()
    world.plan(mail_effect(purpose="transactional", offer=None))
    world.mailer.lose_replies(LOST)
    assert world.act().state == "IN_DOUBT"
    return world


def test_a_doubt_waits_for_the_sweep(world: World) -> None:
    """No message cycles meanwhile; the sweep queues one when an event would long have come."""
    doubt = world.effect()
    assert world.act(now=NOW + 100).put_off == "in_doubt"
    assert (world.effect(), world.later.delays) == (doubt, [])

    assert swept(world, now=THEN - 1) == 0
    assert swept(world, now=THEN) == 1
    assert world.receive(sqs_event(*world.later.drain()), now=THEN, worker="w-2") == []
    assert (world.effect().state, world.effect().posts) == ("ACCEPTED", 2)


def test_a_message_a_moment_too_soon_does_not_cost_the_doubt_its_turn(world: World) -> None:
    """A worker whose clock is a second behind the sweep's: the next sweep queues it again."""
    swept(world, now=THEN)
    world.receive(sqs_event(*world.later.drain()), now=THEN - 1, worker="w-2")
    assert world.effect().state == "IN_DOUBT"

    assert swept(world, now=THEN + 60) == 1


def test_without_an_event_it_is_posted_once_more(world: World) -> None:
    """The customer waits for it: better twice than never."""
    outcome = world.act(now=THEN, worker="w-2")

    assert (outcome.state, outcome.effect.posts) == ("ACCEPTED", 2)
    assert len(world.mailer.sent) == 2
    assert len({mail.tags["effect_id"] for mail in world.mailer.sent}) == 1


def test_it_is_never_posted_a_third_time(world: World) -> None:
    """Two doubts, and it is given up after a day."""
    world.mailer.lose_replies(LOST)
    assert world.act(now=THEN, worker="w-2").state == "IN_DOUBT"

    for hours in range(1, 72):
        world.act(now=THEN + hours * 3600, worker=f"w-{hours}")

    assert len(world.mailer.sent) == 2
    assert (world.effect().state, world.effect().reason) == ("ABANDONED", "unresolved")
    assert world.effect().changed_at == THEN + ABANDON_AFTER_SECONDS


@pytest.mark.parametrize("name", ["send", "delivery", "bounce", "complaint"])
def test_an_event_in_time_saves_the_second_post(world: World, name: str) -> None:
    """Any event that carries the tag says that the first one was taken."""
    hear(world, ses_event(name))

    assert not world.act(now=THEN, worker="w-2").moved
    assert len(world.mailer.sent) == 1


def test_an_event_between_look_and_post_saves_it_too(world: World) -> None:
    """The second post is permitted only if nobody has touched the doubt."""
    world.store.before_write = lambda: hear(world, ses_event("delivery"))

    assert world.act(now=THEN, worker="w-2").state == "DELIVERED"
    assert len(world.mailer.sent) == 1


def test_of_two_workers_one_posts_again(world: World) -> None:
    """The doubt is left under its version."""

    def another_is_faster() -> None:
        world.act(now=THEN, worker="w-3")

    world.store.before_write = another_is_faster

    world.act(now=THEN, worker="w-2")

    assert len(world.mailer.sent) == 2
    assert world.effect().owner == "w-3"


def test_a_dead_resend_is_a_doubt_and_no_third_post(world: World) -> None:
    """The worker entered SENDING a second time and vanished."""
    dead = replace(
        world.effect(), state="SENDING", posts=2, owner="w-2", lease_until=THEN + LEASE_SECONDS
    )
    world.plan(dead)

    world.act(now=THEN + LEASE_SECONDS, worker="w-3")
    world.act(now=THEN + 10_000, worker="w-4")

    assert world.effect().state == "IN_DOUBT"
    assert len(world.mailer.sent) == 1


def test_a_throttled_resend_was_no_post(world: World) -> None:
    """Definitely not sent: the first post's doubt remains, and it may be tried again."""
    world.mailer.fail_next(MailThrottled("SendEmail: Throttling"))
    assert world.receive(sqs_event(ID), now=THEN, worker="w-2") == ["m-0"]
    assert (world.effect().state, world.effect().posts) == ("IN_DOUBT", 1)

    assert world.act(now=THEN + RESEND_AFTER_SECONDS, worker="w-3").state == "ACCEPTED"
    assert len(world.mailer.sent) == 2


def test_a_refused_resend_is_not_tried_again(world: World) -> None:
    """SES will never take it; whether it took the first one stays open until it is given up."""
    world.mailer.fail_next(MailRefused("message_rejected"))
    outcome = world.act(now=THEN, worker="w-2")
    assert (outcome.state, outcome.reason) == ("IN_DOUBT", "message_rejected")

    world.act(now=THEN + RESEND_AFTER_SECONDS, worker="w-3")
    world.act(now=THEN + ABANDON_AFTER_SECONDS, worker="w-4")

    assert len(world.mailer.sent) == 1
    assert world.effect().state == "ABANDONED"


def test_what_forbids_the_mail_by_then_forbids_its_resend(world: World) -> None:
    """Nothing more is posted, and nobody claims that nothing was."""
    world.meet(contact_of(consents={"transactional": False}))

    outcome = world.act(now=THEN, worker="w-2")

    assert (outcome.state, outcome.reason) == ("ABANDONED", "no_consent")
    assert len(world.mailer.sent) == 1


def test_the_kill_switch_holds_a_resend(world: World) -> None:
    """It waits in doubt, and goes out when the switch is on again."""
    world.switch(sending=False)
    for quarters in range(20):
        now = THEN + quarters * 900
        assert swept(world, now=now) == 1  # however often, a quarter of an hour later
        world.receive(sqs_event(*world.later.drain()), now=now, worker=f"w-{quarters}")
        doubt = world.effect()
        assert (doubt.state, doubt.reason, doubt.not_before) == (
            "IN_DOUBT",
            "no_answer",
            now + 900,
        )
        assert doubt.changed_at == NOW

    world.switch(sending=True)
    assert world.act(now=THEN + 18_000, worker="w-last").state == "ACCEPTED"
    assert world.effect().not_before is None


def test_a_sleeper_does_not_undo_anothers_resend(world: World) -> None:
    """The first worker wakes up with a refusal while the second is sending: that is no news."""
    world = world_with_a_mail()
    world.plan(mail_effect(purpose="transactional", offer=None))

    class Sleeper:
        """A provider that answers no when a second worker has long begun."""

        def send(self, raw: bytes, **_: Any) -> str:
            world.act(now=NOW + LEASE_SECONDS, worker="w-2")  # records the doubt
            late = NOW + LEASE_SECONDS + RESEND_AFTER_SECONDS
            world.plan(
                replace(
                    world.effect(), state="SENDING", posts=2, owner="w-3", lease_until=late + 120
                )
            )
            raise MailRefused("message_rejected")

    world.act(mailer=Sleeper())

    assert (world.effect().state, world.effect().owner) == ("SENDING", "w-3")


def test_marketing_in_doubt_is_never_posted_again() -> None:
    """Not when a message comes, nor when it is given up."""
    world = world_with_a_mail()
    world.mailer.lose_replies(LOST)
    world.act()
    assert len(world.later.messages) == 0

    for hours in range(1, 72):
        world.act(now=NOW + hours * 3600, worker=f"w-{hours}")

    assert len(world.mailer.sent) == 1
    assert world.effect().posts == 1
    assert world.effect().state == "ABANDONED"
