"""What the messages of one write say of articles: views, pieces sold, and what the shop states.

Demand is only counted where the policy says how. An order counts once, by its id, whichever message
brings it; views and orders of somebody erased, and repetitions, never come this far.
"""

from __future__ import annotations

from chalicelib.core.canonical import short_hash
from chalicelib.core.demand import Demand, joined
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import SIGNAL
from chalicelib.core.messages import InventoryUpdated, OrderCompleted, ProductViewed
from chalicelib.core.policy import Policy
from chalicelib.core.signals import signals_of
from chalicelib.core.storage import Put, Write
from chalicelib.flows.portion import Portion

# The stream is read within seconds and keeps a day; after that nobody would look for it.
KEPT_SECONDS = 2 * DAY_SECONDS


def signal_writes(portion: Portion, *, policy: Policy, now: int) -> tuple[Write, ...]:
    """What one write of an events request leaves for the catalogue."""
    terms = policy.pricing.demand
    statements = [m.statement for m in portion.fresh if isinstance(m, InventoryUpdated)]
    half_life_seconds = 1 if terms is None else terms.half_life_seconds
    demand = {} if terms is None else _demand(portion, half_life_seconds)
    if not demand and not statements:
        return ()
    name = short_hash(*(message.envelope.message_id for message in portion.fresh))
    signals = signals_of(demand, statements, half_life_seconds=half_life_seconds)
    return tuple(
        Put(SIGNAL.key(name, str(number)), signal, expires_at=now + KEPT_SECONDS)
        for number, signal in enumerate(signals)
    )


def _demand(portion: Portion, half_life_seconds: int) -> dict[str, Demand]:
    counted: dict[str, Demand] = {}
    for message in portion.fresh:
        for sku, views, pieces in _wanted(message, portion):
            more = Demand(views, pieces, message.envelope.at)
            counted[sku] = joined(counted.get(sku), more, half_life_seconds=half_life_seconds)
    return counted


def _wanted(message: object, portion: Portion) -> list[tuple[str, float, float]]:
    match message:
        case ProductViewed(sku=sku):
            return [(sku, 1.0, 0.0)]
        case OrderCompleted() if _is_new(message, portion):
            return [(sku, 0.0, float(quantity)) for sku, quantity in message.pieces]
        case _:
            return []


def _is_new(message: OrderCompleted, portion: Portion) -> bool:
    """Whether this message, and none before it, says that the order was placed."""
    before = portion.before.orders.get(message.order_id)
    if before is not None and before.completed is not None:
        return False
    first = next(
        each
        for each in portion.fresh
        if isinstance(each, OrderCompleted) and each.order_id == message.order_id
    )
    return first is message
