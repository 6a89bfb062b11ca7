"""An "Inventory Updated": what a shop's stock system says of one article.

It is about an article and about nobody: whose id the sender put beside it does not matter. Columns
and properties have the same names and the same rules as those of ``catalog/`` files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.core.catalogue import Statement
from chalicelib.core.errors import BadInput
from chalicelib.core.money import check_currency, parse_amount
from chalicelib.core.subject import check_id

LARGEST_STOCK = 10**9
LONGEST_LABEL = 200
_LABELS = ("title", "category")


def read_inventory(
    properties: Mapping[str, Any], *, at: int, default_currency: str, prefix: str = "properties."
) -> Statement:
    """Read what is said of an article; raises BadInput naming the property and the fix."""
    sku = properties.get("sku")
    if sku is None:
        sku = properties.get("product_id")
    says = {
        **_prices(properties, default_currency, prefix),
        **{
            name: check_label(properties[name], field=prefix + name)
            for name in _LABELS
            if properties.get(name) is not None
        },
    }
    if properties.get("stock") is not None:
        says["stock"] = check_stock(properties["stock"], field=f"{prefix}stock")
    if not says:
        raise BadInput.of(
            f"{prefix}stock", "or base_price, floor_price, title or category must be given"
        )
    return Statement(check_id(sku, field=f"{prefix}sku"), at, says)


def _prices(properties: Mapping[str, Any], default_currency: str, prefix: str) -> dict[str, Any]:
    """Price and floor as far as they are named; a floor of null says that there is none."""
    if "floor_price" not in properties and properties.get("base_price") is None:
        return {}
    currency = properties.get("currency") or default_currency
    check_currency(currency, field=f"{prefix}currency")

    def amount(name: str) -> int:
        return parse_amount(properties[name], currency=currency, field=prefix + name)

    says: dict[str, Any] = {}
    if properties.get("base_price") is not None:
        says["price"] = (currency, amount("base_price"))
    if "floor_price" in properties:
        none = properties["floor_price"] is None
        says["floor"] = None if none else (currency, amount("floor_price"))
    if says.get("price") and says.get("floor") and says["floor"][1] > says["price"][1]:
        raise BadInput.of(f"{prefix}floor_price", "must not exceed base_price")
    return says


def check_stock(value: object, *, field: str) -> int:
    """Return a number of pieces; raises BadInput."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise BadInput.of(field, f"must be a whole number from 0 to {LARGEST_STOCK}")
    if not 0 <= value <= LARGEST_STOCK:
        raise BadInput.of(field, f"must be a whole number from 0 to {LARGEST_STOCK}")
    return int(value)


def check_label(value: object, *, field: str) -> str:
    """Return a title or a category; raises BadInput."""
    text = str(value)
    if not text.isprintable() or not 1 <= len(text) <= LONGEST_LABEL:
        raise BadInput.of(
            field, f"must be 1 to {LONGEST_LABEL} characters without control characters"
        )
    return text
