"""Segment-spec messages: taken unchanged, refused by the name of the field that is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import BadInput
from chalicelib.core.instants import CLOCK_SKEW_SECONDS, format_instant
from chalicelib.core.messages import (
    LARGEST_MESSAGE_BYTES,
    CheckoutStarted,
    Identified,
    Message,
    OrderCancelled,
    OrderCompleted,
    OrderRefunded,
    OrderUpdated,
    ProductViewed,
    Seen,
    parse_message,
)
from tests.makers import NOW, Raw, identify, order_event, track


def parse(raw: object) -> Message:
    """Read one message as it arrives now, in a shop that sells in US dollars."""
    return parse_message(raw, now=NOW, default_currency="USD")


# Messages as the documentation of Segment's ecommerce spec prints them, shortened.
SEGMENT_ORDER_COMPLETED = {
    "userId": "019mr8mf4r",
    "type": "track",
    "event": "Order Completed",
    "messageId": "ajs-1",
    "timestamp": "2026-11-17T12:00:00.123Z",
    "sentAt": "2026-11-17T12:00:01.000Z",
    "context": {"ip": "192.0.2.1", "library": {"name": "analytics.js", "version": "2.0"}},
    "integrations": {"All": True},
    "properties": {
        "checkout_id": "fksdjfsdjfisjf9sdfjsd9f",
        "order_id": "50314b8e9bcf000000000000",
        "affiliation": "Google Store",
        "total": 27.50,
        "revenue": 25.00,
        "shipping": 3,
        "tax": 2,
        "discount": 2.5,
        "coupon": "hasbros",
        "currency": "USD",
        "products": [
            {"product_id": "507f1f77bcf86cd799439011", "sku": "45790-32", "price": 19,
             "quantity": 1},
            {"product_id": "505bd76785ebb509fc183733", "sku": "46493-32", "price": 3,
             "quantity": 2},
        ],
    },
}  # fmt: skip


def test_segments_own_example_is_taken_unchanged() -> None:
    """Unknown fields, nested objects and a shop's own properties are no obstacle."""
    message = parse(SEGMENT_ORDER_COMPLETED)

    assert isinstance(message, OrderCompleted)
    assert message.order_id == "50314b8e9bcf000000000000"
    assert (message.amount_minor, message.currency) == (2750, "USD")
    assert message.envelope.customer_id == "019mr8mf4r"
    assert format_instant(message.envelope.at) == "2026-11-17T12:00:00Z"


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (identify(user="c-1", email="a@example.com"), Identified),
        (order_event("Order Completed", "o-1", total=1, user="c-1"), OrderCompleted),
        (order_event("Order Updated", "o-1", total=1, user="c-1"), OrderUpdated),
        (order_event("Order Updated", "o-1", user="c-1"), Seen),
        (order_event("Order Refunded", "o-1", user="c-1"), OrderRefunded),
        (order_event("Order Cancelled", "o-1", user="c-1"), OrderCancelled),
        (track("Product Viewed", user="c-1", sku="MUG"), ProductViewed),
        (track("Checkout Started", user="c-1", order_id=7, value="?"), CheckoutStarted),
        (track("Song Played", visitor="g-1", title=None), Seen),
        ({**track("x", user="c-1"), "type": "page"}, Seen),
        ({**track("x", user="c-1"), "type": "screen"}, Seen),
        ({**track("x", user="c-1"), "type": "group"}, Seen),
    ],
)
def test_every_message_is_one_of_the_closed_union(raw: Raw, kind: type[Message]) -> None:
    """What Segue has no use for still says that the customer was here."""
    assert type(parse(raw)) is kind


@pytest.mark.parametrize(
    ("properties", "amount_minor"),
    [
        ({"total": "12.50", "revenue": 10, "value": 9}, 1250),
        ({"revenue": 10, "value": 9}, 1000),
        ({"value": 9}, 900),
        ({"total": None, "revenue": None, "value": 9}, 900),
        ({"total": 0}, 0),
        ({"products": [{"price": 2.5, "quantity": 2}, {"price": "1"}]}, 600),
        ({"products": [{"sku": "FREE"}]}, 0),
        ({"total": 500, "currency": "JPY"}, 500),
        ({"total": 5, "currency": None}, 500),
    ],
)
def test_an_order_is_worth_its_total_else_revenue_else_value_else_its_products(
    properties: dict[str, Any], amount_minor: int
) -> None:
    """The first of these that is given counts, in the minor units of the order's currency."""
    message = parse(order_event("Order Completed", "o-1", user="c-1", **properties))

    assert isinstance(message, OrderCompleted)
    assert message.amount_minor == amount_minor


def test_a_refund_without_an_amount_is_the_whole_order() -> None:
    """Segment sends the order id alone for a full refund, products for a partial one."""
    whole = parse(order_event("Order Refunded", "o-1", user="c-1"))
    part = parse(
        order_event("Order Refunded", "o-1", user="c-1", products=[{"price": 3, "quantity": 1}])
    )

    assert isinstance(whole, OrderRefunded)
    assert isinstance(part, OrderRefunded)
    assert (whole.amount_minor, part.amount_minor, part.currency) == (None, 300, "USD")


