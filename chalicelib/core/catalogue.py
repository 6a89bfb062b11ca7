"""What the shop says of a product: its published price, and how low a personal price may go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any


@dataclass(frozen=True, slots=True)
class Product:
    """One SKU of the catalogue.

    Attributes:
        sku: the shop's id.
        currency: ISO 4217 code of both prices.
        base_price_minor: the published price; a personal price never exceeds it.
        floor_minor: the lowest personal price; None means that there is no personal price.
        title: what a mail calls it.
        category: the shop's category.
        stock: pieces on hand when last said.
        said_at: when the shop said so; a later statement wins.
    """

    sku: str
    currency: str
    base_price_minor: int
    floor_minor: int | None = None
    title: str | None = None
    category: str | None = None
    stock: int | None = None
    said_at: int = 0


_FIELDS = tuple(field.name for field in fields(Product))
_values = attrgetter(*_FIELDS)


def product_to_json(product: Product) -> dict[str, Any]:
    """The stored form; what was not said stands there as null, which costs less than asking."""
    return dict(zip(_FIELDS, _values(product), strict=True))


def product_from_json(stored: Mapping[str, Any]) -> Product:
    """Undo ``product_to_json``."""
    return Product(**stored)
