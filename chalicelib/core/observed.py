"""What the conditions of a policy see of one situation: a value for every declared feature known.

What may not be read is not there: after an opt-out or under a ban nothing of the customer is, and a
condition that names it is unknown, which never holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.core.contact import Contact, Scalar
from chalicelib.core.declared import FeatureType
from chalicelib.core.features import FEATURE_NAMES, Features
from chalicelib.core.scores import Scores
from chalicelib.core.situation import Situation


def supplied_of(contact: Contact | None, types: Mapping[str, FeatureType]) -> dict[str, Scalar]:
    """The supplied features that a policy declares, where they have the type that it says."""
    if contact is None or not contact.supplied or not types:
        return {}
    said = {name: contact.supplied[name].value for name in types if name in contact.supplied}
    return {name: value for name, value in said.items() if _fits(value, types[name])}


def _fits(value: object, wanted: FeatureType) -> bool:
    if isinstance(value, bool):  # True is an int, but no number
        return wanted == "flag"
    return isinstance(value, str if wanted == "text" else (int, float)) and wanted != "flag"


def observe(situation: Situation, scores: Scores, features: Features | None) -> Mapping[str, Any]:
    """Every known value; ``features`` is None where nothing of the customer may be read."""
    context = situation.context
    values: dict[str, Any] = {
        "placement": situation.placement,
        "trigger": situation.trigger,
        "country": context.country,
        "region": context.region,
        "currency": context.currency,
        "time_zone": context.time_zone,
        "cart_minor": sum([line.quantity * line.unit_price_minor for line in situation.lines]),
        "cart_quantity": sum([line.quantity for line in situation.lines]),
        "cart_skus": {line.sku for line in situation.lines},
        "cart_categories": {
            product.category for product in situation.products.values() if product.category
        },
        "reachable_by_mail": situation.permissions.has_address,
    }
    if features is None:
        return values
    values.update(situation.supplied)
    values.update(zip(FEATURE_NAMES, features.as_tuple(), strict=True))
    values["segment"] = scores.segment
    values["churn"] = scores.churn
    values["expected_orders"] = scores.expected_orders
    return values