@pytest.mark.parametrize(
    ("properties", "sku"),
    [
        ({"sku": "A", "product_id": "P"}, "A"),
        ({"product_id": "P"}, "P"),
        ({"sku": None, "product_id": "P"}, "P"),
    ],
)
def test_a_product_goes_by_its_sku_else_its_id(properties: dict[str, Any], sku: str) -> None:
    """Shops without SKUs are served by product ids."""
    message = parse(track("Product Viewed", user="c-1", **properties))

    assert isinstance(message, ProductViewed)
    assert message.sku == sku


def test_a_message_without_an_id_is_named_by_its_content() -> None:
    """The same message is the same message, another one is another."""
    raw = track("Product Viewed", user="c-1", sku="MUG")
    del raw["messageId"]

    first, again = parse(raw), parse(dict(reversed(raw.items())))
    other = parse({**raw, "properties": {"sku": "TEA"}})

    assert first.envelope.message_id == again.envelope.message_id
    assert first.envelope.message_id != other.envelope.message_id


def test_a_missing_timestamp_is_now() -> None:
    """The moment of arrival stands in."""
    raw = {key: value for key, value in identify(user="c-1").items() if key != "timestamp"}

    assert parse(raw).envelope.at == NOW


def test_a_clock_may_run_ahead_by_five_minutes_and_no_more() -> None:
    """Senders' clocks are never exact; what lies further in the future is a mistake."""
    assert parse(track("x", user="c-1", at=NOW + CLOCK_SKEW_SECONDS)).envelope.at > NOW
    with pytest.raises(BadInput, match="timestamp: lies in the future"):
        parse(track("x", user="c-1", at=NOW + CLOCK_SKEW_SECONDS + 1))


ORDER = order_event("Order Completed", "o-1", total=1, user="c-1")


def order_with(**properties: Any) -> Raw:
    """An order whose properties were changed."""
    return {**ORDER, "properties": {**ORDER["properties"], **properties}}


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (None, "message"),
        ([], "message"),
        ({}, "userId"),
        ({**ORDER, "userId": 7}, "userId"),
        ({**ORDER, "userId": ""}, "userId"),
        ({**ORDER, "userId": None, "anonymousId": "x" * 129}, "anonymousId"),
        ({**ORDER, "messageId": ""}, "messageId"),
        ({**ORDER, "timestamp": "now"}, "timestamp"),
        ({**ORDER, "type": "alias"}, "type"),
        ({**ORDER, "type": None}, "type"),
        ({**ORDER, "type": ["track"]}, "type"),
        ({**ORDER, "event": None}, "event"),
        ({**ORDER, "event": ""}, "event"),
        ({**ORDER, "properties": []}, "properties"),
        ({**ORDER, "properties": None}, "properties.order_id"),
        (order_with(order_id=""), "properties.order_id"),
        (order_with(total="a lot"), "properties.total"),
        (order_with(total=-1), "properties.total"),
        (order_with(total=None), "properties.total"),
        (order_with(total=None, products=[]), "properties.total"),
        (order_with(currency="usd"), "properties.currency"),
        (order_with(total=None, products=[3]), "properties.products[0]"),
        (order_with(total=None, products=[{"price": "x"}]), "properties.products[0].price"),
        (order_with(total=None, products=[{"quantity": 1.5}]), "properties.products[0].quantity"),
        (order_with(total=None, products=[{"quantity": True}]), "properties.products[0].quantity"),
        (order_with(total=None, products=[{"quantity": -1}]), "properties.products[0].quantity"),
        (
            order_with(total=None, products=[{"price": 10**9, "quantity": 10**6}]),
            "properties.products",
        ),
        (track("Product Viewed", user="c-1"), "properties.sku"),
        (identify(user="c-1", email="nobody"), "traits.email"),
        ({**identify(user="c-1"), "traits": "x"}, "traits"),
    ],
)
def test_what_is_wrong_is_named(raw: object, field: str) -> None:
    """Each mistake is refused by the path of the field, as the sender wrote it."""
    with pytest.raises(BadInput) as refused:
        parse(raw)

    assert [error.field for error in refused.value.errors] == [field]


def test_a_message_may_be_32_kb_as_it_is_sent() -> None:
    """Bytes count as they travel: text of other alphabets is not longer than it is."""
    fits = track("x", user="c-1", text="ж" * (LARGEST_MESSAGE_BYTES // 2 - 200))
    too_long = track("x", user="c-1", text="ж" * (LARGEST_MESSAGE_BYTES // 2))

    assert isinstance(parse(fits), Seen)
    with pytest.raises(BadInput, match="message: must be at most 32 KB"):
        parse(too_long)


def test_a_lone_surrogate_is_no_crash() -> None:
    """JSON can say it, UTF-8 cannot: it is refused in an id and ignored where nothing is read."""
    assert isinstance(parse({**ORDER, "context": "\ud800"}), OrderCompleted)
    with pytest.raises(BadInput, match="userId"):
        parse({**ORDER, "userId": "\ud800"})


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "event", "userId", "properties", "traits", "products", "total"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(_JSON, st.sampled_from(["type", "userId", "timestamp", "event", "properties", "traits"]))
def test_nothing_makes_the_reader_crash(value: Any, field: str) -> None:
    """Any JSON value, alone or in any field of a good message, is a message or bad input."""
    for raw in (value, {**ORDER, field: value}):
        try:
            message = parse(raw)
        except BadInput:
            continue
        assert message.envelope.at <= NOW + CLOCK_SKEW_SECONDS
