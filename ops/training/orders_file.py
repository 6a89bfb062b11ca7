"""A shop's own orders from a CSV file with the canonical columns; bad rows are named."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from chalicelib.core.errors import BadInput
from chalicelib.core.instants import parse_instant
from chalicelib.core.money import check_currency, parse_amount
from chalicelib.core.subject import check_id
from ops.training.history import Order

REQUIRED = ("order_id", "customer_id", "ordered_at", "quantity", "currency")
AMOUNTS = ("amount", "unit_price")


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not used: its number (the heading is 1), and why."""

    record: int
    reason: str


def read_orders(path: Path) -> tuple[tuple[Order, ...], tuple[Reject, ...]]:
    """All usable rows, and the others with their reasons.

    Raises BadInput when the file cannot be read as UTF-8 CSV or a column is missing.
    """
    reader = csv.DictReader(StringIO(_text(path), newline=""))
    _check_columns(reader.fieldnames or ())
    orders, rejects = [], []
    try:
        for number, row in enumerate(reader, start=2):
            try:
                orders.append(_order(row))
            except BadInput as error:
                rejects.append(Reject(number, str(error)))
    except csv.Error as error:
        raise BadInput.of("orders", f"{path.name} is not CSV: {error}") from None
    return tuple(orders), tuple(rejects)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except OSError as error:
        raise BadInput.of("orders", f"{path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, EOFError):
        raise BadInput.of("orders", f"{path.name} is not UTF-8 text; use --mapping") from None


def _check_columns(columns: Sequence[str]) -> None:
    absent = [name for name in REQUIRED if name not in columns]
    if not any(name in columns for name in AMOUNTS):
        absent.append(" or ".join(AMOUNTS))
    if absent:
        raise BadInput.of("orders", f"lack the column {', '.join(absent)}")


def _order(row: Mapping[str, str | None]) -> Order:
    currency = check_currency(row["currency"], field="currency")
    quantity = _quantity(row["quantity"])
    if row.get("amount"):
        amount_minor = parse_amount(row["amount"], currency=currency, field="amount")
    else:
        amount_minor = quantity * parse_amount(
            row.get("unit_price"), currency=currency, field="unit_price"
        )
    return Order(
        at=parse_instant(row["ordered_at"], field="ordered_at"),
        order_id=check_id(row["order_id"], field="order_id"),
        customer_id=check_id(row["customer_id"], field="customer_id"),
        amount_minor=amount_minor,
        currency=currency,
    )


def _quantity(text: str | None) -> int:
    if text is None or not text.strip().isdecimal():
        raise BadInput.of("quantity", "must be a whole number from 0")
    return int(text)


def first_reasons(rejects: tuple[Reject, ...], most: int = 5) -> Iterator[str]:
    """The first rejects for a person to read."""
    yield from (f"record {reject.record}: {reject.reason}" for reject in rejects[:most])
    if len(rejects) > most:
        yield f"and {len(rejects) - most} more"
