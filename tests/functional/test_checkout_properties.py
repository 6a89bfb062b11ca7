"""What holds for any checkout at all."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.api import answers
from chalicelib.core.catalogue import Product
from chalicelib.core.control import Switches
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import buyer

SKUS = ["MUG", "CUP", "NONE"]
LINES = st.lists(
    st.fixed_dictionaries(
        {
            "sku": st.sampled_from(SKUS),
            "quantity": st.integers(1, 10_000),
            "unit_price": st.integers(0, 10**12),
        }
    ),
    max_size=5,
)
CONTEXTS = st.fixed_dictionaries(
    {"currency": st.sampled_from(["USD", "EUR", "JPY"])},
    optional={
        "country": st.sampled_from(["US", "DE", "JP", "AQ"]),
        "session_id": st.sampled_from(["s-1", "s-2"]),
        "gpc": st.booleans(),
        "pricing_opt_out": st.booleans(),
        "time_zone": st.just("Europe/Berlin"),
    },
)
PRODUCTS = st.tuples(st.integers(0, 10**6), st.none() | st.integers(0, 10**6))
SWITCHES = st.builds(Switches, st.booleans(), st.booleans(), st.booleans())
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["customer_id", "anonymous_id", "context", "cart", "lines", "sku", "quantity"]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    lines=LINES,
    context=CONTEXTS,
    product=PRODUCTS,
    silent_days=st.integers(0, 800),
    switches=SWITCHES,
)
def test_any_checkout_is_answered_within_its_bounds(
    lines: list[dict[str, Any]],
    context: dict[str, Any],
    product: tuple[int, int | None],
    silent_days: int,
    switches: Switches,
) -> None:
    """No price above the published one or below its floor, sums add up, a quote holds."""
    with open_storefront() as shop:
        base_minor, floor_minor = product
        cup = Product("CUP", "USD", base_price_minor=base_minor, floor_minor=floor_minor)
        shop.knows(cup, buyer(silent_days=silent_days), switches)

        answer = ask(shop, lines, context)

        answers.Decision.model_validate(answer)
        if not lines:
            assert answer["price"] is None
            return
        price = answer["price"]
        for line in price["lines"]:
            assert 0 <= line["unit_price"] <= line["base_unit_price"]
            if line["sku"] == "CUP" and line["unit_price"] < line["base_unit_price"]:
                assert floor_minor is not None
                assert line["unit_price"] >= min(floor_minor, base_minor)
        assert price["total"] == sum(
            line["quantity"] * line["unit_price"] for line in price["lines"]
        )
        if context.get("gpc") or context.get("pricing_opt_out") or not switches.pricing:
            assert price["tier"] == "base"
        if not switches.offers:
            assert answer["offers"] == []
        verdict = shop.call("POST", "/v1/quotes/verify", body={"quote": price["quote"]}).json_body
        assert (verdict["valid"], verdict["total"]) == (True, price["total"])


@given(lines=LINES, context=CONTEXTS, silent_days=st.integers(0, 800))
def test_asking_twice_is_answered_once(
    lines: list[dict[str, Any]], context: dict[str, Any], silent_days: int
) -> None:
    """With an Idempotency-Key, the second answer is the first, and one record stands there."""
    with open_storefront() as shop:
        shop.knows(buyer(silent_days=silent_days))

        first = ask(shop, lines, context, key="k-1")
        again = ask(shop, lines, context, key="k-1")

        assert again == first
        assert len(shop.store.all("record")) == 1
        assert len(shop.store.all("coupon")) == len(first["offers"])


@given(lines=LINES, context=CONTEXTS, silent_days=st.integers(0, 800))
def test_every_record_decides_again_to_the_same(
    lines: list[dict[str, Any]], context: dict[str, Any], silent_days: int
) -> None:
    """What was stored is enough to decide again, without a difference."""
    with open_storefront() as shop:
        shop.knows(buyer(silent_days=silent_days))
        decision_id = ask(shop, lines, context)["decision_id"]

        replayed = shop.call("POST", f"/v1/decisions/{decision_id}/replay").json_body

        assert replayed == {"same": True, "differences": []}


@given(body=ANYTHING)
def test_no_json_at_all_brings_the_api_down(body: Any) -> None:
    """Anything is either answered or refused with a problem document, never with a fault."""
    with open_storefront() as shop:
        for path in ("/v1/decisions", "/v1/quotes/verify", "/v1/events"):
            response = shop.call("POST", path, body=json.dumps(body).encode())

            assert response.status_code in (200, 202, 400, 422), (path, response.body)
            if response.status_code >= 400:
                assert response.json_body["errors"]
                assert shop.store.all("record") == {}


def ask(
    shop: Storefront, lines: list[dict[str, Any]], context: dict[str, Any], key: str | None = None
) -> dict[str, Any]:
    """A checkout of c-1 that must be answered."""
    request = {"customer_id": "c-1", "context": context, "cart": {"lines": lines}}
    headers = {} if key is None else {"Idempotency-Key": key}
    response = shop.call("POST", "/v1/decisions", body=request, headers=headers)
    assert response.status_code == 200, response.body
    body: dict[str, Any] = response.json_body
    return body
