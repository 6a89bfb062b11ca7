"""Cool-down after an outcome, end to end: what a redemption and an order keep away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import LIVE_OFFER
from chalicelib.core.offers import Offer
from chalicelib.core.policy import Policy
from tests.makers import identify, order_event
from tests.storefront import Storefront, open_storefront
from tests.unit.core.offering import policy_with
from tests.unit.core.situations import NOW, buyer, shipped_rules

FALLBACKS = {place: {"action": f"no-{place}"} for place in ("checkout", "mail", "batch", "home")}


def policy_of(*cool_downs: dict[str, Any], **limits: Any) -> Policy:
    """An offer at the checkout, good for seven days, and another on the home page."""
    offer = {"kind": "percent_off", "value": 10, "valid_days": 7}
    return policy_with(
        {"offer": {**offer, "limits": limits}},
        {"offer": offer, "placements": ["home"]},
        fallbacks=FALLBACKS,
        contact_policy={"cool_downs": list(cool_downs)},
    )


def opened(policy: Policy) -> Any:
    """A shop with this policy, whose one buyer has been silent for a while."""
    return open_storefront(rules=replace(shipped_rules(), policy=policy))


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """After the use of a code, thirty days without another offer."""
    with opened(policy_of({"after": "redeemed", "days": 30})) as storefront:
        yield storefront


def ask(shop: Storefront, placement: str = "checkout") -> dict[str, Any]:
    """Ask for a place of the shop, in a session of its own."""
    body = {
        "customer_id": "c-1",
        "placement": placement,
        "context": {"country": "US", "currency": "USD", "session_id": f"s-{shop.clock()}"},
    }
    told: dict[str, Any] = shop.call("POST", "/v1/decisions", body=body).json_body
    return told


def reasons(told: dict[str, Any]) -> list[str]:
    """Why nothing was offered."""
    return [each["reason"] for each in told["reasons"] if each["layer"] != "fallback"]


def redeem(shop: Storefront, code: str, *, order: str = "o-1") -> None:
    """Let an order use a code."""
    body = {"customer_id": "c-1", "order_id": order, "amount": 100, "currency": "USD"}
    assert shop.call("POST", f"/v1/offers/{code}/redeem", body=body).status_code == 200


def live(shop: Storefront, action: str = "a-0") -> Offer | None:
    """What stands of the customer's code."""
    return shop.store.one(LIVE_OFFER.key("c#c-1", action))


def test_a_redemption_keeps_every_offer_away(shop: Storefront) -> None:
    """Of this action and of others, on this page and on others, until the days are over."""
    assert reasons(ask(shop, "home")) == ["highest_priority"]
    redeem(shop, ask(shop)["offers"][0]["code"])

    for days in (0, 6, 7, 29):
        shop.clock.now = NOW + days * DAY_SECONDS + 1  # a session keeps what it was shown
        for placement in ("checkout", "home"):
            assert reasons(ask(shop, placement)) == ["cool_down_after_redemption"], days
    shop.clock.now = NOW + 30 * DAY_SECONDS
    [offer] = ask(shop)["offers"]
    assert offer["action"] == "a-0"


def test_a_redemption_by_an_order_event_counts_as_well(shop: Storefront) -> None:
    """However the shop tells of it."""
    code = ask(shop)["offers"][0]["code"]
    event = order_event("Order Completed", "o-1", total=20, user="c-1", coupon=code, discount=2)
    assert shop.call("POST", "/v1/events", body=event).json_body["accepted"] == 1

    assert reasons(ask(shop, "home")) == ["cool_down_after_redemption"]
    stands = live(shop)
    assert stands is not None
    assert (stands.spent, stands.redeemed_at) == (True, NOW)


def test_a_code_that_was_only_reserved_keeps_nothing_away(shop: Storefront) -> None:
    """Nor one that was given free again."""
    code = ask(shop)["offers"][0]["code"]
    body = {"customer_id": "c-1", "order_id": "o-1", "amount": 100, "currency": "USD"}
    assert shop.call("POST", f"/v1/offers/{code}/reserve", body=body).status_code == 200

    assert reasons(ask(shop, "home")) == ["highest_priority"]
    stands = live(shop)
    assert stands is not None
    assert stands.redeemed_at is None


