"""``POST /v1/quotes/verify``: a price holds until it expires, and only if we said it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.api import answers
from chalicelib.api.schemas import LARGEST_QUANTITY, MOST_LINES
from chalicelib.core.money import LARGEST_AMOUNT_MINOR
from chalicelib.core.subject import LONGEST_ID
from chalicelib.core.tokens import sign
from tests.fakes import SIGNING_KEYS
from tests.storefront import Storefront, open_storefront


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer, c-1, silent for 100 days, and sells a mug."""
    with open_storefront() as storefront:
        yield storefront


def verify(shop: Storefront, quote: str) -> dict[str, Any]:
    """Ask whether a price is still good."""
    response = shop.call("POST", "/v1/quotes/verify", body={"quote": quote})
    assert response.status_code == 200, response.body
    body: dict[str, Any] = response.json_body
    answers.QuoteVerdict.model_validate(body)
    return body


def test_a_quote_holds_and_says_what_it_promised(shop: Storefront) -> None:
    """Lines, prices, total and end come back, so that the shop can compare its cart."""
    answer = shop.decide()

    verdict = verify(shop, answer["price"]["quote"])

    assert verdict["valid"] is True
    assert verdict["decision_id"] == answer["decision_id"]
    assert verdict["lines"] == [{"sku": "MUG", "quantity": 2, "unit_price": 1900}]
    assert (verdict["total"], verdict["currency"]) == (3800, "USD")
    assert verdict["expires_at"] == answer["expires_at"]


def test_the_longest_quote_that_we_give_is_one_that_we_read(shop: Storefront) -> None:
    """As many lines as a cart may have, each SKU as long as it may be, in letters of four bytes."""
    skus = [f"{nth:03d}" + "\N{BANANA}" * (LONGEST_ID - 3) for nth in range(MOST_LINES)]
    lines = [
        {"sku": sku, "quantity": LARGEST_QUANTITY, "unit_price": LARGEST_AMOUNT_MINOR}
        for sku in skus
    ]
    context = {"country": "US", "currency": "USD"}
    asked = {"customer_id": "c-1", "context": context, "cart": {"lines": lines}}
    body = json.dumps(asked, ensure_ascii=False).encode()

    answer = shop.call("POST", "/v1/decisions", body=body)

    assert answer.status_code == 200, answer.body
    verdict = verify(shop, answer.json_body["price"]["quote"])
    assert [line["sku"] for line in verdict["lines"]] == skus


def test_a_quote_ends_at_the_second_it_named(shop: Storefront) -> None:
    """Good one second before, expired at the moment itself."""
    quote = shop.decide()["price"]["quote"]
    shop.clock.forward(899)
    assert verify(shop, quote)["valid"] is True

    shop.clock.forward(1)

    assert verify(shop, quote)["reason"] == "expired"


def test_verifying_reads_nothing(shop: Storefront) -> None:
    """A quote proves itself."""
    quote = shop.decide()["price"]["quote"]
    shop.calls()

    verify(shop, quote)

    assert shop.calls() == []


@pytest.mark.parametrize("forgery", ["x", "k1.e30.AAAA", "a.b.c", "k1..", "é.é.é"])
def test_a_forgery_is_not_ours(shop: Storefront, forgery: str) -> None:
    """What we did not sign is answered without a word of its content."""
    assert verify(shop, forgery) == {"valid": False, "reason": "not_signed_here"}


def test_an_altered_quote_is_not_ours(shop: Storefront) -> None:
    """One changed letter of the payload breaks the signature."""
    kid, payload, signature = shop.decide()["price"]["quote"].split(".")
    altered = payload[:-1] + ("A" if payload[-1] != "A" else "B")

    assert verify(shop, f"{kid}.{altered}.{signature}")["reason"] == "not_signed_here"


def test_a_token_for_another_purpose_is_not_a_quote(shop: Storefront) -> None:
    """An unsubscribe link cannot be handed in as a price."""
    token = sign(SIGNING_KEYS, purpose="unsubscribe", payload={"d": "d", "x": 2**40})

    assert verify(shop, token)["reason"] == "not_signed_here"
