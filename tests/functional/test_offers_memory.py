"""How long a code is remembered: a used one as long as the order that used it."""

from __future__ import annotations

import pytest

from chalicelib.core.coupons import state_of
from chalicelib.core.errors import Refused
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import COUPON
from chalicelib.core.plan import COUPON_MEMORY_SECONDS
from chalicelib.core.storage import AtVersion, Put
from chalicelib.core.subject import customer
from chalicelib.flows.redeem import OfferCall
from chalicelib.flows.redeem import from_request as move
from chalicelib.flows.revoke import Revocation
from chalicelib.flows.revoke import from_request as revoke
from tests.coupon_makers import (
    BUYER,
    CODE,
    OTHER_CODE,
    WINBACK,
    budget_of,
    coupon,
    issue,
    limited,
    stored_coupon,
)
from tests.makers import order_event, rules_with
from tests.shop import Shop
from tests.unit.core.situations import NOW

FORGOTTEN = 7 * DAY_SECONDS + COUPON_MEMORY_SECONDS  # after it was issued, when nobody used it


@pytest.fixture
def shop() -> Shop:
    """A shop that has issued two codes, as a decision stores them."""
    shop = Shop(rules=rules_with(actions=limited(WINBACK, budget_minor=1000)))
    issue(shop.store, coupon(), coupon(OTHER_CODE, subject=customer("c-2")))
    for code in (CODE, OTHER_CODE):
        key = COUPON.key(code)
        issued = stored_coupon(shop.store, code)
        shop.store.write([Put(key, issued, AtVersion(1), NOW + FORGOTTEN)], now=NOW)
    return shop


def ask(shop: Shop, operation: str, code: str = CODE, order_id: str = "o-1") -> None:
    """Ask for a code through the interface."""
    who = BUYER if code == CODE else customer("c-2")
    asked = OfferCall(operation, code, who, order_id, 200, "USD")  # type: ignore[arg-type]
    move(asked, store=shop.store, rules=shop.rules, now=shop.now)


@pytest.mark.parametrize("days", [96, 98, 300, 390])
@pytest.mark.parametrize("by_event", [True, False])
def test_a_late_refund_gives_back(shop: Shop, days: int, by_event: bool) -> None:
    """For as long as its order is known, long after an unused code would be forgotten."""
    coupon_of_order, discount = (CODE, "2.00") if by_event else (None, None)
    if not by_event:
        ask(shop, "redeem")
    shop.send(
        order_event(
            "Order Completed",
            "o-1",
            user="c-1",
            total="90.00",
            coupon=coupon_of_order,
            discount=discount,
        )
    )
    assert budget_of(shop.store) == (0, 200)

    shop.now = NOW + days * DAY_SECONDS
    shop.send(order_event("Order Refunded", "o-1", user="c-1", at=shop.now))

    assert budget_of(shop.store) == (0, 0)
    assert state_of(stored_coupon(shop.store), now=shop.now) == "rolled_back"


def test_a_code_that_nobody_used_is_forgotten_after_its_time(shop: Shop) -> None:
    """Until then it is expired, and says so; a cart that had it for a while changes nothing."""
    ask(shop, "reserve", OTHER_CODE)
    ask(shop, "release", OTHER_CODE)
    for code in (CODE, OTHER_CODE):
        shop.now = NOW + FORGOTTEN - 1
        with pytest.raises(Refused, match="code_expired"):
            ask(shop, "redeem", code)
        shop.now = NOW + FORGOTTEN
        with pytest.raises(Refused, match="code_unknown"):
            ask(shop, "redeem", code)


def test_a_revoked_code_is_remembered_as_long_as_an_unused_one(shop: Shop) -> None:
    """It says that it was revoked, long after it would have expired."""
    revoke(Revocation(CODE, "leaked"), store=shop.store, now=NOW)

    shop.now = NOW + FORGOTTEN - 1
    with pytest.raises(Refused, match="code_revoked"):
        ask(shop, "redeem")
