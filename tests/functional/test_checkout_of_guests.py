"""What a checkout shows a guest who has a code, before and after they log in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.core.coupons import state_of
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.subject import guest
from chalicelib.flows.redeem import OfferCall, from_request
from tests.coupon_makers import WINBACK, limited, stored_coupon
from tests.makers import identify, track
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW, buyer, shipped_rules

GUEST = guest("g-1")
LIMITS = {"budget_minor": 1000, "codes_per_customer": 2}


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows a guest and a customer, both silent for a hundred days."""
    with open_storefront(rules=shipped_rules(actions=limited(WINBACK, **LIMITS))) as storefront:
        storefront.knows(buyer(silent_days=100, subject=GUEST))
        yield storefront


def tell(shop: Storefront, *messages: Any) -> None:
    """Fold messages."""
    response = shop.call("POST", "/v1/events", body={"batch": list(messages)})
    assert response.status_code == 202, response.body
    assert response.json_body["rejected"] == []


def offered(shop: Storefront, **who: Any) -> list[str]:
    """The codes that a checkout shows."""
    return [offer["code"] for offer in shop.decide(**who)["offers"]]


def test_the_checkout_shows_the_one_code_before_and_after(shop: Storefront) -> None:
    """By either name, in the same session and in a new one."""
    [code] = offered(shop, customer_id=None, anonymous_id="g-1")

    tell(shop, identify(user="c-1", visitor="g-1"))

    for session_id in ("s-1", "s-2"):
        assert offered(shop, customer_id="c-1", session_id=session_id) == [code]
        asked = {"customer_id": None, "anonymous_id": "g-1", "session_id": session_id}
        assert offered(shop, **asked) == [code]


def test_a_session_does_not_go_on_showing_the_code_that_was_given_up(shop: Storefront) -> None:
    """The customer's own was revoked for the one in their cart: that is the one to show."""
    [own] = offered(shop, customer_id="c-1")
    [held] = offered(shop, customer_id=None, anonymous_id="g-1")
    asked = OfferCall("reserve", held, GUEST, "o-1", 200, "USD")
    from_request(asked, store=shop.store, rules=shop.rules, now=NOW)

    tell(shop, identify(user="c-1", visitor="g-1"))

    assert state_of(stored_coupon(shop.store, own), now=NOW) == "revoked"
    assert offered(shop, customer_id="c-1") == [held]


def test_a_code_that_is_issued_while_the_guest_logs_in(shop: Storefront) -> None:
    """Between its read and its write the guest became a customer who has a code: that is shown."""
    [own] = offered(shop, customer_id="c-1")
    shop.store.before_write = lambda: tell(shop, identify(user="c-1", visitor="g-1"))

    assert offered(shop, customer_id=None, anonymous_id="g-1") == [own]
    assert len(shop.store.all("coupon")) == 1


def test_a_busy_guest_is_served(shop: Storefront) -> None:
    """Something is told of them between every read and write, five times: still a code."""
    left = [5]

    def meanwhile() -> None:
        if left[0]:
            left[0] -= 1
            tell(shop, track("Product Viewed", visitor="g-1", sku=f"MUG-{left[0]}"))
            shop.store.before_write = meanwhile

    shop.store.before_write = meanwhile

    assert len(offered(shop, customer_id=None, anonymous_id="g-1")) == 1


def test_codes_of_guests_count_for_the_customer(shop: Storefront) -> None:
    """Two codes were given to one person under two names: there is no third."""
    offered(shop, customer_id="c-1")
    offered(shop, customer_id=None, anonymous_id="g-1")

    tell(shop, identify(user="c-1", visitor="g-1"))

    assert {key: each["count"] for key, each in shop.store.all("issued").items()} == {
        f"n#c#c-1#{WINBACK}": 2
    }
    shop.clock.forward(15 * DAY_SECONDS)
    told = shop.decide("c-1")
    [why] = [each for each in told["reasons"] if each["action"] == WINBACK]
    assert (told["offers"], why["reason"]) == ([], "limit_reached")
