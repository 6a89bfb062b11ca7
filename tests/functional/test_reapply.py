"""A restore brings back whom tombstones name; applying them again takes them away again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from chalicelib.flows.reapply import reapply_tombstones
from tests.coupon_makers import WINBACK, limited
from tests.fakes import SIGNING_KEYS
from tests.makers import identify, order_event
from tests.persons import ANN, CANARY, settle_in, stored_text
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW, buyer, shipped_rules


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


def test_a_count_of_codes_is_of_the_person_who_was_erased_or_of_the_one_who_came_back() -> None:
    """By when its first code was issued."""
    rules = shipped_rules(actions=limited(WINBACK, codes_per_customer=1))
    with open_storefront(rules=rules) as shop:
        assert shop.decide("c-1")["offers"]
        backup = shop.store.backup()
        shop.call("DELETE", "/v1/customers/c-1")
        shop.clock.forward(60)
        shop.store.restore(backup, tables=("effects",))
        assert shop.store.all("issued")

        assert reapply(shop)["issued"] == 1
        assert shop.store.all("issued") == {}

        shop.knows(buyer(silent_days=100))
        shop.clock.forward(60)
        assert shop.decide("c-1", session_id="s-2")["offers"]
        assert "issued" not in reapply(shop)
        assert [each["count"] for each in shop.store.all("issued").values()] == [1]
