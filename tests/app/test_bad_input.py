"""What bad input gets: a problem document that names the field and the fix, and nothing written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.api.answers import Problem
from chalicelib.api.schemas import LARGEST_BODY_BYTES, MOST_LINES
from tests.storefront import Storefront, open_storefront

LINE = {"sku": "MUG", "quantity": 1, "unit_price": 2000}
USD = {"currency": "USD"}


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer, c-1."""
    with open_storefront() as storefront:
        yield storefront


def line(**changes: Any) -> dict[str, Any]:
    """A checkout with one line, changed."""
    return {"customer_id": "c-1", "context": USD, "cart": {"lines": [{**LINE, **changes}]}}


def said(**changes: Any) -> dict[str, Any]:
    """A checkout with a context, changed."""
    return {"customer_id": "c-1", "context": changes}


def raw(text: str) -> bytes:
    """A body as it is."""
    return text.encode()


MALFORMED = {
    "nothing": b"",
    "not JSON": b"{",
    "two values": b"{} {}",
    "a comment": b"{} // hello",
    "not UTF-8": b'{"customer_id": "\xff"}',
    "half a surrogate": rb'{"customer_id": "\ud800"}',
    "bottomless nesting": b"[" * 5000,
}
INVALID: dict[str, tuple[Any, str]] = {
    "no object": ([], "body"),
    "nobody": ({}, "customer_id"),
    "null for an id": ({"customer_id": None}, "customer_id"),
    "two people": ({"customer_id": "c", "anonymous_id": "g"}, "anonymous_id"),
    "id is a number": ({"customer_id": 7}, "customer_id"),
    "empty id": ({"customer_id": ""}, "customer_id"),
    "long id": ({"customer_id": "x" * 129}, "customer_id"),
    "control character": ({"customer_id": "a\u0000b"}, "customer_id"),
    "unknown field": ({"customer_id": "c", "colour": "red"}, "colour"),
    "unknown nested field": (line(colour="red"), "cart.lines.0.colour"),
    "another placement": ({"customer_id": "c", "placement": "mail"}, "placement"),
    "context is a list": ({"customer_id": "c", "context": []}, "context"),
    "country in lower case": (said(country="us"), "context.country"),
    "country by name": (said(country="United States"), "context.country"),
    "region with country": (said(country="US", region="US-NY"), "context.region"),
    "region alone": (said(region="NY"), "context.country"),
    "currency in lower case": (said(currency="usd"), "context.currency"),
    "currency unknown": (said(currency="XXX"), "context.currency"),
    "time zone with blanks": (said(time_zone="New York"), "context.time_zone"),
    "session id is a number": (said(session_id=1), "context.session_id"),
    "opt-out as text": (said(pricing_opt_out="true"), "context.pricing_opt_out"),
    "opt-out as number": (said(gpc=1), "context.gpc"),
    "cart without currency": (
        {"customer_id": "c", "cart": {"lines": [LINE]}},
        "context.currency",
    ),
    "cart is a list": ({"customer_id": "c", "context": USD, "cart": [LINE]}, "cart"),
    "cart without lines": ({"customer_id": "c", "context": USD, "cart": {}}, "cart.lines"),
    "too many lines": (
        {"customer_id": "c", "context": USD, "cart": {"lines": [LINE] * (MOST_LINES + 1)}},
        "cart.lines",
    ),
    "line without sku": (
        {"customer_id": "c", "context": USD, "cart": {"lines": [{"quantity": 1, "unit_price": 1}]}},
        "cart.lines.0.sku",
    ),
    "quantity zero": (line(quantity=0), "cart.lines.0.quantity"),
    "quantity huge": (line(quantity=10_001), "cart.lines.0.quantity"),
    "quantity a fraction": (line(quantity=1.5), "cart.lines.0.quantity"),
    "quantity as text": (line(quantity="1"), "cart.lines.0.quantity"),
    "quantity true": (line(quantity=True), "cart.lines.0.quantity"),
    "price negative": (line(unit_price=-1), "cart.lines.0.unit_price"),
    "price in major units": (line(unit_price=19.99), "cart.lines.0.unit_price"),
    "price huge": (line(unit_price=10**12 + 1), "cart.lines.0.unit_price"),
    "price beyond 64 bits": (line(unit_price=10**40), "cart.lines.0.unit_price"),
    "price not a number": (line(unit_price=float("nan")), "cart.lines.0.unit_price"),
    "price infinite": (line(unit_price=float("inf")), "cart.lines.0.unit_price"),
}


