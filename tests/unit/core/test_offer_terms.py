"""Terms of offers: what each kind needs, when a promise ends, and what travels with the code."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chalicelib.core.coupons import redeem, reserve
from chalicelib.core.errors import Refused
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.offer_terms import OfferTerms, promise
from chalicelib.core.offers import (
    ANY_CART,
    Coupon,
    Offer,
    Scope,
    coupon_from_json,
    coupon_to_json,
    last_use,
    offer_from_json,
    offer_to_json,
    still_good,
    terms_to_json,
)
from tests.unit.core.situations import NOW

PERCENT: dict[str, Any] = {"kind": "percent_off", "value": 10, "valid_days": 7}
GIFT: dict[str, Any] = {"kind": "gift", "gift_sku": "MUG", "valid_days": 7}
ACCESS: dict[str, Any] = {"kind": "early_access", "access": "drop-7", "valid_days": 7}
NAMES = st.text("abcXYZ 0189äß-", min_size=1, max_size=12).filter(lambda each: each == each.strip())
OFFERS = st.builds(
    Offer,
    action=st.just("a-0"),
    code=st.just("ABC0119XYZ0K"),
    kind=st.sampled_from(["percent_off", "amount_off", "free_shipping", "gift", "early_access"]),
    value=st.integers(0, 10**12),
    expires_at=st.integers(0, 2**40),
    spent=st.booleans(),
    scope=st.builds(
        Scope,
        min_spend_minor=st.integers(0, 10**12),
        skus=st.lists(NAMES, max_size=3).map(tuple),
        categories=st.lists(NAMES, max_size=3).map(tuple),
    ),
    gift_sku=st.none() | NAMES,
    access=st.none() | NAMES,
    exclusive=st.booleans(),
    redeemed_at=st.none() | st.integers(0, 2**40),
)


@pytest.mark.parametrize(
    ("terms", "problem"),
    [
        ({**PERCENT, "value": 0}, "value: must be 1 to 100 percent"),
        ({"kind": "amount_off", "valid_days": 7}, "value: must be at least one minor unit"),
        ({**GIFT, "value": 500}, "value: must be 0 for gift"),
        ({**ACCESS, "value": 1}, "value: must be 0 for early_access"),
        ({"kind": "gift", "valid_days": 7}, "gift_sku: is missing"),
        ({**PERCENT, "gift_sku": "MUG"}, "gift_sku: is for the kind gift"),
        ({"kind": "early_access", "valid_days": 7}, "access: is missing"),
        ({**GIFT, "access": "drop-7"}, "access: is for the kind early_access"),
        ({**PERCENT, "access_until": "2026-12-01T10:00:00Z"}, "access_until: is for the kind"),
        ({**ACCESS, "access_until": "2026-12-01T10:00:00"}, "timezone info"),
        ({**PERCENT, "skus": ["A\nB"]}, "must be printable"),
        ({**PERCENT, "categories": [" mugs"]}, "without blanks around it"),
        ({**PERCENT, "categories": [""]}, "at least 1 character"),
        ({**PERCENT, "stacking": "maybe"}, "'joint' or 'exclusive'"),
        ({**PERCENT, "min_spend_minor": -1}, "greater than or equal to 0"),
        ({**PERCENT, "surprise": 1}, "not permitted"),
    ],
)
def test_terms_that_do_not_fit_are_refused(terms: dict[str, Any], problem: str) -> None:
    """Every kind has its own parts; the refusal says which is wrong."""
    with pytest.raises(ValidationError, match=problem):
        OfferTerms.model_validate(terms)


def test_early_access_ends_when_everybody_has_it() -> None:
    """Sooner than its days, where the moment is sooner; never later than its days."""
    soon = OfferTerms.model_validate({**ACCESS, "access_until": "2026-11-20T10:00:00+01:00"})
    late = OfferTerms.model_validate({**ACCESS, "access_until": "2027-11-20T10:00:00Z"})

    assert promise("a", soon, code="C", as_of=NOW).expires_at == 1_795_165_200
    assert promise("a", late, code="C", as_of=NOW).expires_at == NOW + 7 * DAY_SECONDS


def test_a_promise_carries_its_terms() -> None:
    """Scope, minimum, gift and stacking go with the code, whatever the policy becomes."""
    terms = OfferTerms.model_validate(
        {**GIFT, "min_spend_minor": 5000, "categories": ["mugs"], "stacking": "exclusive"}
    )

    offer = promise("a", terms, code="C", as_of=NOW)

    assert terms_to_json(offer) == {
        "min_spend": 5000,
        "categories": ["mugs"],
        "gift_sku": "MUG",
        "exclusive": True,
    }
    plain = promise("a", OfferTerms.model_validate(PERCENT), code="C", as_of=NOW)
    assert (plain.scope, terms_to_json(plain)) == (ANY_CART, {})


@given(OFFERS)
def test_every_offer_comes_back_as_it_was_stored(offer: Offer) -> None:
    """As a live code, in a record, and inside of a coupon."""
    assert offer_from_json(offer_to_json(offer)) == offer
    coupon = Coupon(offer, "c#c-1", "d_1", NOW)
    assert coupon_from_json(coupon_to_json(coupon)) == coupon


def test_an_offer_stored_before_it_had_terms_has_none() -> None:
    """Older codes are good for any cart."""
    stored = {"action": "a", "code": "C", "kind": "percent_off", "value": 10, "expires_at": 7}

    assert offer_from_json(stored) == Offer("a", "C", "percent_off", 10, 7)


@given(st.lists(OFFERS, max_size=4), st.integers(0, 2**40))
def test_what_has_expired_only_says_when_it_was_used(offers: list[Offer], now: int) -> None:
    """Codes that are over are shown to nobody; that one was used is remembered."""
    by_action = {f"a-{n}": offer for n, offer in enumerate(offers)}

    good = still_good(by_action, now=now)

    assert all(offer.expires_at > now for offer in good.values())
    assert good.items() <= by_action.items()
    used = [offer.redeemed_at for offer in offers if offer.redeemed_at is not None]
    assert last_use(offers) == (max(used) if used else None)


@pytest.mark.parametrize(
    ("kind", "value", "amount", "refused"),
    [
        ("amount_off", 500, 500, False),
        ("amount_off", 500, 501, True),
        ("early_access", 0, 0, False),
        ("early_access", 0, 1, True),
        ("percent_off", 10, 10**9, False),
        ("free_shipping", 0, 10**9, False),
        ("gift", 0, 10**9, False),
    ],
)
def test_what_can_be_known_of_an_amount_is_checked(
    kind: Any, value: int, amount: int, refused: bool
) -> None:
    """An amount off has its value, early access takes nothing off; the others need the cart."""
    offer = Offer("a-0", "ABC0119XYZ0K", kind, value, NOW + DAY_SECONDS)
    coupon = Coupon(offer, "c#c-1", "d_1", NOW)

    for move in (reserve, redeem):
        if refused:
            with pytest.raises(Refused, match="amount_above_value"):
                move(coupon, order_id="o", amount_minor=amount, budgeted=False, now=NOW)
        else:
            moved = move(coupon, order_id="o", amount_minor=amount, budgeted=False, now=NOW)
            assert moved.uses[0].amount_minor == amount
