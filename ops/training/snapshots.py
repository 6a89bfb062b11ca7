"""What was known of every customer at a moment, and what they did next.

The features come out of the same ``recount`` and ``describe`` as in production, and only orders
before the moment are folded: nothing of the future can leak into them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.errors import BadInput
from chalicelib.core.facts import Facts
from chalicelib.core.features import describe
from chalicelib.core.fold import recount
from chalicelib.core.instants import DAY_SECONDS, Instant
from chalicelib.core.orders import Amount, OrderState, complete_order
from chalicelib.core.subject import customer
from ops.training.history import History, Order

Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]

# Two years of quarters: a shop's customers at many ages, and seasons at most twice.
MOST_SNAPSHOTS = 8


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every customer who had ordered before ``as_of``.

    Attributes:
        as_of: orders at this moment or later were not folded.
        customers: ids, in the order of the rows.
        features: one row per customer, NaN where missing.
        orders_after: how many orders each placed within the horizon from ``as_of`` on; None when
            the data ends before the horizon does.
    """

    as_of: Instant
    customers: tuple[str, ...]
    features: Matrix
    orders_after: Labels | None


def snapshot_moments(history: History, *, horizon_days: int) -> tuple[Instant, ...]:
    """The data's end and every horizon before it, oldest first, as far as there is one to fold.

    Raises BadInput when not even one moment has both a horizon of orders before and after it.
    """
    step = horizon_days * DAY_SECONDS
    moments = range(history.ends_at, history.starts_at + step - 1, -step)
    if len(moments) < 2:
        raise BadInput.of(
            "orders",
            f"span {(history.ends_at - history.starts_at) // DAY_SECONDS} days;"
            f" a horizon of {horizon_days} days needs {2 * horizon_days}",
        )
    return tuple(Instant(moment) for moment in reversed(moments[:MOST_SNAPSHOTS]))


def take_snapshots(
    history: History, moments: Sequence[Instant], *, horizon_days: int, currency: str
) -> tuple[Snapshot, ...]:
    """Fold the orders once, oldest first, and describe everybody at each moment."""
    times: defaultdict[str, list[int]] = defaultdict(list)
    for order in history.orders:
        times[order.customer_id].append(order.at)
    facts: dict[str, Facts] = {}
    waiting = iter([*history.orders, None])
    upcoming = next(waiting)
    taken = []
    for moment in sorted(moments):
        while upcoming is not None and upcoming.at < moment:
            facts[upcoming.customer_id] = counted(facts, upcoming)
            upcoming = next(waiting)
        customers = tuple(sorted(facts))
        until = moment + horizon_days * DAY_SECONDS
        after = [bisect_left(times[c], until) - bisect_left(times[c], moment) for c in customers]
        taken.append(
            Snapshot(
                as_of=moment,
                customers=customers,
                features=_matrix(
                    [
                        describe(facts[c], as_of=moment, currency=currency).as_tuple()
                        for c in customers
                    ]
                ),
                orders_after=np.array(after, dtype=np.int64) if until <= history.ends_at else None,
            )
        )
    return tuple(taken)


def counted(facts: Mapping[str, Facts], order: Order) -> Facts:
    """A customer's facts with one order more, as production folds it."""
    known = facts.get(order.customer_id) or Facts(customer(order.customer_id))
    state = complete_order(
        OrderState(order.order_id, known.subject.key),
        Amount(order.at, order.amount_minor, order.currency),
        source="training",
    )
    return recount(known, before=None, after=state)


def _matrix(rows: Sequence[Sequence[Any]]) -> Matrix:
    return np.array(rows, dtype=np.float64)  # None becomes NaN
