"""Orders that were paid with a code: redeemed, given back, each once, in any order of arrival."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.coupons import CouponState, state_of
from chalicelib.core.subject import customer, guest
from chalicelib.flows.redeem import OfferCall, from_request
from tests.coupon_makers import (
    BUYER,
    CODE,
    OTHER_CODE,
    budget_of,
    check_books,
    coupon,
    issue,
    limited,
    stored_coupon,
)
from tests.makers import NOW, Raw, identify, order_event, rules_with
from tests.shop import Shop

BUDGET = 1000


def shop_with(*coupons: Any, budget_minor: int = BUDGET) -> Shop:
    """A shop with a budget that has issued these codes."""
    shop = Shop(rules=rules_with(actions=limited("winback-10", budget_minor=budget_minor)))
    issue(shop.store, *(coupons or (coupon(),)))
    return shop


def order(name: str = "Completed", *, total: str | None = "90.00", **said: Any) -> Raw:
    """News of order o-1 of c-1; a completed one names the code and a discount of 3.00."""
    if name == "Completed":
        said = {"coupon": CODE, "discount": "3.00", **said}
    return order_event(f"Order {name}", "o-1", total=total, **{"user": "c-1", **said})


def state(shop: Shop, code: str = CODE) -> CouponState:
    """How a code stands."""
    return state_of(stored_coupon(shop.store, code), now=shop.now)


def call(shop: Shop, operation: Any, order_id: str = "o-1", amount_minor: int = 200) -> None:
    """Ask for a code through the interface."""
    asked = OfferCall(operation, CODE, BUYER, order_id, amount_minor, "USD")
    from_request(asked, store=shop.store, rules=shop.rules, now=shop.now)


def test_an_order_with_a_code_redeems_it() -> None:
    """The discount is spent, the code used, and the customer's live code marked as such."""
    shop = shop_with()

    shop.send(order(coupon="abc0-1l9x-yz0k"))

    assert (state(shop), budget_of(shop.store)) == ("redeemed", (0, 300))
    assert [offer.spent for offer in shop.store.all("live").values()] == [True]
    check_books(shop.store, budget_minor=BUDGET, now=NOW)


def test_an_order_redeems_what_its_cart_had_reserved() -> None:
    """What was held is spent, with the discount that the order names."""
    shop = shop_with()
    call(shop, "reserve", amount_minor=500)

    shop.send(order())

    assert (state(shop), budget_of(shop.store)) == ("redeemed", (0, 300))


@pytest.mark.parametrize(
    ("said", "spent"),
    [({"discount": None}, 1000), ({"discount": "99.00"}, 9900)],
    ids=["a tenth of what it was before", "as the shop says"],
)
def test_the_discount_is_named_or_follows_from_the_offer(said: Raw, spent: int) -> None:
    """90.00 after ten percent off were 100.00."""
    shop = shop_with(budget_minor=10_000)

    shop.send(order(**said))

    assert budget_of(shop.store) == (0, spent)


def test_a_cancelled_order_gives_all_of_it_back() -> None:
    """Also when the shop had redeemed the code by a call and names it nowhere."""
    shop = shop_with()
    call(shop, "redeem")
    shop.send(order(coupon=None, discount=None))
    assert budget_of(shop.store) == (0, 200)

    shop.send(order("Cancelled", total=None))

    assert (state(shop), budget_of(shop.store)) == ("rolled_back", (0, 0))


def test_a_refund_gives_its_part_back() -> None:
    """A third of the order refunded is a third of the discount; a refund of all is all."""
    shop = shop_with()

    shop.send(order(), order("Refunded", total="30.00"))
    assert (state(shop), budget_of(shop.store)) == ("rolled_back", (0, 200))

    shop.send(order("Refunded", total=None))
    assert budget_of(shop.store) == (0, 0)


def test_the_same_refund_twice_gives_back_once() -> None:
    """By message id, in one request or in two."""
    shop = shop_with()
    refund = order("Refunded", total="30.00", message_id="m-1")

    shop.send(order(), refund)
    shop.send(refund)

    assert budget_of(shop.store) == (0, 200)


def test_a_refund_of_more_than_the_order_was_worth_gives_nothing_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Refused by name and counted; the code stays redeemed."""
    shop = shop_with()
    shop.send(order())

    shop.send(order("Refunded", total="90.01"))

    assert (state(shop), budget_of(shop.store)) == ("redeemed", (0, 300))
    assert capsys.readouterr().out.count('"reason":"rollback_exceeds_redemption"') == 1


def test_each_excess_is_refused_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A good refund after a bad one is none; of two that come to more, the second is counted."""
    shop = shop_with()
    shop.send(order(), order("Refunded", total="90.01", message_id="bad"))
    capsys.readouterr()

    shop.send(order("Refunded", total="60.00"))
    assert budget_of(shop.store) == (0, 100)
    assert "rollback_exceeds_redemption" not in capsys.readouterr().out

    shop.send(order("Refunded", total="60.00", message_id="second"))
    assert budget_of(shop.store) == (0, 0)
    assert capsys.readouterr().out.count('"reason":"rollback_exceeds_redemption"') == 1


