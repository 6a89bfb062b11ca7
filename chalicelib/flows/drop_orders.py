"""The rows of one order as the messages that would say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.core.canonical import short_hash
from chalicelib.core.identity import Profiles, fold_message
from chalicelib.core.instants import Instant
from chalicelib.core.kinds import MESSAGE
from chalicelib.core.messages import (
    Envelope,
    OrderCancelled,
    OrderCompleted,
    OrderMessage,
    OrderRefunded,
)
from chalicelib.core.storage import Key
from chalicelib.files.records import OrderLine


def by_order(lines: Iterable[OrderLine]) -> Mapping[str, Sequence[OrderLine]]:
    """The rows of each order; where the export has no id, customer, time, amount and occurrence."""
    occurrences: Counter[tuple[str, ...]] = Counter()
    orders: dict[str, list[OrderLine]] = {}
    for line in lines:
        order_id = line.order_id
        if order_id is None:
            same = (line.customer_id, str(line.at), str(line.amount_minor), line.currency)
            occurrences[same] += 1
            order_id = "derived-" + short_hash(*same, str(occurrences[same]))
        orders.setdefault(order_id, []).append(line)
    return orders


def complete(
    order_id: str, sales: Sequence[OrderLine], profiles: Profiles, *, drop_id: str
) -> Profiles:
    """Join the sale; whoever completed the order first stays its source."""
    first = min(sales, key=lambda line: line.at)
    message = OrderCompleted(
        _envelope(first, drop_id),
        order_id,
        sum(line.amount_minor for line in sales),
        first.currency,
    )
    folded = fold_message(profiles, message)
    known = profiles.orders.get(order_id)
    if known is None or known.completed is None:
        return folded
    state = replace(folded.orders[order_id], source=known.source)
    return replace(folded, orders={**folded.orders, order_id: state})


def corrections(order_id: str, lines: Sequence[OrderLine]) -> Iterable[tuple[OrderMessage, int]]:
    """What the rows correct, each with the number of rows that say so.

    Ids derive from what is said, so that the same correction in another file is the same one.
    """
    cancelled = [line for line in lines if line.kind == "cancel"]
    if cancelled:
        first = min(cancelled, key=lambda line: line.at)
        named = short_hash("cancel", order_id, str(first.at))
        yield OrderCancelled(_envelope(first, named), order_id), len(cancelled)
    for line in {line.content: line for line in lines if line.kind == "return"}.values():
        envelope = _envelope(line, short_hash("return", order_id, line.content))
        yield OrderRefunded(envelope, order_id, line.amount_minor, line.currency), 1


def _envelope(line: OrderLine, message_id: str) -> Envelope:
    return Envelope(message_id, line.customer_id, None, Instant(line.at))


def mark_key(message: OrderMessage) -> Key[Mapping[str, Any]]:
    """Where it stands which drop folded a correction."""
    return MESSAGE.key("file-" + message.envelope.message_id)
