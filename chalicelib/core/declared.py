"""The features that a condition may name: ours, and those that a policy declares as supplied.

Ours are folded from orders, scored by the model, or said by the caller. What a shop supplies as a
column of a ``customers/`` file can be named once the policy declares its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

FeatureType = Literal["number", "text", "flag", "texts"]
Source = Literal["behaviour", "score", "context", "cart", "contact", "supplied"]


class Declared(NamedTuple):
    """One feature: its type, where it comes from, and the values that a text can have."""

    type: FeatureType
    source: Source
    values: tuple[str, ...] | None = None


PLACEMENTS = ("home", "product", "checkout", "mail", "chat", "batch")
TRIGGERS = ("segment_changed", "cart_abandoned")

BUILT_IN: Mapping[str, Declared] = MappingProxyType(
    {
        "recency_days": Declared("number", "behaviour"),
        "frequency": Declared("number", "behaviour"),
        "monetary_minor": Declared("number", "behaviour"),
        "tenure_days": Declared("number", "behaviour"),
        "mean_gap_days": Declared("number", "behaviour"),
        "segment": Declared("text", "score"),
        "churn": Declared("number", "score"),
        "expected_orders": Declared("number", "score"),
        "placement": Declared("text", "context", PLACEMENTS),
        "trigger": Declared("text", "context", TRIGGERS),
        "country": Declared("text", "context"),
        "region": Declared("text", "context"),
        "currency": Declared("text", "context"),
        "time_zone": Declared("text", "context"),
        "cart_minor": Declared("number", "cart"),
        "cart_quantity": Declared("number", "cart"),
        "cart_skus": Declared("texts", "cart"),
        "cart_categories": Declared("texts", "cart"),
        "reachable_by_mail": Declared("flag", "contact"),
    }
)
