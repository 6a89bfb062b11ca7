"""Mails that go out, and what the provider says of them."""

from __future__ import annotations

import pytest

from chalicelib.core.catalogue import Product
from chalicelib.core.errors import MailInDoubt, MailThrottled
from chalicelib.core.kinds import EFFECT, EFFECT_WINDOW_SECONDS, PRODUCT
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from tests.mail_makers import (
    EMAIL,
    NOW,
    World,
    contact_of,
    mail_effect,
    parse,
    sqs_event,
    world_with_a_mail,
)

ID = "e" * 32


@pytest.fixture
def world() -> World:
    """Ada, who agreed to marketing, and one mail planned for her."""
    return world_with_a_mail()


def test_a_planned_mail_is_sent_and_recorded(world: World) -> None:
    """A mail is handed over once, and the ledger keeps the provider's id."""
    outcome = world.act()

    assert outcome.moved
    assert outcome.state == "ACCEPTED"
    (mail,) = world.mailer.sent
    assert mail.recipient == EMAIL
    assert mail.tags == {"effect_id": ID, "action": "winback-10"}
    assert parse(mail.raw).message["X-Segue-Effect"] == ID
    stored = world.effect()
    assert (stored.state, stored.provider_id, stored.attempts) == ("ACCEPTED", mail.message_id, 1)


def test_a_mail_takes_three_reads_and_three_writes(world: World) -> None:
    """Effect, circumstances, address; claim, permission to send, confirmation."""
    world.act()

    assert [name for name, _ in world.store.calls] == ["read"] * 3 + ["write"] * 3


def test_ten_mails_share_their_reads_and_their_claim(world: World) -> None:
    """A batch is looked up in three reads and claimed in one write, however many mails it holds."""
    ids = [f"{index:032x}" for index in range(10)]
    people = [customer(f"p-{index}") for index in range(10)]
    world.meet(*(contact_of(p, email=f"{p.id}@example.com") for p in people))
    world.plan(*(mail_effect(i, subject=p) for i, p in zip(ids, people, strict=True)))
    world.store.calls.clear()

    assert world.receive(sqs_event(*ids)) == []

    assert len(world.mailer.sent) == 10
    assert world.store.count("read") == 3
    assert world.store.count("write") == 1 + 2 * 10


def test_the_permission_is_checked_in_the_write_that_sends(world: World) -> None:
    """Effect, contact, switch, code, address, cap: one transaction, nothing changes meanwhile."""
    world.act()

    assert [size for name, size in world.store.calls if name == "write"] == [1, 6, 1]


def test_a_mail_again_does_nothing(world: World) -> None:
    """A redelivered message finds its effect done, and changes nothing."""
    world.act()
    before = world.effect()
    world.store.calls.clear()

    again = world.act(now=NOW + 10_000)

    assert not again.moved
    assert len(world.mailer.sent) == 1
    assert world.effect() == before
    assert world.store.calls == [("read", 1)]


def test_moving_an_effect_keeps_its_end_of_life(world: World) -> None:
    """The TTL that planning set survives every move."""
    expires_at = NOW + EFFECT_WINDOW_SECONDS
    world.store.write([Put(EFFECT.key(ID), mail_effect(), WHATEVER, expires_at)], now=NOW)

    world.act()

    stored = world.store.read([EFFECT.key(ID)], now=NOW).stored(EFFECT.key(ID))
    assert stored is not None
    assert (stored.value.state, stored.expires_at) == ("ACCEPTED", expires_at)


def test_the_mail_names_the_product_of_the_catalogue(world: World) -> None:
    """A planned SKU is looked up beside the contact, without a further read."""
    world.plan(mail_effect(template="cart-reminder", offer=None, sku="A1"))
    product = Product("A1", "USD", 1999, title="Kind of Blue")
    world.store.write([Put(PRODUCT.key("A1"), product)], now=NOW)
    world.store.calls.clear()

    world.act()

    assert "Kind of Blue" in parse(world.mailer.sent[0].raw).visible
    assert world.store.count("read") == 3


def test_a_refused_address_fails_and_the_others_go_on(world: World) -> None:
    """SES refuses one address: that effect ends FAILED with the reason, its neighbours are sent."""
    world.mailer.refused.add("bad@example.com")
    world.meet(contact_of(customer("c-2"), email="bad@example.com"))
    world.plan(mail_effect("f" * 32, subject=customer("c-2")))

    assert world.receive(sqs_event("f" * 32, ID)) == []

    failed = world.effect("f" * 32)
    assert (failed.state, failed.reason) == ("FAILED", "message_rejected")
    assert world.effect().state == "ACCEPTED"


def test_an_address_that_nothing_reaches_fails_before_it_is_sent(world: World) -> None:
    """An address that SES cannot carry is no reason to ask SES."""
    world.meet(contact_of(email="ü@example.com"))

    outcome = world.act()

    assert (outcome.state, outcome.reason) == ("FAILED", "address_unusable")
    assert world.mailer.sent == []


def test_a_throttled_mail_is_given_back(world: World) -> None:
    """Definitely not sent: the message comes back, and any worker may take it at once."""
    world.mailer.fail_next(MailThrottled("SendEmail: TooManyRequestsException"))

    assert world.receive(sqs_event(ID)) == ["m-0"]
    waiting = world.effect()
    assert (waiting.state, waiting.owner, waiting.lease_until) == ("CLAIMED", None, None)

    assert world.receive(sqs_event(ID), worker="w-2") == []
    assert world.effect().state == "ACCEPTED"
    assert world.effect().attempts == 2
    assert len(world.mailer.sent) == 1


def test_a_mail_in_doubt_is_never_sent_again(world: World) -> None:
    """The provider took it and its answer was lost: one mail, whatever comes later."""
    world.mailer.lose_replies(MailInDoubt("SendEmail: ReadTimeoutError"))

    outcome = world.act()
    assert (outcome.state, outcome.reason) == ("IN_DOUBT", "no_answer")

    for hours in range(1, 24):
        assert not world.act(now=NOW + 3600 * hours, worker=f"w-{hours}").moved
    assert world.effect().state == "IN_DOUBT"

    for hours in range(24, 48):
        world.act(now=NOW + 3600 * hours, worker=f"w-{hours}")
    assert len(world.mailer.sent) == 1
    assert (world.effect().state, world.effect().reason) == ("ABANDONED", "unresolved")