def refused(shop: Storefront, body: Any, *, path: str = "/v1/decisions") -> dict[str, Any]:
    """The problem document of a refused body; storage was not asked for anything."""
    response = shop.call("POST", path, body=body)
    assert response.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = response.json_body
    Problem.model_validate(problem)
    assert problem["status"] == response.status_code
    assert shop.calls() == []
    return problem


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/quotes/verify", "/v1/events"])
def test_what_is_no_json_is_400(shop: Storefront, path: str, body: bytes) -> None:
    """A body that cannot be read at all is 400 on every route, and names the body."""
    problem = refused(shop, body, path=path)

    assert (problem["status"], problem["errors"][0]["field"]) == (400, "body")


@pytest.mark.parametrize(("body", "field"), INVALID.values(), ids=INVALID.keys())
def test_what_is_not_valid_is_422_and_names_the_field(
    shop: Storefront, body: Any, field: str
) -> None:
    """JSON that says something impossible is 422, and the first error names where."""
    problem = refused(shop, json.dumps(body).encode())

    assert problem["status"] == 422
    assert problem["errors"][0]["field"] == field
    assert problem["errors"][0]["problem"]


def test_every_error_is_named_at_once(shop: Storefront) -> None:
    """Whoever fixes one field should not have to come back for the next."""
    problem = refused(shop, {**line(quantity=0, unit_price=-1), "colour": "red"})

    assert {error["field"] for error in problem["errors"]} == {
        "colour",
        "cart.lines.0.quantity",
        "cart.lines.0.unit_price",
    }


def test_an_error_says_what_would_be_right(shop: Storefront) -> None:
    """The fix stands with the problem, in the words of the field's description."""
    [error] = refused(shop, said(country="us"))["errors"]

    assert "ISO 3166-1 alpha-2, such as US" in error["problem"]


def test_a_limit_is_named_with_what_came(shop: Storefront) -> None:
    """How much is too much stands in the problem, without the words of a library."""
    cart = {"lines": [LINE] * (MOST_LINES + 1)}

    [error] = refused(shop, {"customer_id": "c", "context": USD, "cart": cart})["errors"]

    assert error["problem"].startswith("must have at most 200 items, not 201")


def test_errors_do_not_repeat_what_was_sent(shop: Storefront) -> None:
    """A wrong value may be an address; the answer names its place alone."""
    problem = refused(shop, {"customer_id": ["ann@example.com"]})

    assert "ann@example.com" not in json.dumps(problem)


def test_a_field_with_an_endless_name_is_named_in_short(shop: Storefront) -> None:
    """A refusal is not made to repeat a body."""
    [error] = refused(shop, {"customer_id": "c", "x" * 10_000: 1})["errors"]

    assert len(error["field"]) <= 64


def test_a_hundred_errors_are_answered_with_twenty(shop: Storefront) -> None:
    """Nor is it made to list a cart."""
    bad = {"sku": "", "quantity": 0, "unit_price": -1}
    body = {"customer_id": "c", "context": USD, "cart": {"lines": [bad] * 100}}

    assert len(refused(shop, body)["errors"]) == 20


@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/quotes/verify", "/v1/events"])
def test_a_body_over_256_kb_is_413(shop: Storefront, path: str) -> None:
    """One byte too many is too many; the limit is named."""
    body = b'{"x": "' + b"x" * (LARGEST_BODY_BYTES - 8) + b'"}'
    assert len(body) == LARGEST_BODY_BYTES + 1

    problem = refused(shop, body, path=path)

    assert problem["status"] == 413
    assert str(LARGEST_BODY_BYTES) in problem["errors"][0]["problem"]


def test_the_largest_cart_is_answered(shop: Storefront) -> None:
    """200 lines are fine."""
    cart = {"lines": [{**LINE, "sku": f"S{n}"} for n in range(MOST_LINES)]}

    assert len(shop.decide(cart=cart)["price"]["lines"]) == MOST_LINES


def test_an_empty_cart_is_no_cart(shop: Storefront) -> None:
    """A shop that sends its cart before anything is in it is answered without a price."""
    assert shop.decide(cart={"lines": []}, currency=None)["price"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "quote"),
        ({"quote": ""}, "quote"),
        ({"quote": 1}, "quote"),
        ({"quote": "a", "x": 1}, "x"),
    ],
)
def test_a_quote_request_is_checked_alike(shop: Storefront, body: Any, field: str) -> None:
    """The other bodies are closed, too."""
    problem = refused(shop, body, path="/v1/quotes/verify")

    assert (problem["status"], problem["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        ({}, "body"),
        ({"batch": []}, "batch"),
        ({"batch": {}}, "batch"),
        ({"batch": [{}] * 101}, "batch"),
    ],
)
def test_a_body_that_holds_no_messages_is_422(shop: Storefront, body: Any, field: str) -> None:
    """Neither a message nor a batch: nothing is folded."""
    problem = refused(shop, body, path="/v1/events")

    assert (problem["status"], problem["errors"][0]["field"]) == (422, field)
