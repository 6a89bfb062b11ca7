"""A shop whose policy counts demand, and the stream that brings it to the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.aws.items import item_of, key_of
from chalicelib.core.catalogue import Product
from chalicelib.core.kinds import PRODUCT, SIGNAL
from chalicelib.core.price_rules import Adjustment, DemandTerms, Pricing
from chalicelib.core.rules import Rules
from chalicelib.core.storage import Key, Put
from chalicelib.flows.relay import from_stream
from tests.fakes import MemoryQueue, MemoryStore
from tests.unit.core.situations import NOW, shipped_rules

HALF_LIFE_MINUTES = 60


def counting(*adjustments: Adjustment, **pricing: Any) -> Rules:
    """The shipped rules, with demand counted: a view for one, a piece for five."""
    demand = DemandTerms(half_life_minutes=HALF_LIFE_MINUTES, view=1, piece=5)
    return shipped_rules(pricing=Pricing(demand=demand, adjustments=adjustments, **pricing))


def stream_records(store: MemoryStore) -> list[dict[str, Any]]:
    """Every signal that stands in the table, as the stream delivers it."""
    keys = [key for key in store.keys() if key.kind is SIGNAL]
    return [_record(key, store, number) for number, key in enumerate(keys, start=1)]


def _record(key: Key[Any], store: MemoryStore, number: int) -> dict[str, Any]:
    return {
        "eventName": "INSERT",
        "dynamodb": {
            "Keys": key_of(key),
            "NewImage": item_of(Put(key, store.one(key)), version=1),
            "SequenceNumber": f"{number:021}",
        },
    }


def stream(
    store: MemoryStore, records: Sequence[dict[str, Any]] | None = None, *, now: int = NOW
) -> list[str]:
    """Let the relay see these records, or all; returns where it wants to begin again."""
    seen = stream_records(store) if records is None else records
    answer = from_stream({"Records": list(seen)}, queue=MemoryQueue(), store=store, now=now)
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def article(store: MemoryStore, sku: str) -> Product | None:
    """An article as the catalogue has it."""
    return store.one(PRODUCT.key(sku))


def demand_of(store: MemoryStore, sku: str = "MUG") -> tuple[float, float]:
    """Views and pieces counted of an article."""
    product = article(store, sku)
    if product is None or product.demand is None:
        return 0.0, 0.0
    return product.demand.views, product.demand.pieces
