"""Whom the benchmark decides for: CDNOW's customers, and carts that a checkout would send."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.core.catalogue import Product
from chalicelib.core.facts import Facts
from chalicelib.core.fold import recount
from chalicelib.core.instants import DAY_SECONDS, Instant
from chalicelib.core.orders import Amount, OrderState
from chalicelib.core.subject import customer
from ops.datasets import CDNOW_CURRENCY, read_cdnow
from ops.gateway import posted

KEY_ID = "0123456789ab"
CATALOGUE = (
    Product("CD-1", CDNOW_CURRENCY, base_price_minor=1599, floor_minor=1299),
    Product("CD-2", CDNOW_CURRENCY, base_price_minor=2199, floor_minor=1899),
)


@dataclass(frozen=True, slots=True)
class People:
    """Customers with their histories, and the moment at which they come to the checkout."""

    facts: Sequence[Facts]
    now: int


def read_people(count: int) -> People:
    """``count`` customers of the sample at even distances, the day after the last order."""
    purchases = defaultdict(list)
    for purchase in read_cdnow("sample"):
        purchases[purchase.customer_id].append(purchase)
    chosen = sorted(purchases)[:: max(1, len(purchases) // count)][:count]
    now = max(each.ordered_at for orders in purchases.values() for each in orders) + DAY_SECONDS
    everybody = []
    for customer_id in chosen:
        facts = Facts(customer(customer_id))
        for each in purchases[customer_id]:
            amount = Amount(Instant(each.ordered_at), each.amount_minor, CDNOW_CURRENCY)
            order = OrderState(each.order_id, facts.subject.key, completed=amount)
            facts = recount(facts, before=None, after=order)
        everybody.append(facts)
    return People(everybody, now)


def checkout_event(customer_id: str, *, session_id: str) -> dict[str, Any]:
    """A checkout as API Gateway hands it to the function, two lines in the cart."""
    body = {
        "customer_id": customer_id,
        "placement": "checkout",
        "context": {
            "country": "US",
            "region": "TX",
            "currency": CDNOW_CURRENCY,
            "session_id": session_id,
            "time_zone": "America/Chicago",
        },
        "cart": {
            "lines": [
                {"sku": each.sku, "quantity": 1, "unit_price": each.base_price_minor}
                for each in CATALOGUE
            ]
        },
    }
    return posted("/v1/decisions", body, key_id=KEY_ID, scopes=("decide",))
