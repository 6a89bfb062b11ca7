"""A shop's own orders, read exactly as a dropped ``orders/`` file is read: by the same functions.

The layout follows the file's name (CSV or JSONL, gzip too) and the mapping; bad rows are named, and
rows of one order add up. Returns and cancellations count from the start, since a file does not say
when they came.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chalicelib.core.errors import BadInput
from chalicelib.core.instants import Instant
from chalicelib.core.orders import (
    Amount,
    OrderState,
    cancel_order,
    complete_order,
    refund_order,
)
from chalicelib.core.subject import customer
from chalicelib.documents import Documents
from chalicelib.files.reader import Reject, Rows
from chalicelib.files.records import OrderLine, Rejects, read_order
from chalicelib.files.unpack import FileRefused, unpack
from chalicelib.flows.drop_layouts import Plan, plan_for
from ops.training.history import Order

# A laptop's, not a Lambda function's.
_MOST_BYTES = 8 << 30
_MEMORY_MB = 2_048


@dataclass(frozen=True, slots=True)
class OrdersFile:
    """What a file says.

    Attributes:
        orders: what counts.
        rejects: the records that do not, with their number from 1, the heading aside.
    """

    orders: tuple[Order, ...]
    rejects: tuple[Reject, ...]


def read_orders(path: Path, *, mapping: str | None = None, now: int) -> OrdersFile:
    """Read a file of orders; those dated after ``now`` are rejected.

    Raises BadInput when the file cannot be used as a whole.
    """
    folder = "orders" if mapping is None else f"orders/{mapping}"
    plan = plan_for(f"{folder}/{path.name}", Documents().mapping)
    rejects = Rejects()
    with tempfile.TemporaryDirectory() as directory:
        workdir = Path(directory)
        plain = workdir / "plain"
        try:
            unpack(
                path,
                plain,
                compressed=plan.compressed,
                encoding=plan.encoding,
                most_bytes=_MOST_BYTES,
            )
        except OSError as error:
            raise FileRefused.of("file", f"{path}: {error.strerror or error}") from None
        rows = Rows(plain, plan.layout, workdir=workdir, memory_mb=_MEMORY_MB)
        try:
            rejects.found += rows.rejects
            lines = list(_lines(rows, plan, rejects, now=now))
        finally:
            rows.close()
    orders = tuple(_orders(lines, rejects))
    return OrdersFile(orders, tuple(sorted(rejects.found, key=lambda reject: reject.record)))


def first_reasons(rejects: Sequence[Reject], most: int = 5) -> Iterator[str]:
    """The first rejects for a person to read."""
    for reject in rejects[:most]:
        yield f"record {reject.record}: {reject.column} {reject.value!r} {reject.reason}"
    if len(rejects) > most:
        yield f"and {len(rejects) - most} more"


def _lines(rows: Rows, plan: Plan, rejects: Rejects, *, now: int) -> Iterator[OrderLine]:
    for record, row in rows.ordered_by():
        try:
            yield read_order(record, row, legacy=plan.legacy, as_of=now)
        except BadInput as error:
            rejects.refuse(record, error, row)


def _orders(lines: Sequence[OrderLine], rejects: Rejects) -> Iterator[Order]:
    by_id: dict[str, list[OrderLine]] = {}
    occurrences: Counter[tuple[str, int, int, str]] = Counter()
    for line in lines:
        order_id = line.order_id
        if order_id is None:
            # Without ids even equal rows are orders of their own, as they are in a drop.
            same = (line.customer_id, line.at, line.amount_minor, line.currency)
            occurrences[same] += 1
            order_id = "/".join(map(str, (*same, occurrences[same])))
        by_id.setdefault(order_id, []).append(line)
    for order_id, rows_of_order in by_id.items():
        order = _order(order_id, rows_of_order, rejects)
        if order is not None:
            yield order


def _order(order_id: str, lines: Sequence[OrderLine], rejects: Rejects) -> Order | None:
    """Join the rows of one order; exact repetitions of a row say nothing new."""
    for field in ("customer_id", "currency"):
        if len({getattr(line, field) for line in lines}) > 1:
            rejects.found += [
                Reject(line.record, field, getattr(line, field), "differs within one order")
                for line in lines
            ]
            return None
    counted = _joined(order_id, {line.content: line for line in lines}).counted
    if counted is None:
        return None
    return Order(
        Instant(counted.at), order_id, lines[0].customer_id, counted.amount_minor, counted.currency
    )


def _joined(order_id: str, lines: Mapping[str, OrderLine]) -> OrderState:
    """The state of an order after its rows, by their content."""
    any_line = next(iter(lines.values()))
    state = OrderState(order_id, customer(any_line.customer_id).key)
    sales = [line for line in lines.values() if line.kind == "sale"]
    if sales:
        worth = sum(line.amount_minor for line in sales)
        amount = Amount(min(line.at for line in sales), worth, any_line.currency)
        state = complete_order(state, amount, source="training")
    for content, line in lines.items():
        match line.kind:
            case "sale":
                continue
            case "return":
                state = refund_order(state, line.amount_minor, message_id=content)
            case "cancel":
                state = cancel_order(state, line.at)
    return state
