"""Codes of a person who is erased: taken back, and what they held of a budget is free again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from chalicelib.core.coupons import state_of
from chalicelib.core.errors import Transient
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import COUPON
from chalicelib.core.storage import WHATEVER, Delete, Key
from chalicelib.core.subject import customer
from chalicelib.flows.erase import Erasure, erase_customer
from tests.coupon_makers import budget_of, check_books, limited
from tests.fakes import SIGNING_KEYS
from tests.gate import Died, Gate, Hook, nothing
from tests.gated_store import GatedStore
from tests.storefront import Storefront, open_storefront
from tests.stores import no_sleep
from tests.unit.core.situations import NOW, shipped_rules

BUDGET = 1000


@contextlib.contextmanager
def with_a_code(*operations: str) -> Iterator[Storefront]:
    """A shop in which c-1 was shown a code, and asked these things of it for one cart."""
    limits = limited("winback-10", budget_minor=BUDGET, codes_per_customer=2)
    with open_storefront(rules=shipped_rules(actions=limits)) as shop:
        [offer] = shop.decide("c-1")["offers"]
        for operation in operations:
            body = {"customer_id": "c-1", "order_id": "o-1", "amount": 200, "currency": "USD"}
            response = shop.call("POST", f"/v1/offers/{offer['code']}/{operation}", body=body)
            assert response.status_code == 200, response.body
        yield shop


def erase(
    shop: Storefront, *, before: Hook = nothing, after: Hook = nothing
) -> tuple[Erasure, int]:
    """Erase c-1 behind hooks; returns what came of it and how many calls it took."""
    gate = Gate(before=before, after=after)
    erasure = erase_customer(
        "c-1",
        store=GatedStore(gate, shop.store),
        keys=SIGNING_KEYS,
        new_key=lambda: "0a" * 16,
        pause=no_sleep,
        now=shop.clock(),
        key_id="k",
        correlation_id="erasing",
    )
    return erasure, len(gate.passed)


def check(shop: Storefront, *, state: str, budget: tuple[int, int]) -> None:
    """The code is nobody's, in its state, and codes and budget agree."""
    (coupon,) = shop.store.all("coupon").values()
    assert state_of(coupon, now=NOW) == state
    assert coupon.subject_key != customer("c-1").key
    assert "o-1" not in {use.order_id for use in coupon.uses}
    assert budget_of(shop.store) == budget
    check_books(shop.store, budget_minor=BUDGET, now=NOW)
    assert shop.store.all("live") == {}
    assert shop.store.all("issued") == {}


@pytest.mark.parametrize(
    ("operations", "state", "budget"),
    [
        ((), "revoked", (0, 0)),
        (("reserve",), "revoked", (0, 0)),
        (("reserve", "redeem"), "redeemed", (0, 200)),
    ],
)
def test_a_code_that_could_still_be_used_is_taken_back(
    operations: tuple[str, ...], state: str, budget: tuple[int, int]
) -> None:
    """A cart that holds it loses it with its money; what was spent stays spent, by nobody."""
    with with_a_code(*operations) as shop:
        erase(shop)

        check(shop, state=state, budget=budget)


def test_the_count_of_codes_goes_though_the_codes_are_long_forgotten() -> None:
    """What was counted names the customer, and outlives every code that it counts."""
    with with_a_code() as shop:
        shop.clock.forward(200 * DAY_SECONDS)
        [code] = shop.store.all("coupon")
        gone = Key(COUPON, code)
        shop.store.write([Delete(gone, WHATEVER)], now=shop.clock())  # as TTL does
        assert [each["count"] for each in shop.store.all("issued").values()] == [1]

        erase(shop)

        assert shop.store.all("issued") == {}


@pytest.mark.parametrize("kind", ["dies before", "dies after", "reply lost"])
def test_money_is_given_back_once_whatever_breaks(kind: str) -> None:
    """Broken off at any call and asked again, the budget is as if nothing had broken."""
    with with_a_code("reserve") as shop:
        calls = erase(shop)[1]

    for at in range(1, calls + 1):

        def before(number: int, _port: str, *, at: int = at) -> None:
            if number == at and kind == "dies before":
                raise Died

        def after(number: int, _port: str, *, at: int = at) -> None:
            if number == at and kind != "dies before":
                raise Died if kind == "dies after" else Transient("reply lost")

        with with_a_code("reserve") as shop:
            with contextlib.suppress(Died, Transient):
                erase(shop, before=before, after=after)

            erase(shop)

            check(shop, state="revoked", budget=(0, 0))
