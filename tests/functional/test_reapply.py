"""A restore brings back whom tombstones name; applying them again takes them away again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from chalicelib.flows.reapply import reapply_tombstones
from tests.fakes import SIGNING_KEYS
from tests.makers import identify, order_event
from tests.persons import ANN, CANARY, settle_in, stored_text
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows Ann, and Bob."""
    with open_storefront() as storefront:
        settle_in(storefront)
        storefront.call("POST", "/v1/events", body=identify(user="bob", email="bob@example.com"))
        yield storefront


def reapply(shop: Storefront) -> Mapping[str, int]:
    """Look through all tables."""
    return reapply_tombstones(
        shop.store.keys(),
        store=shop.store,
        keys=SIGNING_KEYS,
        new_key=lambda: "0b" * 16,
        now=shop.clock(),
    )


def test_a_restore_does_not_bring_anybody_back(shop: Storefront) -> None:
    """Every table but control goes back to before the erasure: after the run nothing is left."""
    backup = shop.store.backup()
    shop.call("DELETE", f"/v1/customers/{ANN}")
    shop.clock.forward(86_400)
    shop.store.restore(backup, tables=("profiles", "decisions", "effects"))
    assert CANARY in stored_text(shop)

    counts = reapply(shop)

    assert CANARY not in stored_text(shop)
    assert set(counts) >= {"facts", "contact", "order", "record", "effect", "coupon", "consent"}
    assert shop.call("GET", "/v1/customers/bob").status_code == 200
    assert reapply(shop) == {}


def test_whoever_came_back_since_stays(shop: Storefront) -> None:
    """A run on tables that nobody restored finds nothing, and takes nothing of the new person."""
    shop.call("DELETE", f"/v1/customers/{ANN}")
    shop.clock.forward(86_400)
    message = order_event("Order Completed", "new", user=ANN, total=9, at=NOW + 80_000)
    shop.call("POST", "/v1/events", body=message)
    shop.decide(ANN)

    assert reapply(shop).keys() <= {"session"}
    assert shop.call("GET", f"/v1/customers/{ANN}").json_body["facts"]["orders"] == 1
