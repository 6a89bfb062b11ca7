"""What the rows of each kind of drop mean: orders, customers, products; or why a row means nothing.

Rows come in, values of the core and rejects go out. Nothing here knows storage.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from chalicelib.core.canonical import short_hash
from chalicelib.core.catalogue import Statement
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
from chalicelib.core.inventory import LARGEST_STOCK
from chalicelib.core.money import check_currency, parse_amount
from chalicelib.core.subject import check_id
from chalicelib.files.mapping import Mapping as Legacy
from chalicelib.files.rejects import Reject, reject_of
from chalicelib.files.unpack import FileRefused

Row = Mapping[str, Any]
LineKind = Literal["sale", "return", "cancel"]
MOST_PIECES = 10**6
_DIGITS = re.compile(r"[0-9]+")
# What a supplied feature must look like to be a number: 0042 is a shop's code, nan is a text.
_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")


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
    kind: LineKind
    order_id: str | None
    customer_id: str
    at: int
    amount_minor: int
    currency: str
    content: str


@dataclass(slots=True)
class Rejects:
    """Collects what was not taken, for files that fit into memory."""

    found: list[Reject] = field(default_factory=list)

    def refuse(self, record: int, error: BadInput, row: Row) -> None:
        """Note a record and the first field that is wrong with it."""
        self.found.append(reject_of(record, error, row))


def read_order(record: int, row: Row, *, legacy: Legacy | None, as_of: int) -> OrderLine:
    """Read one row of an orders file; raises BadInput naming the column.

    Args:
        record: its number in the file.
        row: its values.
        legacy: how the export looks; None for canonical columns.
        as_of: the moment after which nothing can have happened yet.
    """
    order_id = row.get("order_id")
    if order_id is not None or legacy is None or "order_id" in legacy.columns:
        order_id = check_id(order_id, field="order_id")
    customer_id = check_id(row.get("customer_id"), field="customer_id")
    at = _moment(row.get("ordered_at"), legacy)
    if at > as_of + CLOCK_SKEW_SECONDS:
        raise BadInput.of("ordered_at", "lies in the future")
    stated = row.get("currency") if legacy is None or legacy.currency is None else legacy.currency
    currency = check_currency(stated, field="currency")
    quantity = _quantity(row.get("quantity"))
    kind = _kind(row, quantity, legacy)
    amount_minor = _worth(row, currency, quantity, kind, legacy)
    content = short_hash(*(f"{name}={value}" for name, value in sorted(row.items())))
    return OrderLine(record, kind, order_id, customer_id, at, amount_minor, currency, content)


def _quantity(value: Any) -> int | None:
    if value is None:
        return None
    if value != int(value):
        raise BadInput.of("quantity", "must be a whole number")
    if abs(value) > MOST_PIECES:
        raise BadInput.of("quantity", f"must be at most {MOST_PIECES}")
    return int(value)


def _kind(row: Row, quantity: int | None, legacy: Legacy | None) -> LineKind:
    """What a row means; raises BadInput for a negative one that nothing makes a return."""
    if legacy is not None and row.get("status") in legacy.returns.cancelled_statuses:
        return "cancel"
    if legacy is not None and row.get("status") in legacy.returns.returned_statuses:
        return "return"
    field, value = (
        ("amount", _number(row.get("amount"), "amount", legacy))
        if quantity is None
        else ("quantity", quantity)
    )
    if value is None or value >= 0:
        return "sale"
    if legacy is None or not legacy.returns.negative_quantity:
        raise BadInput.of(field, "must not be negative; send a correction as an event")
    return "return"


def _worth(
    row: Row, currency: str, quantity: int | None, kind: LineKind, legacy: Legacy | None
) -> int:
    """What a row is worth; the sign of a correction says nothing that its kind does not."""
    amount = _number(row.get("amount"), "amount", legacy)
    unit_price = _number(row.get("unit_price"), "unit_price", legacy)
    if amount is not None:
        amount = amount if kind == "sale" else abs(amount)
        return parse_amount(amount, currency=currency, field="amount")
    if unit_price is None:
        if kind == "cancel":
            return 0
        raise BadInput.of("amount", "or unit_price must be given")
    if quantity is None:
        raise BadInput.of("quantity", "must be given with unit_price")
    # Multiplied before it is rounded: a thousand pieces at 0.005 are worth 5.00.
    return parse_amount(abs(quantity) * unit_price, currency=currency, field="unit_price")


def _number(value: Any, field: str, legacy: Legacy | None) -> Decimal | None:
    """A number as the export writes it; DuckDB has read most of them already."""
    if value is None or isinstance(value, Decimal):
        return value
    decimal, thousands = (".", None) if legacy is None else (legacy.decimal, legacy.thousands)
    whole, _, fraction = str(value).strip().partition(decimal)
    sign = "-" if whole.startswith("-") else ""
    groups = whole.removeprefix("-").split(thousands) if thousands else [whole.removeprefix("-")]
    well_grouped = len(groups) == 1 or (
        1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
    )
    digits = "".join(groups)
    if not (digits and well_grouped and _DIGITS.fullmatch(digits + fraction)):
        raise BadInput.of(field, f"must be a number such as 29{decimal}33")
    return Decimal(f"{sign}{digits}.{fraction or 0}")


def _moment(value: object, legacy: Legacy | None) -> int:
    if legacy is None or (legacy.date_format is None and legacy.time_zone == "UTC"):
        return parse_instant(value, field="ordered_at")
    return _local_moment(str(value), legacy.date_format, legacy.time_zone)


@lru_cache(maxsize=4_096)  # an export has few days and many rows
def _local_moment(text: str, date_format: str | None, time_zone: str) -> int:
    try:
        moment = (
            datetime.fromisoformat(text)
            if date_format is None
            else datetime.strptime(text, date_format)  # noqa: DTZ007  (the zone follows)
        )
    except ValueError:
        raise BadInput.of("ordered_at", f"must be written as {date_format or 'ISO 8601'}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(time_zone))
    return parse_instant(moment.isoformat(), field="ordered_at")


def check_customer_columns(names: Iterable[str]) -> None:
    """Refuse a file whose columns no row could be read by; raises FileRefused."""
    supplied = 0
    try:
        for name in names:
            if name.startswith(CONSENT_PREFIX):
                check_field(name, True, field=name)
            elif name != "customer_id" and name not in TEXT_FIELDS:
                check_supplied(name, 0.0, field="column")
                supplied += 1
    except BadInput as error:
        raise FileRefused(*error.errors) from None
    if supplied > MOST_SUPPLIED:
        raise FileRefused.of("header", f"has more than {MOST_SUPPLIED} supplied features")


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
    return customer_id, ContactChange(fields=fields, supplied=supplied)


def _typed(value: object) -> object:
    """A supplied value as the number that it spells, else as it stands."""
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return value
    number = float(value)
    return number if abs(number) <= 1e15 else value


def read_product(row: Row, *, at: int) -> Statement:
    """Read one row of a catalogue file; raises BadInput.

    It states price and floor, an empty floor that there is none; other empty cells say nothing.
    """
    currency = check_currency(row.get("currency"), field="currency")
    base_minor = parse_amount(row.get("base_price"), currency=currency, field="base_price")
    floor = row.get("floor_price")
    floor_minor = (
        None if floor is None else parse_amount(floor, currency=currency, field="floor_price")
    )
    if floor_minor is not None and floor_minor > base_minor:
        raise BadInput.of("floor_price", "must not exceed base_price")
    stock = row.get("stock")
    if stock is not None and (stock != int(stock) or not 0 <= stock <= LARGEST_STOCK):
        raise BadInput.of("stock", f"must be a whole number from 0 to {LARGEST_STOCK}")
    others = {
        "title": _text(row.get("title"), "title"),
        "category": _text(row.get("category"), "category"),
        "stock": None if stock is None else int(stock),
    }
    return Statement(
        sku=check_id(row.get("sku"), field="sku"),
        at=at,
        says={
            "price": (currency, base_minor),
            "floor": None if floor_minor is None else (currency, floor_minor),
            **{name: value for name, value in others.items() if value is not None},
        },
    )


def _text(value: object, field: str) -> str | None:
    if value is None or value == "":
        return None
    text = str(value)
    if not text.isprintable() or len(text) > 200:
        raise BadInput.of(field, "must be at most 200 characters without control characters")
    return text


def grouped(rows: Iterable[tuple[int, Row]], name: str) -> Iterator[list[tuple[int, Row]]]:
    """Consecutive rows with one value of a field together; rows without a value stay alone."""
    group: list[tuple[int, Row]] = []
    for record, row in rows:
        if group and (row.get(name) is None or group[0][1].get(name) != row.get(name)):
            yield group
            group = []
        group.append((record, row))
    if group:
        yield group
