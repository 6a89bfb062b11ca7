"""``POST /v1/decisions`` from outside: who gets what, and what it costs in calls to storage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.api import answers
from chalicelib.core.catalogue import Product
from chalicelib.core.contact import Contact, Stamped
from chalicelib.core.control import Switches
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import LIVE_OFFER
from chalicelib.core.offers import Offer
from chalicelib.core.storage import Put
from chalicelib.core.subject import customer, guest
from tests.storefront import MUGS, Storefront, open_storefront
from tests.unit.core.situations import MUG, NOW, buyer


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer, c-1, silent for 100 days, and sells a mug."""
    with open_storefront() as storefront:
        yield storefront


def reasons(answer: dict[str, Any]) -> dict[str, str]:
    """Why each action was chosen or not."""
    return {each["action"]: each["reason"] for each in answer["reasons"]}


def test_a_known_customer_gets_segment_price_offer_and_reasons(shop: Storefront) -> None:
    """At risk: five percent off the published price, a code, a quote, and a reason for each."""
    answer = shop.decide()

    answers.Decision.model_validate(answer)
    assert answer["customer_id"] == "c-1"
    assert answer["segment"] == {"name": "at_risk", "model": "recency-1.0.0", "fallback": False}
    assert (answer["price"]["tier"], answer["price"]["total"]) == ("winback", 3800)
    assert answer["price"]["lines"] == [
        {"sku": "MUG", "quantity": 2, "base_unit_price": 2000, "unit_price": 1900}
    ]
    assert [offer["action"] for offer in answer["offers"]] == ["winback-10"]
    assert reasons(answer)["thanks-free-shipping"] == "segment_not_allowed"
    assert not answer["degraded"]


def test_new_york_is_told_that_an_algorithm_set_the_price(shop: Storefront) -> None:
    """The words of General Business Law 349-a stand with a personal price, to the letter."""
    answer = shop.decide(region="NY")

    assert answer["price"]["disclosures"] == [
        "THIS PRICE WAS SET BY AN ALGORITHM USING YOUR PERSONAL DATA"
    ]


@pytest.mark.parametrize(
    "who", [{"customer_id": "nobody"}, {"customer_id": None, "anonymous_id": "g-9"}]
)
def test_the_unknown_get_base_prices_and_the_fallback_action(
    shop: Storefront, who: dict[str, Any]
) -> None:
    """Nobody is refused for being unknown: fallback segment, published price, no offer."""
    answer = shop.decide(**who)

    answers.Decision.model_validate(answer)
    assert answer["segment"]["name"] == "unknown"
    assert answer["segment"]["fallback"]
    assert answer["price"]["tier"] == "base"
    assert answer["offers"] == []
    assert reasons(answer)["standard-checkout"] == "nothing_else_survived"


@pytest.mark.parametrize(
    "who",
    [
        {"customer_id": "c-1"},
        {"customer_id": "nobody"},
        {"customer_id": None, "anonymous_id": "g-9"},
        {"customer_id": "c-1", "cart": None},
        {"customer_id": "c-1", "session_id": None},
    ],
    ids=["known", "unknown", "guest", "no cart", "no session"],
)
def test_a_decision_is_one_read_and_one_write(shop: Storefront, who: dict[str, Any]) -> None:
    """Known, unknown or guest: storage is asked once and told once."""
    shop.decide(**who)

    assert shop.calls() == ["read", "write"]


def test_a_decision_that_plans_nothing_writes_one_thing(shop: Storefront) -> None:
    """Without effect or session the write is one conditional put, half a transaction's price."""
    shop.decide("nobody")

    assert ("write", 1) in shop.store.calls


def test_a_decision_and_its_effects_are_stored_together(shop: Storefront) -> None:
    """Record, code, live code, both effects and the session stand in the same write.

    The seventh action of the transaction checks that nobody erased the profile meanwhile.
    """
    answer = shop.decide()

    assert shop.store.calls[-1] == ("write", 7)
    assert set(shop.store.all("record")) == {f"d#{answer['decision_id']}"}
    assert set(shop.store.all("coupon")) == {f"k#{answer['offers'][0]['code']}"}
    assert sorted(effect.kind for effect in shop.store.all("effect").values()) == [
        "offer",
        "price_tier",
    ]


def test_a_guest_is_known_by_the_anonymous_id(shop: Storefront) -> None:
    """Orders of an anonymous id count for the guest who brings it."""
    shop.knows(buyer(silent_days=100, subject=guest("g-1")))

    answer = shop.decide(None, anonymous_id="g-1")

    assert answer["anonymous_id"] == "g-1"
    assert answer["segment"]["name"] == "at_risk"


def test_a_guest_who_became_a_customer_is_treated_as_that_customer(shop: Storefront) -> None:
    """After the merge the guest's id leads to the customer, at the price of one more read."""
    merged = replace(buyer(silent_days=1, subject=guest("g-1")), merged_into="c-1")
    shop.knows(merged)

    answer = shop.decide(None, anonymous_id="g-1")

    assert answer["customer_id"] == "c-1"
    assert answer["segment"]["name"] == "at_risk"
    assert shop.calls() == ["read", "read", "write"]


def test_a_live_code_is_shown_again(shop: Storefront) -> None:
    """One live code for each customer and action, across sessions: nothing new is issued."""
    live = Offer("winback-10", "LIVECODE0001", "percent_off", 10, NOW + DAY_SECONDS)
    shop.store.write(
        [Put(LIVE_OFFER.key("c#c-1", "winback-10"), live, expires_at=live.expires_at)], now=NOW
    )

    answer = shop.decide()

    assert [offer["code"] for offer in answer["offers"]] == ["LIVECODE0001"]
    assert shop.store.all("coupon") == {}


