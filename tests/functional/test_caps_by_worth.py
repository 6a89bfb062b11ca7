"""Several mails due at once to one address: what the cap leaves goes to what is worth most."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.address import address_hash
from chalicelib.core.contact_policy import Mailed
from chalicelib.core.kinds import CONTACTED, MAILED
from chalicelib.core.policy import Policy
from chalicelib.core.storage import Put
from tests.fakes import SIGNING_KEYS
from tests.mail_makers import World
from tests.makers import DAY_SECONDS, HOUR_SECONDS, NOW, identify, rules_with, track
from tests.shop import ANN, Shop, bought
from tests.unit.core.offering import policy_with

ADDRESS = address_hash(ANN["email"], secret=SIGNING_KEYS.address_secret)


def policy_of(*, winback: int, reminder: int, most: int = 4) -> Policy:
    """A mail for each trigger, each worth so much, and a cap."""
    mail = {"template": "winback", "repeat_after_days": 3}
    actions: list[dict[str, Any]] = [
        {"triggers": ["segment_changed"], "value_minor": winback},
        {"triggers": ["cart_abandoned"], "value_minor": reminder},
    ]
    offer = {"kind": "percent_off", "value": 10, "valid_days": 7}
    return policy_with(
        *[{"placements": ["mail"], "mail": mail, "offer": offer, **each} for each in actions],
        contact_policy={"max_marketing_mails": most, "window_days": 7},
    )


def left_alone(policy: Policy, *, mailed: int = 0, contacted: str | None = None) -> Shop:
    """Somebody at risk who left a checkout alone, told of both at once, after so many mails."""
    shop = Shop(rules=replace(rules_with(), policy=policy))
    if mailed:
        count = Mailed({f"e-{n}": NOW - DAY_SECONDS for n in range(mailed)})
        shop.store.write([Put(MAILED.key(ADDRESS), count)], now=NOW)
    if contacted is not None:
        shop.store.write([Put(CONTACTED.key(ADDRESS, contacted), {"effect_id": "e-0"})], now=NOW)
    shop.send(identify(user="c-1", **ANN))
    shop.send(
        bought("c-1", "o-1", days_ago=100),
        track("Checkout Started", at=NOW - 2 * HOUR_SECONDS, user="c-1"),
    )
    return shop


def planned(shop: Shop) -> list[str]:
    """The actions for which a mail is planned, as they were stored."""
    return [mail.action for mail in shop.mails()]


def became(shop: Shop) -> dict[str, tuple[str, str]]:
    """Layer and reason of the triggered action, by trigger."""
    own = {"segment_changed": "a-0", "cart_abandoned": "a-1"}
    return {
        trigger: next(
            (layer, reason)
            for action, _, layer, reason in record["decision"]["candidates"]
            if action == own[trigger]
        )
        for record in shop.store.all("record").values()
        for trigger in (record["situation"]["trigger"],)
    }


@pytest.mark.parametrize(
    ("winback", "reminder", "first"), [(2000, 1000, "a-0"), (1000, 2000, "a-1")]
)
def test_the_last_mail_goes_to_what_is_worth_most(winback: int, reminder: int, first: str) -> None:
    """Whichever trigger comes first; the other decision says why, and issues no code."""
    shop = left_alone(policy_of(winback=winback, reminder=reminder), mailed=3)

    assert planned(shop) == [first]
    assert sorted(became(shop).values()) == [
        ("arbitration", "highest_priority"),
        ("contact_policy", "frequency_cap"),
    ]
    assert [coupon.offer.action for coupon in shop.store.all("coupon").values()] == [first]


def test_where_there_is_room_both_are_planned() -> None:
    """Each trigger has its own mail, the more valuable first."""
    shop = left_alone(policy_of(winback=1000, reminder=2000), mailed=2)

    assert planned(shop) == ["a-1", "a-0"]


def test_where_there_is_none_nothing_is_planned() -> None:
    """And every decision says so."""
    shop = left_alone(policy_of(winback=1000, reminder=2000), mailed=4)

    assert planned(shop) == []
    assert set(became(shop).values()) == {("contact_policy", "frequency_cap")}
    assert shop.store.all("coupon") == {}


def test_an_action_that_was_told_lately_takes_no_room() -> None:
    """Worth is what could be chosen: what was said a short while ago competes for nothing."""
    policy = policy_of(winback=1000, reminder=2000)

    shop = left_alone(policy, mailed=3, contacted="a-1")

    assert planned(shop) == ["a-0"]
    assert became(shop)["cart_abandoned"] == ("contact_policy", "contacted_recently")


def test_mails_of_different_moments_compete_by_arrival() -> None:
    """What was planned before is not taken back: the cap holds as each mail is sent."""
    shop = left_alone(policy_of(winback=2000, reminder=1000, most=1))
    world = World(store=shop.store)
    assert planned(shop) == ["a-0"]
    shop.now = NOW + HOUR_SECONDS
    shop.rules = replace(shop.rules, policy=policy_of(winback=2000, reminder=9000, most=1))
    shop.send(track("Checkout Started", at=NOW - HOUR_SECONDS, user="c-1"))

    # Nothing was sent yet, so both are planned, and the first to be sent has the only place.
    assert planned(shop) == ["a-0", "a-1"]
    first, second = shop.mails()
    policy = shop.rules.policy.contact_policy
    states = [
        world.act(mail.effect_id, now=shop.now, contact_policy=policy).state
        for mail in (first, second)
    ]
    assert states == ["ACCEPTED", "SUPPRESSED"]
    assert world.effect(second.effect_id).reason == "frequency_cap"
