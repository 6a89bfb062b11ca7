"""One live code for each customer and action, also of guests who turn out to be one customer."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from chalicelib.core.coupons import state_of
from chalicelib.core.errors import Refused, Transient
from chalicelib.core.subject import Subject, customer, guest
from chalicelib.flows.redeem import OfferCall
from chalicelib.flows.redeem import from_request as move
from tests.coupon_makers import (
    CODE,
    OTHER_CODE,
    WINBACK,
    budget_of,
    check_books,
    coupon,
    issue,
    limited,
    stored_coupon,
)
from tests.functional.test_offers_crashes import FAULTS, faulty
from tests.gate import Died
from tests.makers import identify, order_event, rules_with
from tests.shop import Shop
from tests.unit.core.situations import NOW

BUDGET = 1000
GUEST, BUYER = guest("g-1"), customer("c-1")
LIMITS = {"budget_minor": BUDGET, "codes_per_customer": 2}


def shop_with(*coupons: Any) -> Shop:
    """A shop that has issued these codes."""
    shop = Shop(rules=rules_with(actions=limited(WINBACK, **LIMITS)))
    issue(shop.store, *coupons)
    return shop


def ask(
    shop: Shop, operation: Any, code: str, subject: Subject = GUEST, order_id: str = "o-1"
) -> None:
    """Ask for a code through the interface."""
    asked = OfferCall(operation, code, subject, order_id, 200, "USD")
    move(asked, store=shop.store, rules=shop.rules, now=shop.now)


def become_known(shop: Shop, visitor: str = "g-1", user: str = "c-1") -> None:
    """A guest logs in."""
    shop.send(identify(user=user, visitor=visitor))


def states(shop: Shop) -> dict[str, str]:
    """How each code stands."""
    return {
        each.offer.code: state_of(each, now=shop.now) for each in shop.store.all("coupon").values()
    }


def live_of(shop: Shop) -> dict[str, str]:
    """The code that stands for each subject."""
    return {name: offer.code for name, offer in shop.store.all("live").items()}


def test_a_guests_only_code_becomes_the_customers() -> None:
    """It is the customer's one live code from then on, and serves whoever asks by either name."""
    shop = shop_with(coupon(subject=GUEST))

    become_known(shop)

    assert live_of(shop) == {f"l#c#c-1#{WINBACK}": CODE}
    assert stored_coupon(shop.store).subject_key == BUYER.key
    ask(shop, "reserve", CODE, GUEST)
    ask(shop, "redeem", CODE, BUYER)
    assert states(shop) == {CODE: "redeemed"}
    assert [offer.spent for offer in shop.store.all("live").values()] == [True]


def test_of_two_codes_the_customers_own_stays() -> None:
    """The guest's is revoked: nobody has two."""
    shop = shop_with(coupon(subject=BUYER), coupon(OTHER_CODE, subject=GUEST))

    become_known(shop)

    assert states(shop) == {CODE: "live", OTHER_CODE: "revoked"}
    assert live_of(shop) == {f"l#c#c-1#{WINBACK}": CODE}
    assert stored_coupon(shop.store, OTHER_CODE).revoked_for == "merged"


def test_the_code_that_a_cart_holds_stays() -> None:
    """Who logs in on the way through the checkout does not lose the price that they were shown."""
    shop = shop_with(coupon(subject=BUYER), coupon(OTHER_CODE, subject=GUEST))
    ask(shop, "reserve", OTHER_CODE)

    become_known(shop)

    assert states(shop) == {CODE: "revoked", OTHER_CODE: "reserved"}
    assert live_of(shop) == {f"l#c#c-1#{WINBACK}": OTHER_CODE}
    ask(shop, "redeem", OTHER_CODE, BUYER)
    assert budget_of(shop.store) == (0, 200)


def test_of_two_carts_the_customers_own_keeps_its_code() -> None:
    """The other one's money is given back in the same write."""
    shop = shop_with(coupon(subject=BUYER), coupon(OTHER_CODE, subject=GUEST))
    ask(shop, "reserve", OTHER_CODE)
    ask(shop, "reserve", CODE, BUYER, "o-2")
    assert budget_of(shop.store) == (400, 0)

    become_known(shop)

    assert states(shop) == {CODE: "reserved", OTHER_CODE: "revoked"}
    assert budget_of(shop.store) == (200, 0)
    check_books(shop.store, budget_minor=BUDGET, now=NOW)


