"""Workers that race, die and come back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.errors import MailRefused, MailThrottled, Transient
from chalicelib.flows.act import LEASE_SECONDS
from tests.mail_makers import (
    NOW,
    World,
    contact_of,
    mail_effect,
    sqs_event,
    world_with_a_mail,
)

ID = "e" * 32


@pytest.fixture
def world() -> World:
    """Ada, who agreed to marketing, and one mail planned for her."""
    return world_with_a_mail()


def test_of_two_workers_one_sends(world: World) -> None:
    """Another worker takes the effect between our look and our claim: we do not send."""

    def another_is_faster() -> None:
        world.act(worker="w-2")

    world.store.before_write = another_is_faster

    assert not world.act(worker="w-1").moved

    assert len(world.mailer.sent) == 1
    assert world.effect().owner == "w-2"


def test_what_another_worker_holds_comes_back_later(world: World) -> None:
    """While a lease runs the message is not done with: its holder may yet die."""
    held = replace(mail_effect(), state="CLAIMED", owner="w-2", lease_until=NOW + 60)
    world.plan(held)

    assert world.receive(sqs_event(ID)) == ["m-0"]
    assert world.effect() == held


def test_a_dead_workers_claim_is_taken_over(world: World) -> None:
    """It had not begun to send, so nothing is in doubt."""
    dead = replace(mail_effect(), state="CLAIMED", owner="w-2", lease_until=NOW, attempts=1)
    world.plan(dead)

    assert world.act().state == "ACCEPTED"
    assert world.effect().attempts == 2


def test_a_dead_workers_sending_is_in_doubt(world: World) -> None:
    """Nobody knows whether it was sent: the doubt is recorded, and the message is done with."""
    dead = replace(mail_effect(), state="SENDING", owner="w-2", lease_until=NOW, attempts=1)
    world.plan(dead)

    assert world.receive(sqs_event(ID)) == []

    stored = world.effect()
    assert (stored.state, stored.reason) == ("IN_DOUBT", "worker_vanished")
    assert world.mailer.sent == []


def test_a_living_workers_sending_is_left_alone(world: World) -> None:
    """Its lease runs: it may be waiting for the provider right now."""
    living = replace(mail_effect(), state="SENDING", owner="w-2", lease_until=NOW + 1)
    world.plan(living)

    assert world.receive(sqs_event(ID)) == ["m-0"]
    assert world.effect() == living


def test_a_sleeper_that_wakes_up_settles_its_own_doubt(world: World) -> None:
    """A worker slept past its lease while sending; it still knows that the mail was taken."""

    def doubted_meanwhile() -> None:
        world.act(now=NOW + LEASE_SECONDS, worker="w-2")

    class Sleeper:
        def send(self, raw: bytes, **arguments: Any) -> str:
            doubted_meanwhile()
            return world.mailer.send(raw, **arguments)

    assert world.act(mailer=Sleeper()).state == "ACCEPTED"
    assert world.effect().provider_id == "memory-1"


@pytest.mark.parametrize("error", [MailRefused("message_rejected"), MailThrottled("Throttling")])
def test_a_recorded_doubt_is_not_undone_by_a_refusal(world: World, error: Exception) -> None:
    """Only an acceptance settles a doubt that another worker has recorded meanwhile."""

    class Sleeper:
        def send(self, raw: bytes, **_: Any) -> str:
            world.act(now=NOW + LEASE_SECONDS, worker="w-2")
            raise error

    world.receive(sqs_event(ID), mailer=Sleeper())

    assert world.effect().state == "IN_DOUBT"
    assert world.receive(sqs_event(ID), now=NOW + 360, worker="w-3") == []
    assert world.mailer.sent == []


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_lost_reply_of_our_own_write_is_recognised(world: World, call: int) -> None:
    """The write was applied and its reply lost: the worker finds itself there, and goes on."""
    world.store.lose_replies(*[None] * (call - 1), Transient("reply lost"))

    assert world.act().state == "ACCEPTED"
    assert len(world.mailer.sent) == 1


@pytest.mark.parametrize("call", [1, 2])
def test_a_write_that_failed_before_sending_sends_nothing(world: World, call: int) -> None:
    """Without the claim or the permission in storage, no mail leaves; the message comes back."""
    world.store.fail_writes(*[None] * (call - 1), Transient("storage"))

    assert world.receive(sqs_event(ID)) == ["m-0"]
    assert world.mailer.sent == []

    assert world.receive(sqs_event(ID), now=NOW + 360, worker="w-2") == []
    assert len(world.mailer.sent) == 1


def test_a_confirmation_is_written_persistently(world: World) -> None:
    """Storage hiccups after the mail was taken: the worker tries again before it gives up."""
    world.store.fail_writes(None, None, Transient("1"), Transient("2"), Transient("3"))

    assert world.act().state == "ACCEPTED"


def test_a_confirmation_that_cannot_be_written_leaves_a_doubt(world: World) -> None:
    """Better a mail in doubt than a mail twice."""
    world.store.fail_writes(None, None, *[Transient("down")] * 4)

    assert world.receive(sqs_event(ID)) == ["m-0"]
    assert world.effect().state == "SENDING"

    assert world.receive(sqs_event(ID), now=NOW + 360, worker="w-2") == []
    assert world.effect().state == "IN_DOUBT"
    assert len(world.mailer.sent) == 1


def test_endless_contention_comes_back(world: World) -> None:
    """When the contact changes at every look, the worker gives up for now and sends nothing."""
    names = iter("ABCDEFGHIJ")

    def change_again() -> None:
        world.meet(contact_of(first_name=next(names)))

    class Busy:
        """Storage in which somebody changes the contact before each permission to send."""

        read, due = world.store.read, world.store.due

        def write(self, writes: Any, *, now: int) -> None:
            if len(writes) > 1:
                change_again()
            world.store.write(writes, now=now)

    assert world.receive(sqs_event(ID), store=Busy()) == ["m-0"]
    assert world.mailer.sent == []
