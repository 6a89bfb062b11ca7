"""Whom a file speaks of: its rows, customer by customer, with what cannot be used refused."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping

from chalicelib.core.errors import BadInput
from chalicelib.core.subject import customer
from chalicelib.files.mapping import Mapping as Legacy
from chalicelib.files.records import OrderLine, Row, grouped, read_customer, read_order
from chalicelib.files.rejects import RejectSpool
from chalicelib.files.typed_rows import TypedRows
from chalicelib.flows.drop_orders import by_order
from chalicelib.flows.drop_person import Person


def buyers_in(
    rows: TypedRows, rejects: RejectSpool, *, legacy: Legacy | None, now: int
) -> Iterator[Person]:
    """The customers of an orders file, one by one, in the order of their ids.

    An order that stands with more than one customer is nobody's; which of them is right, nobody
    here can tell. Nor does an order count that is not whole: an order counts once, so what is
    missing of it could never be made good.
    """
    contested = rows.contested("order_id", "customer_id")
    for group in grouped(rows.ordered_by("customer_id"), "customer_id"):
        lines: list[tuple[Row, OrderLine]] = []
        spoilt: dict[str, int] = {}
        for record, row in group:
            try:
                line = read_order(record, row, legacy=legacy, as_of=now)
                if line.order_id in contested:
                    raise BadInput.of("order_id", "stands with more than one customer")
            except BadInput as error:
                rejects.refuse(record, error, row)
                spoilt.setdefault(row.get("order_id") or "", record)
            else:
                lines.append((row, line))
        whole = list(_whole(lines, ChainMap(spoilt, rows.spoilt), rejects))
        if whole:
            yield Person(customer(whole[0].customer_id), orders=by_order(whole))


def _whole(
    lines: list[tuple[Row, OrderLine]], spoilt: Mapping[str, int], rejects: RejectSpool
) -> Iterator[OrderLine]:
    """The rows of orders of which no row was refused."""
    for row, line in lines:
        if line.order_id is None or line.order_id not in spoilt:
            yield line
            continue
        problem = f"is of an order whose record {spoilt[line.order_id]} was rejected"
        rejects.refuse(line.record, BadInput.of("order_id", problem), row)


def contacts_in(rows: TypedRows, rejects: RejectSpool, *, at: int) -> Iterator[Person]:
    """The customers of a customers file, one by one, in the order of their ids.

    The last record of a customer stands; equal ones are repetitions, others are rejected.
    """
    for group in grouped(rows.ordered_by("customer_id"), "customer_id"):
        read = []
        for record, row in group:
            try:
                read.append((record, row, *read_customer(row, at=at)))
            except BadInput as error:
                rejects.refuse(record, error, row)
        if not read:
            continue
        last, _, customer_id, change = read[-1]
        repeated = 0
        for record, row, _, other in read[:-1]:
            if other == change:
                repeated += 1
            else:
                problem = f"stands twice; record {last} was taken"
                rejects.refuse(record, BadInput.of("customer_id", problem), row)
        yield Person(customer(customer_id), change=change, repeated=repeated, record=last)
