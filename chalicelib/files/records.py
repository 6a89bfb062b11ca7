"""What the rows of each kind of drop mean: orders, customers, products; or why a row means nothing.

Rows come in, values of the core and rejects go out. Nothing here knows storage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from chalicelib.core.canonical import short_hash
from chalicelib.core.catalogue import Product
from chalicelib.core.contact import (
    CONSENT_PREFIX,
    MOST_SUPPLIED,
    TEXT_FIELDS,
    ContactChange,
    Stamped,
    check_field,
    check_supplied,
)
from chalicelib.core.errors import BadInput
from chalicelib.core.instants import CLOCK_SKEW_SECONDS, parse_instant
from chalicelib.core.money import LARGEST_AMOUNT_MINOR, check_currency, parse_amount
from chalicelib.core.subject import check_id
from chalicelib.files.mapping import Mapping as Legacy
from chalicelib.files.reader import Reject

T = TypeVar("T")
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One row of an orders file.

    Attributes:
        record: its number in the file.
        kind: a sale, a return of part of an order, or the cancellation of all of it.
        order_id: the shop's id; None where the export has none.
        customer_id: whose order it is.
        at: when it was placed.
        amount_minor: what the row is worth.
        content: hash of all its values, by which exact repetitions are known.
    """

    record: int
    kind: Literal["sale", "return", "cancel"]
    order_id: str | None
    customer_id: str
    at: int
    amount_minor: int
    currency: str
    content: str


@dataclass(slots=True)
class Rejects:
    """Collects what was not taken; ``numbers`` counts each record once."""

    found: list[Reject] = field(default_factory=list)

    def refuse(self, record: int, error: BadInput, row: Row) -> None:
        """Note a record and the first field that is wrong with it."""
        first = error.errors[0]
        value = row.get(first.field)
        self.found.append(
            Reject(record, first.field, "" if value is None else str(value), first.problem)
        )


def read_order(record: int, row: Row, *, legacy: Legacy | None, as_of: int) -> OrderLine:
    """Read one row of an orders file; raises BadInput naming the column."""
    order_id = row.get("order_id")
    if order_id is not None or legacy is None or "order_id" in legacy.columns:
        order_id = check_id(order_id, field="order_id")
    customer_id = check_id(row.get("customer_id"), field="customer_id")
    at = _moment(row.get("ordered_at"), legacy)
    if at > as_of + CLOCK_SKEW_SECONDS:
        raise BadInput.of("ordered_at", "lies after the moment at which this file is scored")
    stated = row.get("currency") if legacy is None or legacy.currency is None else legacy.currency
    currency = check_currency(stated, field="currency")
    quantity = row.get("quantity")
    if quantity is not None and abs(quantity) > 10**6:
        raise BadInput.of("quantity", "must be at most 1000000")
    kind: Literal["sale", "return", "cancel"] = "sale"
    if legacy is not None and row.get("status") in legacy.returns.cancelled_statuses:
        kind = "cancel"
    elif quantity is not None and quantity < 0:
        if legacy is None or not legacy.returns.negative_quantity:
            raise BadInput.of("quantity", "must not be negative; send a correction as an event")
        kind = "return"
    amount_minor = _worth(row, currency, quantity, kind)
    content = short_hash(*(f"{name}={value}" for name, value in sorted(row.items())))
    return OrderLine(record, kind, order_id, customer_id, at, amount_minor, currency, content)


def _worth(row: Row, currency: str, quantity: int | None, kind: str) -> int:
    amount, unit_price = row.get("amount"), row.get("unit_price")
    if amount is None and unit_price is None:
        raise BadInput.of("amount", "or unit_price must be given")
    if amount is not None:
        if kind == "return":
            amount = abs(amount)
        return parse_amount(amount, currency=currency, field="amount")
    if quantity is None:
        raise BadInput.of("quantity", "must be given with unit_price")
    worth_minor = abs(quantity) * parse_amount(unit_price, currency=currency, field="unit_price")
    if worth_minor > LARGEST_AMOUNT_MINOR:
        raise BadInput.of("unit_price", "times quantity is an impossible amount")
    return worth_minor


def _moment(value: object, legacy: Legacy | None) -> int:
    if legacy is None or legacy.date_format is None:
        return parse_instant(value, field="ordered_at")
    try:
        moment = datetime.strptime(str(value), legacy.date_format)  # noqa: DTZ007
    except ValueError:
        raise BadInput.of("ordered_at", f"must be written as {legacy.date_format}") from None
    return parse_instant(moment.replace(tzinfo=UTC).isoformat(), field="ordered_at")


def read_customer(row: Row, *, at: int) -> tuple[str, ContactChange]:
    """Read one row of a customers file; empty cells say nothing. Raises BadInput."""
    customer_id = check_id(row.get("customer_id"), field="customer_id")
    fields: dict[str, Stamped] = {}
    supplied: dict[str, Stamped] = {}
    for name, value in row.items():
        if name == "customer_id" or value is None or value == "":
            continue
        if name in TEXT_FIELDS or name.startswith(CONSENT_PREFIX):
            fields[name] = Stamped(check_field(name, value, field=name), at)
        else:
            supplied[name] = Stamped(check_supplied(name, _typed(value), field=name), at)
    if len(supplied) > MOST_SUPPLIED:
        raise BadInput.of("customer_id", f"has more than {MOST_SUPPLIED} supplied features")
    return customer_id, ContactChange(fields=fields, supplied=supplied)


def _typed(value: object) -> object:
    """A supplied value as the number that it spells, else as it stands."""
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    # What spells no finite number (nan, inf) stays the text that it is.
    return number if abs(number) <= 1e15 else value


def read_product(row: Row, *, at: int) -> Product:
    """Read one row of a catalogue file; raises BadInput."""
    currency = check_currency(row.get("currency"), field="currency")
    base_minor = parse_amount(row.get("base_price"), currency=currency, field="base_price")
    floor = row.get("floor_price")
    floor_minor = (
        None if floor is None else parse_amount(floor, currency=currency, field="floor_price")
    )
    if floor_minor is not None and floor_minor > base_minor:
        raise BadInput.of("floor_price", "must not exceed base_price")
    stock = row.get("stock")
    if stock is not None and not 0 <= stock <= 10**9:
        raise BadInput.of("stock", "must be 0 to 1000000000")
    return Product(
        sku=check_id(row.get("sku"), field="sku"),
        currency=currency,
        base_price_minor=base_minor,
        floor_minor=floor_minor,
        title=_text(row.get("title"), "title"),
        category=_text(row.get("category"), "category"),
        stock=stock,
        said_at=at,
    )


def _text(value: object, field: str) -> str | None:
    if value is None or value == "":
        return None
    text = str(value)
    if not text.isprintable() or len(text) > 200:
        raise BadInput.of(field, "must be at most 200 characters without control characters")
    return text


def grouped(rows: Iterator[tuple[int, Row]], name: str) -> Iterator[list[tuple[int, Row]]]:
    """Consecutive rows with one value of a field, together."""
    group: list[tuple[int, Row]] = []
    for record, row in rows:
        if group and group[0][1].get(name) != row.get(name):
            yield group
            group = []
        group.append((record, row))
    if group:
        yield group
