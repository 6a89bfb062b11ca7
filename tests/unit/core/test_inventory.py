"""What a stock system says of an article in "Inventory Updated", and of nobody."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.catalogue import Statement
from chalicelib.core.errors import BadInput
from chalicelib.core.messages import InventoryUpdated, OrderCompleted, parse_message
from tests.makers import NOW, Raw, order_event, track


def parse(raw: Raw) -> Any:
    """Read one message in a shop that sells in US dollars."""
    return parse_message(raw, now=NOW, default_currency="USD")


def inventory(**properties: Any) -> Raw:
    """A message of a stock system, which speaks for no customer."""
    return track("Inventory Updated", **properties)


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({"sku": "A", "stock": 3}, {"stock": 3}),
        ({"product_id": "A", "stock": 0}, {"stock": 0}),
        ({"sku": "A", "stock": 3.0}, {"stock": 3}),
        ({"sku": "A", "base_price": 19.99}, {"price": ("USD", 1999)}),
        (
            {"sku": "A", "base_price": "1999", "floor_price": 1500, "currency": "JPY"},
            {"price": ("JPY", 1999), "floor": ("JPY", 1500)},
        ),
        ({"sku": "A", "floor_price": 1.2345, "currency": "KWD"}, {"floor": ("KWD", 1234)}),
        ({"sku": "A", "floor_price": None}, {"floor": None}),
        (
            {"sku": "A", "title": "Mug", "category": "home", "shelf": 7},
            {"title": "Mug", "category": "home"},
        ),
        ({"sku": "A", "stock": 1, "base_price": None}, {"stock": 1}),
    ],
)
def test_it_states_what_it_names(properties: dict[str, Any], says: dict[str, Any]) -> None:
    """In minor units of its currency; what it does not name, it does not speak of."""
    message = parse(inventory(**properties))

    assert isinstance(message, InventoryUpdated)
    assert message.statement == Statement("A", NOW, says)
    assert (message.envelope.customer_id, message.envelope.anonymous_id) == (None, None)


@pytest.mark.parametrize(
    ("properties", "field"),
    [
        ({"stock": 1}, "properties.sku"),
        ({"sku": "A"}, "properties.stock"),
        ({"sku": "A", "stock": -1}, "properties.stock"),
        ({"sku": "A", "stock": 1.5}, "properties.stock"),
        ({"sku": "A", "stock": True}, "properties.stock"),
        ({"sku": "A", "stock": "3"}, "properties.stock"),
        ({"sku": "A", "stock": 10**10}, "properties.stock"),
        ({"sku": "A", "base_price": -1}, "properties.base_price"),
        ({"sku": "A", "base_price": "x"}, "properties.base_price"),
        ({"sku": "A", "base_price": 1, "currency": "usd"}, "properties.currency"),
        ({"sku": "A", "base_price": 1, "floor_price": 2}, "properties.floor_price"),
        ({"sku": "A", "title": "a\nb"}, "properties.title"),
        ({"sku": "A", "category": ""}, "properties.category"),
    ],
)
def test_what_is_wrong_is_named(properties: dict[str, Any], field: str) -> None:
    """The property, as a catalogue file would name its column."""
    with pytest.raises(BadInput) as refused:
        parse(inventory(**properties))

    assert refused.value.errors[0].field == field


def test_only_an_article_needs_nobody() -> None:
    """Any other message without an id is refused, whatever it calls itself."""
    for raw in (track("Product Viewed", sku="A"), {**inventory(sku="A", stock=1), "type": "page"}):
        with pytest.raises(BadInput) as refused:
            parse(raw)
        assert refused.value.errors[0].field == "userId"


def test_an_order_says_how_many_of_which_article() -> None:
    """Lines of one article add up; what a line does not say plainly, the order stands without."""
    products = [
        {"sku": "A", "quantity": 2, "price": 1},
        {"product_id": "B", "price": 1},
        {"sku": "A", "price": 1},
        {"sku": None, "product_id": "C", "quantity": 3},
        {"sku": 7},
        {"sku": "x\n"},
        {"sku": "D", "quantity": 0},
        {"sku": "D", "quantity": 1.5},
        {"sku": "D", "quantity": True},
        {"sku": "D", "quantity": 10**9},
        "nothing",
    ]
    message = parse(order_event("Order Completed", "o-1", total=9, user="c-1", products=products))

    assert isinstance(message, OrderCompleted)
    assert message.pieces == (("A", 3), ("B", 1), ("C", 3))
    assert parse(order_event("Order Completed", "o-1", total=9, user="c")).pieces == ()