def test_who_has_used_their_code_gets_no_second_one_as_a_guest() -> None:
    """The guest's is revoked, though the customer's own is spent."""
    shop = shop_with(coupon(subject=BUYER), coupon(OTHER_CODE, subject=GUEST))
    ask(shop, "redeem", CODE, BUYER)

    become_known(shop)

    assert states(shop) == {CODE: "redeemed", OTHER_CODE: "revoked"}
    assert [offer.spent for offer in shop.store.all("live").values()] == [True]


def test_a_code_that_was_used_as_a_guest_counts_for_the_customer() -> None:
    """They get no second one before the first would have expired; a refund still finds it."""
    shop = shop_with(coupon(subject=GUEST))
    ask(shop, "redeem", CODE)

    become_known(shop)

    [mark] = shop.store.all("live").items()
    assert (mark[0], mark[1].code, mark[1].spent) == (f"l#c#c-1#{WINBACK}", CODE, True)
    shop.send(order_event("Order Completed", "o-1", total=9, user=None, visitor="g-1"))
    shop.send(order_event("Order Cancelled", "o-1", user="c-1"))
    assert (states(shop), budget_of(shop.store)) == ({CODE: "rolled_back"}, (0, 0))


@pytest.mark.parametrize("at_once", [True, False])
def test_a_thousand_guests_of_one_customer_are_one_code(at_once: bool) -> None:
    """However many names somebody took before they logged in: all but one are revoked."""
    names = [f"g-{number}" for number in range(1000 if at_once else 100)]
    codes = [f"G{number:011}" for number in range(len(names))]
    shop = shop_with(
        *(coupon(code, subject=guest(name)) for code, name in zip(codes, names, strict=True))
    )

    size = 100 if at_once else 1
    for start in range(0, len(names), size):
        shop.send(*(identify(user="c-1", visitor=name) for name in names[start : start + size]))

    usable = [code for code, state in states(shop).items() if state != "revoked"]
    assert len(usable) == 1
    assert live_of(shop) == {f"l#c#c-1#{WINBACK}": usable[0]}
    ask(shop, "redeem", usable[0], BUYER)
    for code in codes[1:50]:
        with pytest.raises(Refused, match="code_re"):
            ask(shop, "redeem", code, BUYER, "o-2")
    assert budget_of(shop.store) == (0, 200)


def test_an_order_in_the_same_request_uses_the_code_that_stays() -> None:
    """The guest's code is joined before the order is settled."""
    shop = shop_with(coupon(subject=GUEST))

    paid = order_event("Order Completed", "o-1", total=90, user="c-1", coupon=CODE, discount="2")
    shop.send(identify(user="c-1", visitor="g-1"), paid)

    assert states(shop) == {CODE: "redeemed"}
    assert [offer.spent for offer in shop.store.all("live").values()] == [True]


def test_saying_it_again_changes_nothing() -> None:
    """Most sites say with every page who a guest is."""
    shop = shop_with(coupon(subject=BUYER), coupon(OTHER_CODE, subject=GUEST))
    become_known(shop)
    before = (states(shop), live_of(shop))
    shop.calls()

    shop.send(identify(user="c-1", visitor="g-1", message_id="m-again"))

    assert shop.call_names() == ["read", "write"]
    assert (states(shop), live_of(shop)) == before


def test_a_guest_who_belongs_to_another_customer_keeps_nothing_to_give() -> None:
    """A guest belongs to the first who says so; their code stays there."""
    shop = shop_with(coupon(subject=GUEST))
    become_known(shop)

    become_known(shop, user="c-2")

    assert live_of(shop) == {f"l#c#c-1#{WINBACK}": CODE}
    with pytest.raises(Refused, match="not_your_code"):
        ask(shop, "reserve", CODE, customer("c-2"))


@pytest.mark.parametrize("kind", FAULTS)
def test_whatever_breaks_one_code_is_left(kind: str) -> None:
    """The codes are joined in the write that joins the profiles, or neither is."""
    for at in range(1, 6):
        shop = shop_with(coupon(subject=BUYER), coupon(OTHER_CODE, subject=GUEST))
        ask(shop, "reserve", OTHER_CODE)
        sound = shop.store
        shop.store = faulty(sound, kind, at)  # type: ignore[assignment]
        with contextlib.suppress(Died, Transient):
            become_known(shop)
        shop.store = sound

        become_known(shop)

        assert states(shop) == {CODE: "revoked", OTHER_CODE: "reserved"}
        check_books(shop.store, budget_minor=BUDGET, now=NOW)
