"""Mails that must not go out: consent, withdrawal, kill switch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.control import SWITCH_COPIES, Switches
from chalicelib.core.effects import State
from chalicelib.core.errors import Transient
from chalicelib.core.kinds import COUPON, EFFECT, SWITCH
from chalicelib.core.offers import Coupon, Use, offer_to_json
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from tests.mail_makers import (
    EMAIL,
    NOW,
    TEN_PERCENT,
    World,
    contact_of,
    effect,
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


@pytest.mark.parametrize(
    ("consents", "email", "reason"),
    [
        ({}, EMAIL, "no_consent"),
        ({"marketing_email": False}, EMAIL, "no_consent"),
        ({"marketing_email": True}, None, "no_address"),
        ({"marketing_email": True, "profiling": False}, EMAIL, "opted_out"),
    ],
)
def test_what_the_customer_does_not_permit_is_suppressed(
    world: World, consents: dict[str, bool], email: str | None, reason: str
) -> None:
    """Consent counts as it stands in the moment of sending; the reason is kept."""
    world.meet(contact_of(consents=consents, email=email))

    outcome = world.act()

    assert (outcome.state, outcome.reason) == ("SUPPRESSED", reason)
    assert world.effect().reason == reason
    assert world.mailer.sent == []


def test_a_stranger_is_not_mailed() -> None:
    """Without a contact there is no address."""
    world = World()
    world.plan(mail_effect())

    assert world.act().reason == "no_address"


def test_a_withdrawal_holds_for_every_account_with_the_address(world: World) -> None:
    """Who unsubscribed is not mailed under another customer id or another spelling."""
    world.withdraw(EMAIL)
    other = customer("c-2")
    world.meet(contact_of(other, email=" ADA@Example.com"))
    world.plan(mail_effect("f" * 32, subject=other))

    assert world.act().reason == "withdrawn"
    assert world.act("f" * 32).reason == "withdrawn"
    assert world.mailer.sent == []


def test_an_expired_offer_is_not_mailed(world: World) -> None:
    """A mail that waited too long does not promise a code that no longer works."""
    outcome = world.act(now=TEN_PERCENT.expires_at)

    assert (outcome.state, outcome.reason) == ("SUPPRESSED", "offer_expired")


def issue(world: World, **changes: Any) -> None:
    """Store the code that the planned mail offers, as it stands by now."""
    code = Coupon(TEN_PERCENT, customer("c-1").key, "d_1", NOW, **changes)
    world.store.write([Put(COUPON.key(TEN_PERCENT.code), code, WHATEVER)], now=NOW)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"uses": (Use("o-1", "redeemed", 5, budgeted=False),)}, "offer_used"),
        ({"revoked_at": NOW}, "offer_revoked"),
    ],
)
def test_a_code_that_nobody_can_use_is_not_mailed(
    world: World, changes: dict[str, Any], reason: str
) -> None:
    """Used at the checkout, or taken back, while the mail waited: there is nothing to promise."""
    issue(world, **changes)

    outcome = world.act()

    assert (outcome.state, outcome.reason) == ("SUPPRESSED", reason)
    assert world.mailer.sent == []


def test_a_code_that_can_be_used_is_mailed(world: World) -> None:
    """Also when a cart holds it."""
    issue(world, uses=(Use("o-1", "reserved", 5, budgeted=False, until=NOW + 900),))

    assert world.act().state == "ACCEPTED"


@pytest.mark.parametrize("change", ["consent", "withdrawal", "switch", "code"])
def test_a_change_while_the_mail_is_rendered_stops_it(world: World, change: str) -> None:
    """Between the look and the permission to send lies no gap: the write itself notices."""

    def meanwhile() -> None:
        match change:
            case "consent":
                world.meet(contact_of(consents={"marketing_email": False}))
            case "withdrawal":
                world.withdraw()
            case "code":
                issue(world, revoked_at=NOW)
            case "switch":
                world.switch(sending=False)

    def after_the_claim() -> None:
        world.store.before_write = meanwhile

    world.store.before_write = after_the_claim

    outcome = world.act()

    assert world.mailer.sent == []
    assert (
        outcome.reason
        == {
            "consent": "no_consent",
            "withdrawal": "withdrawn",
            "code": "offer_revoked",
            "switch": "sending_off",
        }[change]
    )


def test_a_harmless_change_meanwhile_does_not_lose_the_mail(world: World) -> None:
    """The contact was touched, consent still stands: the worker looks again and sends."""

    def after_the_claim() -> None:
        world.store.before_write = lambda: world.meet(contact_of(first_name="Augusta"))

    world.store.before_write = after_the_claim

    assert world.act().state == "ACCEPTED"
    assert "Hello Augusta," in parse(world.mailer.sent[0].raw).text
    assert world.store.count("read") == 6  # one more look is enough


def test_with_sending_off_a_mail_is_put_off_and_not_lost(world: World) -> None:
    """It is looked at again every quarter of an hour, as often as it takes, and then goes out."""
    world.switch(sending=False)

    for quarters in range(20):  # five tries would have ended in the dead-letter queue
        outcome = world.act(now=NOW + quarters * 900)
        assert (outcome.state, outcome.put_off) == ("PLANNED", "sending_off")
        assert world.effect().not_before == NOW + (quarters + 1) * 900
    assert world.mailer.sent == []

    world.switch(sending=True)
    assert world.act(now=NOW + 18_000).state == "ACCEPTED"
    assert len(world.later.messages) == 0


def test_a_mail_that_could_not_be_put_off_comes_back(world: World) -> None:
    """The message is done with only when the ledger says until when the mail waits."""
    world.switch(sending=False)
    world.store.fail_writes(Transient("TransactWriteItems"))

    assert world.receive(sqs_event(ID)) == ["m-0"]
    assert world.effect().state == "PLANNED"


def test_any_copy_of_the_switch_stops_its_mails() -> None:
    """Each effect asks one copy, and a flip writes them all: no mail slips through."""
    world = World()
    world.meet(contact_of())
    world.switch(sending=False)
    ids = [f"{index:032x}" for index in range(64)]
    world.plan(*(mail_effect(effect_id) for effect_id in ids))

    assert {world.act(effect_id).put_off for effect_id in ids} == {"sending_off"}

    for copy in range(SWITCH_COPIES):
        put = Put(SWITCH.key(str(copy)), Switches(sending=copy == 0), WHATEVER)
        world.store.write([put], now=NOW)
    let_through = [i for i in ids if world.act(i).state == "ACCEPTED"]
    assert 0 < len(let_through) < len(ids) / 4


def test_the_switch_does_not_stop_the_bus() -> None:
    """It says whether mail goes out, and nothing else."""
    world = World()
    world.switch(sending=False)
    world.plan(effect("offer", payload={"offer": offer_to_json(TEN_PERCENT)}))

    assert world.act().state == "ACCEPTED"


@pytest.mark.parametrize(
    ("state", "purpose", "ends"),
    [
        ("PLANNED", "marketing_email", "SUPPRESSED"),
        ("CLAIMED", "marketing_email", "SUPPRESSED"),
        ("SENDING", "marketing_email", "ABANDONED"),
        ("IN_DOUBT", "marketing_email", "ABANDONED"),
        ("IN_DOUBT", "transactional", "ABANDONED"),
    ],
)
def test_what_an_erasure_has_stripped_comes_to_its_end(
    state: State, purpose: str, ends: State
) -> None:
    """What was just being sent was stripped and left open: nobody tries to read its plan."""
    world = world_with_a_mail()
    dead: dict[str, Any] = {"owner": "dead", "lease_until": NOW - 400, "changed_at": NOW - 500}
    stripped = replace(
        mail_effect(purpose=purpose),
        state=state,
        subject_key="x#" + "1" * 32,
        payload={},
        **({} if state == "PLANNED" else dead),
    )
    world.store.write([Put(EFFECT.key(stripped.effect_id), stripped, WHATEVER)], now=NOW)

    for days in (0, 1, 2, 3):
        later = NOW + days * 90_000
        world.receive(sqs_event(stripped.effect_id), now=later, worker=f"w-{days}")

    ended = world.effect()
    assert (ended.state, ended.subject_key) == (ends, stripped.subject_key)
    assert world.mailer.sent == []
