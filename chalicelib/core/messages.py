"""Segment-spec messages, read into a closed union of what Segue understands.

The names are Segment's own (ecommerce spec v2); unknown events and properties are allowed, as
that spec demands, and only say that the customer was seen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core.canonical import short_hash
from chalicelib.core.catalogue import Statement
from chalicelib.core.contact import ContactChange, change_from_traits
from chalicelib.core.errors import BadInput
from chalicelib.core.instants import CLOCK_SKEW_SECONDS, Instant, parse_instant
from chalicelib.core.inventory import read_inventory
from chalicelib.core.money import LARGEST_AMOUNT_MINOR, check_currency, parse_amount
from chalicelib.core.offers import is_code, normal_code
from chalicelib.core.subject import check_id, is_id

LARGEST_MESSAGE_BYTES = 32 * 1024  # Segment's own limit for one message
MOST_PIECES = 1_000_000  # of one product in one order; more is a data error
INVENTORY_UPDATED = "Inventory Updated"


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who, when and under which id; every message has one."""

    message_id: str
    customer_id: str | None
    anonymous_id: str | None
    at: Instant


@dataclass(frozen=True, slots=True)
class Identified:
    """An "identify": traits of a customer, and perhaps that a guest is this customer."""

    envelope: Envelope
    change: ContactChange


@dataclass(frozen=True, slots=True)
class OrderCompleted:
    """An order was placed: "Order Completed"; perhaps with a code, and the discount it had.

    ``pieces`` says how many of which article were bought, as far as its products say so.
    """

    envelope: Envelope
    order_id: str
    amount_minor: int
    currency: str
    code: str | None = None
    discount_minor: int | None = None
    pieces: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class OrderUpdated:
    """The order is worth another amount: "Order Updated"."""

    envelope: Envelope
    order_id: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class OrderRefunded:
    """Money went back, the whole order when no amount is named: "Order Refunded"."""

    envelope: Envelope
    order_id: str
    amount_minor: int | None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    """The order does not count: "Order Cancelled"."""

    envelope: Envelope
    order_id: str


@dataclass(frozen=True, slots=True)
class ProductViewed:
    """A product was looked at: "Product Viewed"."""

    envelope: Envelope
    sku: str


@dataclass(frozen=True, slots=True)
class InventoryUpdated:
    """Price, floor, label or stock of an article changed: "Inventory Updated"; about nobody."""

    envelope: Envelope
    statement: Statement


@dataclass(frozen=True, slots=True)
class CheckoutStarted:
    """A checkout began: "Checkout Started"."""

    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Seen:
    """Any other track or page message: the customer was here."""

    envelope: Envelope


OrderMessage = OrderCompleted | OrderUpdated | OrderRefunded | OrderCancelled
Message = Identified | OrderMessage | ProductViewed | InventoryUpdated | CheckoutStarted | Seen


def parse_message(raw: object, *, now: int, default_currency: str) -> Message:
    """Read one Segment-spec message.

    Args:
        raw: the decoded JSON value.
        now: the moment of arrival; it stands in for a missing ``timestamp``.
        default_currency: the ISO 4217 code when a message names none.

    Raises:
        BadInput: naming the field and the fix.
    """
    if not isinstance(raw, dict):
        raise BadInput.of("message", "must be a JSON object")
    if _size_bytes(raw) > LARGEST_MESSAGE_BYTES:
        raise BadInput.of("message", "must be at most 32 KB")
    envelope = _envelope(raw, now=now)
    match raw.get("type"):
        case "identify":
            traits = _object(raw, "traits")
            return Identified(envelope, change_from_traits(traits, at=envelope.at))
        case "track":
            return _track(raw, envelope, default_currency)
        case "page" | "screen" | "group":
            return Seen(envelope)
        case _:
            raise BadInput.of("type", "must be identify, track, page, screen or group")


def _size_bytes(raw: Mapping[str, Any]) -> int:
    # A lone surrogate is legal JSON and no legal UTF-8; it is refused where it matters.
    text = json.dumps(raw, default=str, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode(errors="surrogatepass"))


def _envelope(raw: Mapping[str, Any], *, now: int) -> Envelope:
    customer_id = raw.get("userId")
    anonymous_id = raw.get("anonymousId")
    about_nobody = raw.get("type") == "track" and raw.get("event") == INVENTORY_UPDATED
    if customer_id is None and anonymous_id is None and not about_nobody:
        raise BadInput.of("userId", "or anonymousId must be given")
    at = Instant(now)
    if raw.get("timestamp") is not None:
        at = parse_instant(raw["timestamp"], field="timestamp")
    if at > now + CLOCK_SKEW_SECONDS:
        raise BadInput.of("timestamp", "lies in the future; check the sender's clock")
    message_id = raw.get("messageId")
    if message_id is None:
        # Senders that leave it out get one from the content: the same message stays one message.
        message_id = "auto-" + short_hash(json.dumps(raw, sort_keys=True, default=str))
    return Envelope(
        message_id=check_id(message_id, field="messageId"),
        customer_id=None if customer_id is None else check_id(customer_id, field="userId"),
        anonymous_id=None if anonymous_id is None else check_id(anonymous_id, field="anonymousId"),
        at=at,
    )


