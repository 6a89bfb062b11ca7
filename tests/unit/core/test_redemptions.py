"""What an order means for its codes: the discount that it had, and what it gives back of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.core.coupons import money_of, redeem, use_of
from chalicelib.core.errors import Refused
from chalicelib.core.offers import Coupon
from chalicelib.core.orders import Amount, OrderState
from chalicelib.core.redemptions import discount_of, give_back, rollback_of, settle_order
from tests.coupon_makers import CODE, coupon
from tests.unit.core.situations import NOW


def order(**changes: Any) -> OrderState:
    """A completed order of 90.00 USD."""
    return OrderState("o-1", "c#c-1", **{"completed": Amount(NOW, 9000, "USD"), **changes})


def settled(state: OrderState, code: Coupon | None = None) -> Coupon:
    """A code after this order's news."""
    return settle_order(code or coupon(), state, currency="USD", budgeted=True, now=NOW)


@pytest.mark.parametrize(
    ("kind", "value", "said", "discount"),
    [
        ("percent_off", 10, None, 1000),
        ("percent_off", 100, None, 0),
        ("percent_off", 10, 1234, 1234),
        ("amount_off", 500, None, 500),
        ("amount_off", 500, 800, 500),  # the shop may add up several discounts
        ("amount_off", 500, 300, 300),
        ("free_shipping", 0, None, 0),
        ("free_shipping", 0, 490, 490),
    ],
)
def test_the_discount_of_an_order(kind: Any, value: int, said: int | None, discount: int) -> None:
    """As the shop says, up to the offer's value; else as the offer has it."""
    code = coupon(kind=kind)
    code = replace(code, offer=replace(code.offer, value=value))

    assert discount_of(code, order(codes={CODE: said}), currency="USD") == discount


def test_an_order_in_another_currency_redeems_nothing() -> None:
    """Nothing is converted."""
    with pytest.raises(Refused, match="wrong_currency"):
        settled(order(completed=Amount(NOW, 9000, "EUR"), codes={CODE: 1}))


def test_an_order_that_is_not_completed_redeems_nothing() -> None:
    """A cancellation that came first waits for its order."""
    code = coupon()

    assert settled(order(completed=None, cancelled_at=NOW), code) is code
    assert settled(order(cancelled_at=NOW, codes={CODE: 300})).uses[0].rolled_back_minor == 300


@pytest.mark.parametrize(
    ("refunds", "back", "excess"),
    [
        ({}, 0, 0),
        ({"m-1": 3000}, 100, 0),
        ({"m-1": 3000, "m-2": 1000}, 133, 0),  # rounded down, once for all of them
        ({"m-1": 9001}, 0, 9001),
        ({"m-1": 9001, "m-2": 3000}, 100, 9001),
        ({"m-1": 6000, "m-2": 6000}, 300, 3000),
        ({"m-1": None}, 300, 0),
    ],
)
def test_what_refunds_give_back(refunds: dict[str, int | None], back: int, excess: int) -> None:
    """The part of the discount that the refunds are of the order."""
    assert rollback_of(order(refunds_minor=refunds), redeemed_minor=300) == (back, excess)


def test_a_refund_in_another_currency_gives_nothing_back() -> None:
    """As it takes nothing off the order."""
    state = order(refunds_minor={"m-1": 3000}, refund_currencies={"m-1": "EUR"})

    assert rollback_of(state, redeemed_minor=300) == (0, 0)


def test_an_order_for_nothing_gives_nothing_back() -> None:
    """There is no part of nothing."""
    state = order(completed=Amount(NOW, 0, "USD"), refunds_minor={"m-1": 1})

    assert rollback_of(state, redeemed_minor=300) == (0, 1)


def test_giving_back_never_takes_back() -> None:
    """A later state that says less leaves the code as it is."""
    code = redeem(coupon(), order_id="o-1", amount_minor=300, budgeted=True, now=NOW)
    code = give_back(code, order(cancelled_at=NOW), now=NOW)

    assert give_back(code, order(refunds_minor={"m-1": 1}), now=NOW) is code
    assert money_of(code) == (0, 0)
    assert use_of(code, "o-2") is None
