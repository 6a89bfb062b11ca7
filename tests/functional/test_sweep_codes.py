"""The sweep of reservations: a lock that has ended holds nothing of a budget any longer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from chalicelib.core.coupons import state_of
from chalicelib.core.errors import Transient
from chalicelib.flows.sweep import SweepPorts, sweep
from tests.coupon_makers import budget_of, check_books, limited
from tests.fakes import MemoryQueue
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import shipped_rules

BUDGET, LOCK_SECONDS = 1000, 900


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop in which a cart holds its code."""
    rules = shipped_rules(actions=limited("winback-10", budget_minor=BUDGET, lock_minutes=15))
    with open_storefront(rules=rules) as storefront:
        reserve(storefront, "s-1")
        yield storefront


def reserve(shop: Storefront, session_id: str) -> None:
    """A cart of c-1 locks its code."""
    [offer] = shop.decide("c-1", session_id=session_id)["offers"]
    body = {"customer_id": "c-1", "order_id": "o-1", "amount": 200, "currency": "USD"}
    response = shop.call("POST", f"/v1/offers/{offer['code']}/reserve", body=body)
    assert response.status_code == 200, response.body


def swept(shop: Storefront) -> dict[str, int]:
    """One run of the sweep."""
    return sweep(
        ports=SweepPorts(shop.store, MemoryQueue()), now=shop.clock(), correlation_id="s-1"
    )


def test_a_lock_that_has_ended_is_found_and_its_money_freed(shop: Storefront) -> None:
    """Not a second early, once, and the code is live again."""
    shop.clock.forward(LOCK_SECONDS - 1)
    assert swept(shop)["freed"] == 0
    assert budget_of(shop.store) == (200, 0)

    shop.clock.forward(1)

    assert swept(shop)["freed"] == 1
    assert budget_of(shop.store) == (0, 0)
    (coupon,) = shop.store.all("coupon").values()
    assert state_of(coupon, now=shop.clock()) == "live"
    assert swept(shop)["freed"] == 0
    check_books(shop.store, budget_minor=BUDGET, now=shop.clock())


def test_storage_that_fails_leaves_the_lock_to_the_next_run(shop: Storefront) -> None:
    """What went wrong is raised, and nothing is freed twice afterwards."""
    shop.clock.forward(LOCK_SECONDS)
    shop.store.lose_replies(Transient("reply lost"))

    with contextlib.suppress(Transient):
        swept(shop)
    swept(shop)

    assert budget_of(shop.store) == (0, 0)
    check_books(shop.store, budget_minor=BUDGET, now=shop.clock())
