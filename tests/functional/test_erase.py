"""Erasing a customer: what goes, what stays without them, and what can never bring them back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.core.coupons import state_of
from tests.makers import identify, order_event, track
from tests.persons import ANN, EMAIL, settle_in, stored_text
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop whose customer Ann has browsed as a guest, bought, agreed to mail and checked out."""
    with open_storefront() as storefront:
        settle_in(storefront)
        yield storefront


def erase(shop: Storefront, customer_id: str = ANN) -> dict[str, Any]:
    """Erase a customer."""
    response = shop.call("DELETE", f"/v1/customers/{customer_id}")
    assert response.status_code == 200, response.body
    body: dict[str, Any] = response.json_body
    return body


def test_nothing_of_the_person_is_left(shop: Storefront) -> None:
    """Not an id, a guest's id, an address, a name, an order or a product: no table holds one."""
    assert "canary" in stored_text(shop)

    told = erase(shop)

    assert told["state"] == "ERASED"
    assert told["counts"]["record"] == 2  # of the mail and of the checkout
    assert "canary" not in stored_text(shop)
    assert shop.call("GET", f"/v1/customers/{ANN}").status_code == 404
    assert shop.call("GET", f"/v1/customers/{ANN}/export").status_code == 404


def test_a_decision_still_says_how_it_was_made_and_not_about_whom(shop: Storefront) -> None:
    """The record keeps rules and outcome under a pseudonym; deciding it again answers ERASED."""
    answer = shop.decide(ANN, session_id="another")
    erase(shop)

    shown = shop.call("GET", f"/v1/decisions/{answer['decision_id']}")
    replayed = shop.call("POST", f"/v1/decisions/{answer['decision_id']}/replay")

    assert shown.status_code == 200
    assert shown.json_body["policy"] == answer["policy"]
    assert shown.json_body["situation"] == {}
    assert shown.json_body["erased_at"]
    assert "customer_id" not in shown.json_body
    assert (replayed.status_code, replayed.json_body["reason"]) == (409, "ERASED")


def test_codes_are_revoked_and_open_effects_end(shop: Storefront) -> None:
    """A code of hers is worth nothing, and what was planned for her does not happen."""
    erase(shop)

    assert {state_of(coupon, now=NOW) for coupon in shop.store.all("coupon").values()} <= {
        "revoked"
    }
    assert shop.store.all("live") == {}
    states = {effect.state for effect in shop.store.all("effect").values()}
    assert states <= {"SUPPRESSED"}
    assert {effect.reason for effect in shop.store.all("effect").values()} == {"erased"}


def test_erasing_again_changes_nothing(shop: Storefront) -> None:
    """The second call finds nothing, says the same moment, and writes nothing."""
    first = erase(shop)
    before = stored_text(shop)
    shop.clock.forward(60)

    again = erase(shop)

    assert (again["erased_at"], again["counts"]) == (first["erased_at"], {})
    assert stored_text(shop) == before


def test_what_comes_late_does_not_bring_her_back(shop: Storefront) -> None:
    """Messages from before are dropped and counted, whichever of her names they use."""
    erase(shop)
    shop.clock.forward(3600)

    told = shop.call(
        "POST",
        "/v1/events",
        body={
            "batch": [
                identify(user=ANN, email=EMAIL, at=NOW - 5),
                order_event("Order Completed", "canary-o-2", user=ANN, total=9, at=NOW - 5),
                track("Product Viewed", visitor="canary-guest", sku="canary-sku", at=NOW - 5),
                identify(visitor="canary-other-guest", email=EMAIL.upper(), at=NOW - 5),
                order_event("Order Refunded", "canary-o-1", user=ANN, total=3, at=NOW + 3500),
            ]
        },
    )

    assert told.status_code == 202
    assert told.json_body == {"accepted": 0, "duplicates": 0, "erased": 5, "rejected": []}
    assert "canary" not in stored_text(shop)


def test_she_may_come_back_as_somebody_new(shop: Storefront) -> None:
    """What is dated after the erasure begins a new person, who knows nothing of the old one."""
    erase(shop)
    shop.clock.forward(3600)

    message = order_event("Order Completed", "new-order", user=ANN, total=9, at=NOW + 3000)
    told = shop.call("POST", "/v1/events", body=message)

    assert told.json_body == {"accepted": 1, "duplicates": 0, "rejected": []}
    view = shop.call("GET", f"/v1/customers/{ANN}").json_body
    assert view["facts"]["orders"] == 1
    assert view["decisions"] == []
    assert not view["has_address"]


def test_an_unknown_customer_is_erased_all_the_same(shop: Storefront) -> None:
    """A file that waits in the queue may speak of them: the tombstone stands before it comes."""
    assert erase(shop, "nobody")["state"] == "ERASED"
    shop.clock.forward(3600)

    told = shop.call("POST", "/v1/events", body=identify(user="nobody", at=NOW - 5))

    assert told.json_body["erased"] == 1
