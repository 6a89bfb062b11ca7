"""Offers and the cart at hand: scope, minimum spend, and what an offer takes off at the most."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.core.baskets import (
    Article,
    Basket,
    discount_minor,
    misses,
    share_already_off,
    share_taken_off,
)
from chalicelib.core.catalogue import Product
from chalicelib.core.decide import Decision
from chalicelib.core.instants import format_instant
from chalicelib.core.offer_terms import OfferTerms
from chalicelib.core.record import build_record
from chalicelib.core.replay import differences
from chalicelib.core.situation import Context, Line
from tests.unit.core.offering import policy_with
from tests.unit.core.situations import NOW, checkout
from tests.unit.core.test_engagement_conditions import SHIPPED, became_of, decided, rules_of

MUG = Product("MUG", "USD", base_price_minor=2000, floor_minor=1500, category="mugs")
POT = Product("POT", "USD", base_price_minor=6000, floor_minor=5000, category="pots")
ARTICLES = st.builds(
    Article,
    sku=st.sampled_from(["MUG", "POT", "PAN"]),
    category=st.sampled_from([None, "mugs", "pots"]),
    amount_minor=st.integers(0, 10**12),
)
TERMS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["percent_off", "amount_off", "free_shipping"]),
        "min_spend_minor": st.integers(0, 10**6),
        "skus": st.lists(st.sampled_from(["MUG", "POT"]), max_size=2, unique=True),
        "categories": st.lists(st.sampled_from(["mugs", "pots"]), max_size=2, unique=True),
    }
)


def terms(**changes: Any) -> OfferTerms:
    """Ten percent off for a week, changed."""
    return OfferTerms.model_validate(
        {"kind": "percent_off", "value": 10, "valid_days": 7, **changes}
    )


def offered(lines: tuple[Line, ...], *, context: Context | None = None, **offer: Any) -> Decision:
    """What a checkout decides of one offer."""
    policy = policy_with(
        {"offer": terms(**offer).model_dump(mode="json", exclude_defaults=True)}, price_tiers=[]
    )
    here = context or Context(country="US", region="TX", currency="USD", session_id="s-1")
    situation = checkout(lines=lines, context=here, products={"MUG": MUG, "POT": POT})
    return decided(situation, policy)


@pytest.mark.parametrize(
    ("offer", "reason"),
    [
        ({"skus": ["MUG"]}, "highest_priority"),
        ({"categories": ["mugs"]}, "highest_priority"),
        ({"skus": ["PAN"], "categories": ["mugs"]}, "highest_priority"),
        ({"skus": ["POT"]}, "not_in_scope"),
        ({"categories": ["pots"]}, "not_in_scope"),
        ({"min_spend_minor": 4000}, "highest_priority"),
        ({"min_spend_minor": 4001}, "below_minimum_spend"),
    ],
)
def test_an_offer_applies_to_what_the_cart_holds(offer: dict[str, Any], reason: str) -> None:
    """Two mugs at 20.00: in scope or not, at the minimum or below it, and why not."""
    decision = offered((Line("MUG", 2, 2000),), **offer)

    assert became_of(decision) == (
        "arbitration" if reason == "highest_priority" else "applicability",
        reason,
    )


def test_the_minimum_counts_what_is_in_scope_alone() -> None:
    """A pot does not make up for a mug that is missing."""
    cart = (Line("MUG", 2, 2000), Line("POT", 1, 6000))

    assert became_of(offered(cart, min_spend_minor=10_000))[1] == "highest_priority"
    assert became_of(offered(cart, min_spend_minor=4001, categories=["mugs"]))[1] == (
        "below_minimum_spend"
    )


def test_the_minimum_counts_at_the_prices_of_the_same_answer() -> None:
    """What a personal price takes off is not spent, so that the shop comes to the same."""
    policy = policy_with({"offer": terms(min_spend_minor=2000).model_dump(mode="json")})
    priced = checkout(products={"MUG": MUG})  # the winback tier: 5 % off for those at risk
    plain = checkout(products={"MUG": MUG}, context=Context(currency="USD"))

    assert decided(priced, policy).lines[0].unit_price_minor == 1900
    assert became_of(decided(priced, policy))[1] == "below_minimum_spend"
    assert became_of(decided(plain, policy))[1] == "highest_priority"


def test_without_a_cart_an_offer_is_a_promise() -> None:
    """On a page or in a mail the terms stand with the offer, and nothing is measured yet."""
    decision = offered((), min_spend_minor=5000, skus=["POT"])

    [offer] = decision.offers
    assert (offer.scope.min_spend_minor, offer.scope.skus) == (5000, ("POT",))


@pytest.mark.parametrize("offer", [{"kind": "amount_off"}, {"min_spend_minor": 1}])
def test_amounts_in_another_currency_are_not_compared(offer: dict[str, Any]) -> None:
    """A cart in euros is not measured in dollars; a percentage of it may be given."""
    euros = Context(country="DE", currency="EUR")
    cart = (Line("PAN", 1, 9000),)

    assert became_of(offered(cart, context=euros, **offer))[1] == "another_currency"
    assert became_of(offered(cart, context=euros, skus=["PAN"]))[1] == "highest_priority"


def test_early_access_is_not_offered_once_it_is_open_to_all() -> None:
    """From that very moment on."""
    access: dict[str, Any] = {"kind": "early_access", "value": 0, "access": "drop-7"}

    def until(moment: int) -> tuple[str, str]:
        return became_of(offered((), **access, access_until=format_instant(moment)))

    assert until(NOW + 1) == ("arbitration", "highest_priority")
    assert until(NOW) == ("applicability", "open_to_all")


@given(
    basket=st.lists(ARTICLES, min_size=1, max_size=4),
    stated=TERMS,
    percent=st.integers(1, 100),
    amount=st.integers(1, 10**6),
    off=st.integers(0, 10**6),
)
def test_the_share_without_a_cart_holds_of_every_cart(
    basket: list[Article], stated: dict[str, Any], percent: int, amount: int, off: int
) -> None:
    """What is known of an offer beforehand is an upper bound wherever it applies."""
    value = {"percent_off": percent, "amount_off": amount}.get(stated["kind"], 0)
    offer = terms(**stated, value=value)
    cart = Basket(tuple(basket), sum(each.amount_minor for each in basket) + off, "USD")
    assume(misses(offer, cart, currency="USD", as_of=NOW) is None)

    taken = share_taken_off(offer, cart)
    # A percentage of so few minor units is rounded up to a whole one.
    rounding = Fraction(1, cart.published_minor) if cart.published_minor else Fraction(0)
    assert taken <= share_taken_off(offer, None) + rounding
    assert discount_minor(offer, cart) <= sum(each.amount_minor for each in basket)


def test_what_is_off_already_is_no_gift_of_a_raised_price() -> None:
    """A price above the published one takes nothing off, and leaves no more room either."""
    assert share_already_off(Basket((Article("MUG", None, 1500),), 2000, "USD")) == Fraction(1, 4)
    assert share_already_off(Basket((Article("MUG", None, 2500),), 2000, "USD")) == 0
    assert share_already_off(Basket((Article("MUG", None, 0),), 0, "USD")) == 0
    assert share_already_off(None) == 0


def test_a_decision_by_scope_and_combination_decides_again_to_the_same() -> None:
    """Terms, caps and combinations follow from the record."""
    policy = policy_with(
        {"offer": terms(categories=["mugs"]).model_dump(mode="json"), "value_minor": 900},
        {"offer": terms(value=12).model_dump(mode="json"), "before": ["a-2"]},
        {"offer": terms(kind="free_shipping", value=0).model_dump(mode="json")},
        offers_per_decision=3,
        stacking={"max_discount_percent": 15},
    )
    situation = checkout(products={"MUG": MUG})
    decision = decided(situation, policy)
    record = build_record(
        situation,
        decision,
        policy=policy,
        jurisdictions_hash=SHIPPED.jurisdictions_hash,
        scorer=SHIPPED.scorer,
        correlation_id="r-1",
    )

    # Five percent are off by the tier: 9.5 % more fit, 11.4 % do not.
    assert decision.chosen == ("a-2", "a-0")
    assert became_of(decision, "a-1") == ("arbitration", "combined_discount_cap")
    assert differences(record, rules=rules_of(policy)) == ()