@pytest.mark.parametrize(
    "signal", [{"pricing_opt_out": True}, {"gpc": True}], ids=["opt-out", "GPC"]
)
def test_a_privacy_signal_keeps_the_profile_out_of_decision_and_record(
    shop: Storefront, signal: dict[str, Any]
) -> None:
    """Whoever objects is answered like a stranger, and the record holds nothing of their past."""
    answer = shop.decide(**signal)

    assert answer["segment"]["name"] == "unknown"
    assert (answer["price"]["tier"], answer["price"]["reason"]) == ("base", "opted_out")
    [record] = shop.store.all("record").values()
    assert record["situation"]["facts"] is None


def test_a_stored_objection_counts_like_a_signal(shop: Storefront) -> None:
    """consent_personalised_pricing = false, said once anywhere, ends personal prices."""
    said = {"consent_personalised_pricing": Stamped(False, NOW)}
    shop.knows(Contact(customer("c-1"), fields=said))

    assert shop.decide()["price"]["reason"] == "opted_out"


def test_the_stored_country_stands_in_for_one_that_was_not_said(shop: Storefront) -> None:
    """The law of the customer's place applies although the caller named none."""
    said = {"country": Stamped("US", NOW), "region": Stamped("NY", NOW)}
    shop.knows(Contact(customer("c-1"), fields=said))

    answer = shop.decide(country=None, region=None)

    assert answer["price"]["tier"] == "winback"
    assert len(answer["price"]["disclosures"]) == 1


def test_an_unknown_place_has_no_personal_price(shop: Storefront) -> None:
    """Where no row of the table applies, the published price stands."""
    answer = shop.decide(country="AQ", region=None)

    assert (answer["price"]["tier"], answer["price"]["mode"]) == ("base", None)
    assert answer["price"]["reason"] == "unknown_jurisdiction"


@pytest.mark.parametrize(
    ("switches", "tier", "offers"),
    [
        (Switches(pricing=False), "base", 1),
        (Switches(offers=False), "winback", 0),
        (Switches(sending=False), "winback", 1),
    ],
    ids=["pricing", "offers", "sending"],
)
def test_a_kill_switch_stops_what_it_names(
    shop: Storefront, switches: Switches, tier: str, offers: int
) -> None:
    """Each switch stops its own kind of thing and nothing else."""
    shop.knows(switches)

    answer = shop.decide()

    assert (answer["price"]["tier"], len(answer["offers"])) == (tier, offers)


def test_without_a_cart_there_is_no_price(shop: Storefront) -> None:
    """Segment and offer are answered without a cart, and the price is null."""
    answer = shop.decide(cart=None)

    assert answer["price"] is None
    assert [offer["action"] for offer in answer["offers"]] == ["winback-10"]


def test_the_catalogue_price_stands_against_the_cart(shop: Storefront) -> None:
    """The base price is the catalogue's; line and reasons tell that the cart said another."""
    answer = shop.decide(cart={"lines": [{"sku": "MUG", "quantity": 1, "unit_price": 2500}]})

    answers.Decision.model_validate(answer)
    [line] = answer["price"]["lines"]
    assert (line["base_unit_price"], line["unit_price"]) == (2000, 1900)
    assert line["reason"] == "catalogue_price_differs"
    assert answer["reasons"][-1] == {
        "action": "cart_price",
        "outcome": "rejected",
        "layer": "catalogue",
        "reason": "catalogue_price_differs",
        "sku": "MUG",
    }


def test_every_article_whose_price_differs_is_a_reason_once(shop: Storefront) -> None:
    """A line has room for one remark; the reasons name the difference whatever that remark is."""
    shop.knows(replace(MUG, floor_minor=None))
    lines = [{"sku": "MUG", "quantity": 1, "unit_price": price} for price in (2500, 2000, 1)]

    answer = shop.decide(cart={"lines": lines})

    assert {line["reason"] for line in answer["price"]["lines"]} == {"no_floor"}
    assert [each["sku"] for each in answer["reasons"] if "sku" in each] == ["MUG"]


def test_no_price_falls_below_its_floor(shop: Storefront) -> None:
    """A floor above the discounted price stops the discount there."""
    shop.knows(replace(MUG, floor_minor=1950))

    [line] = shop.decide()["price"]["lines"]

    assert (line["unit_price"], line["reason"]) == (1950, "floor_reached")


def test_lines_beyond_the_sixtieth_article_keep_the_carts_price(shop: Storefront) -> None:
    """One read holds so many articles; the others are answered, at what the shop shows."""
    articles = [Product(f"A{n}", "USD", base_price_minor=1000, floor_minor=1) for n in range(70)]
    shop.knows(*articles)
    cart = {"lines": [{"sku": a.sku, "quantity": 1, "unit_price": 1000} for a in articles]}

    answer = shop.decide(cart=cart)

    prices = [line["unit_price"] for line in answer["price"]["lines"]]
    assert prices == [950] * 60 + [1000] * 10
    assert shop.calls() == ["read", "write"]


def test_the_same_article_may_stand_in_several_lines(shop: Storefront) -> None:
    """Lines are priced one by one and counted together."""
    answer = shop.decide(cart={"lines": MUGS["lines"] * 2})

    assert answer["price"]["total"] == 7600


def test_decision_ids_sort_by_time(shop: Storefront) -> None:
    """Records of later calls come later, so that a listing by id is a listing by time."""
    first, second = shop.decide("a"), shop.decide("b")

    assert first["decision_id"] < second["decision_id"]