def test_a_code_for_several_orders_cools_down_from_its_latest_use() -> None:
    """It is live for as long as it was, and still remembered after that."""
    policy = policy_of({"after": "redeemed", "days": 14}, redemptions_per_code=2)
    with opened(policy) as shop:
        code = ask(shop)["offers"][0]["code"]
        redeem(shop, code)
        first = live(shop)
        shop.clock.now = NOW + 5 * DAY_SECONDS
        redeem(shop, code, order="o-2")

        shop.clock.now = NOW + 19 * DAY_SECONDS - 1
        kept_away = reasons(ask(shop))
        shop.clock.now += 1
        after = ask(shop)["offers"]

    assert first is not None
    assert (first.spent, first.redeemed_at) == (False, NOW)
    assert kept_away == ["cool_down_after_redemption"]
    assert [offer["code"] for offer in after] != [code]


def test_a_new_code_takes_the_place_of_one_that_is_over_and_counts() -> None:
    """What is remembered of the old one hides no limit."""
    policy = policy_of(codes_per_customer=2)
    with opened(policy) as shop:
        codes = []
        for number in range(3):
            shop.clock.now = NOW + number * 8 * DAY_SECONDS
            told = ask(shop)
            if told["offers"]:
                codes.append(told["offers"][0]["code"])
                redeem(shop, codes[-1], order=f"o-{number}")
        last = reasons(told)
        [count] = shop.store.all("issued").values()

    assert len(set(codes)) == 2
    assert (last, count["count"]) == (["limit_reached"], 2)


def test_until_a_used_code_expires_there_is_no_second_one() -> None:
    """As ever, without any cool-down; a day later there is."""
    with opened(policy_of()) as shop:
        code = ask(shop)["offers"][0]["code"]
        redeem(shop, code)
        shop.clock.now = NOW + 7 * DAY_SECONDS - 1
        before = reasons(ask(shop))
        shop.clock.now += 1
        [after] = ask(shop)["offers"]

    assert before == ["code_used"]
    assert after["code"] != code


def test_an_order_keeps_actions_away_from_the_checkout() -> None:
    """By the profile, for as many days; the record decides again to the same."""
    with opened(policy_of({"after": "ordered", "days": 10, "actions": ["a-0"]})) as shop:
        shop.knows(buyer(silent_days=9))
        told = ask(shop)
        path = f"/v1/decisions/{told['decision_id']}/replay"
        replayed = shop.call("POST", path).json_body
        page = ask(shop, "home")

    assert reasons(told) == ["cool_down_after_order"]
    assert replayed == {"same": True, "differences": []}
    assert reasons(page) == ["highest_priority"]


def test_a_guest_who_logs_in_keeps_their_code_beside_an_old_use() -> None:
    """What is remembered of a code that is over stands in nobody's way, and is not forgotten."""
    strangers = {"segments": ["unknown", "at_risk"], "value_minor": 2000}
    offer = {"kind": "percent_off", "value": 10, "valid_days": 7, "limits": {"codes": 50}}
    policy = policy_with({"offer": offer, **strangers}, fallbacks=FALLBACKS)
    with opened(policy) as shop:
        redeem(shop, ask(shop)["offers"][0]["code"])
        shop.clock.now = NOW + 8 * DAY_SECONDS
        [guests] = shop.decide(None, anonymous_id="v-1", session_id="s-9")["offers"]
        told = identify(user="c-1", visitor="v-1", at=NOW + 8 * DAY_SECONDS)
        assert shop.call("POST", "/v1/events", body=told).json_body["accepted"] == 1
        stands = live(shop)

    assert stands is not None
    assert (stands.code, stands.spent, stands.redeemed_at) == (guests["code"], False, NOW)
