"""Personal prices: published price, minus the tier's discount, never below the floor.

A price only ever goes down. A line without a catalogue floor, or in another currency than the
catalogue's, keeps its published price.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chalicelib.core.baskets import Article, Basket
from chalicelib.core.candidates import Seen
from chalicelib.core.catalogue import Product
from chalicelib.core.policy import Policy
from chalicelib.core.price_tiers import PriceTier
from chalicelib.core.situation import Line

BASIS_POINTS = 10_000


class PricedLine(NamedTuple):
    """One line as quoted; ``reason`` says what was special about it."""

    sku: str
    quantity: int
    base_unit_price_minor: int
    unit_price_minor: int
    reason: str | None = None


def choose_tier(policy: Policy, seen: Seen) -> PriceTier | None:
    """The first tier whose segment, threshold and conditions fit; the unknown meets none."""
    churn = seen.scores.churn
    asked = policy.conditions.tiers
    for tier in policy.tiers_for(seen.changes.tiers):
        if seen.scores.segment not in tier.segments:
            continue
        if tier.min_churn is not None and (churn is None or churn < tier.min_churn):
            continue
        if all(each.failed(seen.values) is None for each in asked.get(tier.name, ())):
            return tier
    return None


def price_line(
    line: Line, product: Product | None, *, currency: str | None, tier: PriceTier | None
) -> PricedLine:
    """Price one line in whole minor units; the discount is rounded down, in the shop's favour."""
    if product is None or product.currency != currency:
        base = line.unit_price_minor
        reason = None if product is None else "catalogue_currency_differs"
        if tier is not None and product is None:
            reason = "not_in_catalogue"
        return PricedLine(line.sku, line.quantity, base, base, reason)
    base = product.base_price_minor
    reason = "catalogue_price_differs" if line.unit_price_minor != base else None
    if tier is None:
        return PricedLine(line.sku, line.quantity, base, base, reason)
    if product.floor_minor is None:
        return PricedLine(line.sku, line.quantity, base, base, "no_floor")
    wanted = base - base * tier.discount_basis_points // BASIS_POINTS
    # A floor above the base price must not raise it: prices only go down.
    floor = min(product.floor_minor, base)
    if wanted < floor:
        return PricedLine(line.sku, line.quantity, base, floor, "floor_reached")
    return PricedLine(line.sku, line.quantity, base, wanted, reason)


def price_cart(
    lines: Iterable[Line],
    products: Mapping[str, Product],
    *,
    currency: str | None,
    tier: PriceTier | None,
) -> tuple[PricedLine, ...]:
    """Price every line of a cart."""
    return tuple(
        [price_line(line, products.get(line.sku), currency=currency, tier=tier) for line in lines]
    )


def overruled(cart: Iterable[Line], priced: Iterable[PricedLine]) -> tuple[str, ...]:
    """The SKUs whose price in the cart is not the catalogue's, each once."""
    skus = [
        line.sku
        for line, quoted in zip(cart, priced, strict=True)
        if line.unit_price_minor != quoted.base_unit_price_minor
    ]
    return tuple(dict.fromkeys(skus))


def total_minor(lines: Iterable[PricedLine]) -> int:
    """What the cart costs, in minor units."""
    return sum([line.quantity * line.unit_price_minor for line in lines])


def basket_of(
    lines: Iterable[PricedLine], products: Mapping[str, Product], *, currency: str | None
) -> Basket:
    """A priced cart as offers see it."""
    articles: list[Article] = []
    published_minor = 0
    for line in lines:
        product = products.get(line.sku)
        category = None if product is None else product.category
        articles.append(Article(line.sku, category, line.quantity * line.unit_price_minor))
        published_minor += line.quantity * line.base_unit_price_minor
    return Basket(tuple(articles), published_minor, currency)