def _track(raw: Mapping[str, Any], envelope: Envelope, default_currency: str) -> Message:
    event = raw.get("event")
    if not isinstance(event, str) or not event:
        raise BadInput.of("event", "must name the event, such as Order Completed")
    properties = _object(raw, "properties")
    match event:
        case "Order Completed" | "Order Updated" | "Order Refunded" | "Order Cancelled":
            return _track_order(event, properties, envelope, default_currency)
        case "Product Viewed":
            sku = properties.get("sku")
            if sku is None:
                sku = properties.get("product_id")
            return ProductViewed(envelope, check_id(sku, field="properties.sku"))
        case "Inventory Updated":
            at = envelope.at
            statement = read_inventory(properties, at=at, default_currency=default_currency)
            return InventoryUpdated(envelope, statement)
        case "Checkout Started":
            return CheckoutStarted(envelope)
        case _:
            return Seen(envelope)


def _track_order(
    event: str, properties: Mapping[str, Any], envelope: Envelope, default_currency: str
) -> OrderMessage | Seen:
    order_id = check_id(properties.get("order_id"), field="properties.order_id")
    if event == "Order Cancelled":
        return OrderCancelled(envelope, order_id)
    currency = _currency(properties, default_currency)
    amount_minor = _order_amount(properties, currency)
    if event == "Order Refunded":
        return OrderRefunded(envelope, order_id, amount_minor, currency)
    if amount_minor is None and event == "Order Updated":
        return Seen(envelope)  # what was updated is nothing that Segue keeps
    if amount_minor is None:
        raise BadInput.of("properties.total", "or revenue, value or products must be given")
    if event == "Order Updated":
        return OrderUpdated(envelope, order_id, amount_minor, currency)
    code, discount_minor = _code(properties, currency)
    return OrderCompleted(
        envelope, order_id, amount_minor, currency, code, discount_minor, _pieces(properties)
    )


def _pieces(properties: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """How many of which article; what a product does not say plainly, the order stands without."""
    products = properties.get("products")
    counted: dict[str, int] = {}
    for product in products if isinstance(products, list) else ():
        if not isinstance(product, dict):
            continue
        sku = product.get("sku") or product.get("product_id")
        quantity = product.get("quantity", 1)
        if not isinstance(sku, str) or not is_id(sku) or type(quantity) is not int:
            continue
        if 1 <= quantity <= MOST_PIECES:
            counted[sku] = counted.get(sku, 0) + quantity
    return tuple(counted.items())


def _code(properties: Mapping[str, Any], currency: str) -> tuple[str | None, int | None]:
    """The code of an order and its discount; of another system's code no discount is read."""
    coupon = properties.get("coupon")
    if not isinstance(coupon, str) or not coupon.strip():
        return None, None
    code = normal_code(coupon)
    discount = properties.get("discount")
    if discount is None or not is_code(code):
        return code, None
    return code, parse_amount(discount, currency=currency, field="properties.discount")


def _object(raw: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = raw.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadInput.of(field, "must be a JSON object")
    return value


def _currency(properties: Mapping[str, Any], default_currency: str) -> str:
    currency = properties.get("currency")
    if currency is None:
        return default_currency
    return check_currency(currency, field="properties.currency")


def _order_amount(properties: Mapping[str, Any], currency: str) -> int | None:
    """The order's worth: total, else revenue, else value, else the sum of its products."""
    for name in ("total", "revenue", "value"):
        if properties.get(name) is not None:
            return parse_amount(properties[name], currency=currency, field=f"properties.{name}")
    products = properties.get("products")
    if not isinstance(products, list) or not products:
        return None
    total_minor = sum(
        _product_amount(product, currency, field=f"properties.products[{index}]")
        for index, product in enumerate(products)
    )
    if total_minor > LARGEST_AMOUNT_MINOR:
        raise BadInput.of("properties.products", "add up to an impossible amount")
    return total_minor


def _product_amount(product: object, currency: str, *, field: str) -> int:
    if not isinstance(product, dict):
        raise BadInput.of(field, "must be a JSON object")
    quantity = product.get("quantity", 1)
    if type(quantity) is not int or not 0 <= quantity <= MOST_PIECES:
        raise BadInput.of(f"{field}.quantity", f"must be a whole number from 0 to {MOST_PIECES}")
    price = product.get("price", 0)
    return quantity * parse_amount(price, currency=currency, field=f"{field}.price")