def test_an_excess_that_came_before_its_order_is_refused_with_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nobody knows what the order was worth until it is there; then it is counted all the same."""
    shop = shop_with()
    shop.send(order("Refunded", total="90.01"))
    assert "rollback_exceeds_redemption" not in capsys.readouterr().out

    shop.send(order())

    assert (state(shop), budget_of(shop.store)) == ("redeemed", (0, 300))
    assert capsys.readouterr().out.count('"reason":"rollback_exceeds_redemption"') == 1


@pytest.mark.parametrize("code", ["hasbros", OTHER_CODE], ids=["another system's", "unknown"])
def test_an_unknown_code_is_counted_and_changes_nothing(
    code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The order counts as ever."""
    shop = shop_with()

    answer = shop.send(order(coupon=code))

    assert answer["accepted"] == 1
    assert len(shop.facts(BUYER).recent) == 1
    assert (state(shop), budget_of(shop.store)) == ("live", (0, 0))
    assert '"reason":"code_unknown"' in capsys.readouterr().out


def test_another_customers_code_is_counted_and_left_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A code is for whom it was issued to."""
    shop = shop_with()

    shop.send(order(user="c-2"))

    assert state(shop) == "live"
    assert '"reason":"not_your_code"' in capsys.readouterr().out


def test_a_guests_code_is_good_for_the_customer_they_turn_out_to_be() -> None:
    """In the very request that says who they are, and by a call after it."""
    shop = shop_with(coupon(subject=guest("g-1")), coupon(OTHER_CODE, subject=guest("g-2")))

    shop.send(identify(user="c-1", visitor="g-1"), order())
    assert state(shop) == "redeemed"

    shop.send(identify(user="c-2", visitor="g-2"))
    asked = OfferCall("redeem", OTHER_CODE, customer("c-2"), "o-2", 1, "USD")
    from_request(asked, store=shop.store, rules=shop.rules, now=NOW)
    assert state(shop, OTHER_CODE) == "redeemed"


@pytest.mark.parametrize("known_first", [True, False])
def test_a_customer_may_order_as_a_guest(known_first: bool) -> None:
    """Whether it is said before or after the order who the guest is."""
    shop = shop_with()
    news = [identify(user="c-1", visitor="g-1"), order(user=None, visitor="g-1")]

    for message in news if known_first else reversed(news):
        shop.send(message)

    assert (state(shop), budget_of(shop.store)) == ("redeemed", (0, 300))


def test_an_order_beyond_the_budget_is_counted_and_spends_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Spent and held are never more than the budget, whatever the shop has given away."""
    shop = shop_with(budget_minor=299)

    shop.send(order())

    assert (state(shop), budget_of(shop.store)) == ("live", (0, 0))
    assert '"reason":"budget_exhausted"' in capsys.readouterr().out


def test_an_order_placed_in_time_may_be_told_late() -> None:
    """The code was good when the order was placed."""
    shop = shop_with()
    shop.now = NOW + 8 * 86_400

    shop.send(order(at=NOW))

    assert state(shop) == "redeemed"


def test_an_order_that_is_cancelled_already_redeems_nothing() -> None:
    """A call that comes after the cancellation is refused."""
    shop = shop_with()
    shop.send(order("Cancelled", total=None))

    with pytest.raises(Exception, match="order_cancelled"):
        call(shop, "redeem")
    assert state(shop) == "live"


def test_many_orders_in_one_request_stay_within_the_budget() -> None:
    """Each is settled with what the ones before it have left."""
    codes = [f"C0DE{number:08}" for number in range(20)]
    shop = shop_with(*(coupon(code, subject=guest(code)) for code in codes), budget_minor=1000)

    shop.send(
        *(
            order_event("Order Completed", code, total=90, visitor=code, coupon=code, discount=1)
            for code in codes
        )
    )

    assert budget_of(shop.store) == (0, 1000)
    assert sum(state(shop, code) == "redeemed" for code in codes) == 10
    check_books(shop.store, budget_minor=1000, now=NOW)


NEWS = [
    order(message_id="completed"),
    order("Updated", total="120.00", message_id="updated", at=NOW + 5),
    order("Refunded", total="30.00", message_id="r-1"),
    order("Refunded", total="45.00", message_id="r-2"),
    order("Refunded", total="91.00", message_id="too-much"),
]


def test_any_order_of_arrival_gives_the_same() -> None:
    """Completion, correction and refunds one by one, in any order: the same code and money."""
    for arrival in itertools.permutations(NEWS):
        shop = shop_with()
        for message in arrival:
            shop.send(message)
        assert budget_of(shop.store) == (0, 300 - math.floor(300 * 75 / 90))
        assert state(shop) == "rolled_back"


@settings(max_examples=40)
@given(data=st.data())
def test_any_batches_and_repetitions_give_the_same(data: st.DataObject) -> None:
    """Shuffled, repeated and cut into requests, with a cancellation among them: all is back."""
    news = [*NEWS, order("Cancelled", total=None, message_id="cancelled")]
    again = data.draw(st.lists(st.sampled_from(news), max_size=4))
    arrival = data.draw(st.permutations([*news, *again]))
    shop = shop_with()

    while arrival:
        size = data.draw(st.integers(1, len(arrival)))
        shop.send(*arrival[:size])
        arrival = arrival[size:]

    assert (state(shop), budget_of(shop.store)) == ("rolled_back", (0, 0))
    check_books(shop.store, budget_minor=BUDGET, now=NOW)
