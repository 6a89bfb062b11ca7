"""POST /v1/decisions for other places than the checkout: what each renders, end to end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.api import answers
from tests.storefront import TEXAS, Storefront, open_storefront
from tests.unit.core.offering import policy_with
from tests.unit.core.situations import shipped_rules

CONTENT: dict[str, dict[str, Any]] = {
    "home": {"headline": "Welcome back", "image": 7, "dark": True},
    "product": {"badge": "−10 %", "weight": 0.5},
    "chat": {"say": "Shall I put ten percent aside for you?", "tone": "calm"},
}
PLACES = (*CONTENT, "checkout", "mail", "batch")


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop whose one action is shown at three places, each in its own way, with an offer."""
    policy = policy_with(
        {
            "placements": list(CONTENT),
            "treatments": {place: {"content": content} for place, content in CONTENT.items()},
            "offer": {"kind": "gift", "gift_sku": "MUG", "valid_days": 7, "min_spend_minor": 5000},
        },
        fallbacks={place: {"action": f"no-{place}"} for place in PLACES},
    )
    with open_storefront(rules=replace(shipped_rules(), policy=policy)) as storefront:
        yield storefront


def ask(shop: Storefront, placement: Any, *, status: int = 200, **more: Any) -> dict[str, Any]:
    """Ask for a place of the shop."""
    body = {"customer_id": "c-1", "placement": placement, "context": TEXAS, **more}
    response = shop.call("POST", "/v1/decisions", body=body)
    assert response.status_code == status, response.body
    told: dict[str, Any] = response.json_body
    return told


@pytest.mark.parametrize("placement", CONTENT)
def test_a_place_renders_what_was_decided(shop: Storefront, placement: str) -> None:
    """The content comes out as the policy spells it, with the offer and its terms."""
    told = ask(shop, placement)

    answers.Decision.model_validate(told)
    assert told["treatments"] == [{"action": "a-0", "content": CONTENT[placement]}]
    [offer] = told["offers"]
    assert (offer["kind"], offer["gift_sku"], offer["min_spend"]) == ("gift", "MUG", 5000)
    assert told["price"] is None
    assert shop.lines()[-1]["placement"] == placement


def test_all_places_share_the_code_of_an_action(shop: Storefront) -> None:
    """Whoever is shown an offer on two pages has one code."""
    codes = {ask(shop, placement)["offers"][0]["code"] for placement in CONTENT}

    assert len(codes) == 1


@pytest.mark.parametrize("placement", CONTENT)
def test_a_cart_that_is_sent_along_is_held_to_the_terms(shop: Storefront, placement: str) -> None:
    """A page that knows the cart is told what the offer misses, and renders its fallback."""
    cart = {"lines": [{"sku": "MUG", "quantity": 1, "unit_price": 2000}]}

    told = ask(shop, placement, cart=cart)

    assert (told["offers"], told["treatments"]) == ([], [])
    assert [(each["action"], each["reason"]) for each in told["reasons"]] == [
        ("a-0", "below_minimum_spend"),
        (f"no-{placement}", "nothing_else_survived"),
    ]


def test_a_checkout_of_that_policy_has_nothing_to_render(shop: Storefront) -> None:
    """What is meant for pages is none of its candidates."""
    told = ask(shop, "checkout")

    assert told["treatments"] == []
    assert [each["action"] for each in told["reasons"]] == ["no-checkout"]


@pytest.mark.parametrize("placement", ["mail", "batch", "Home", "", None, 7, ["home"]])
def test_a_place_that_nobody_asks_from_is_refused_by_name(shop: Storefront, placement: Any) -> None:
    """Mail and batch are decided unasked; the refusal names the field and what it may be."""
    told = ask(shop, placement, status=422)

    answers.Problem.model_validate(told)
    [error] = told["errors"]
    assert error["field"] == "placement"
    assert "'home'" in error["problem"]
    assert shop.calls() == []
