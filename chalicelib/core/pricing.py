"""Personal prices: the published price less a tier's discount, moved by stock and demand.

The order in which a line is priced: the published price; the discount of the tier and its
adjustments; or the price that this session was shown before; then the bounds, the largest step of
the day, and the rounding. The number of pieces plays no part, so a unit price never rises and a
total never falls with it. What cannot be priced keeps its published price, and says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from chalicelib.core.baskets import Article, Basket
from chalicelib.core.candidates import Seen
from chalicelib.core.catalogue import Product
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.law import Mode
from chalicelib.core.money import LARGEST_AMOUNT_MINOR
from chalicelib.core.policy import Policy
from chalicelib.core.price_bounds import (
    Bounds,
    NoPrice,
    bounds_of,
    discounted,
    is_amount,
    settle_price,
    whole,
)
from chalicelib.core.price_history import reduction
from chalicelib.core.price_rules import BASIS_POINTS, LARGEST_INCREMENT, Adjustment, Pricing
from chalicelib.core.price_tiers import PriceTier
from chalicelib.core.shown_prices import Shown, within_step
from chalicelib.core.situation import KeptPrice, Line

# Modes under which a price may lie above the published one, if the policy says so.
RISING: frozenset[Mode | None] = frozenset({"allow", "disclose"})
# A rule or an article that cannot be right: somebody has to look.
BROKEN_REASONS = frozenset({"price_rule_failed", "catalogue_unusable"})
# Why a line keeps the price that everybody has.
IMPERSONAL = BROKEN_REASONS | {
    "not_in_catalogue",
    "catalogue_currency_differs",
    "no_floor",
    "rounding_leaves_no_price",
    "step_leaves_no_price",
}
# What a policy or a catalogue that slipped past validation may make of a sum.
BROKEN = (ArithmeticError, TypeError, ValueError, AttributeError)


class PricedLine(NamedTuple):
    """One line as quoted, in minor units.

    Attributes:
        sku: the article.
        quantity: pieces.
        base_unit_price_minor: the published price.
        unit_price_minor: the price quoted.
        reason: what was special about it.
        was_minor: the lowest published price of 30 days, where it may be claimed.
        percent_off: the reduction from it.
        adjustments: names of those that moved the discount.
    """

    sku: str
    quantity: int
    base_unit_price_minor: int
    unit_price_minor: int
    reason: str | None = None
    was_minor: int | None = None
    percent_off: int | None = None
    adjustments: tuple[str, ...] = ()


class Setting(NamedTuple):
    """What the lines of a cart are priced in, besides the tier.

    Attributes:
        pricing: the policy's table.
        mode: what the law and the operator leave.
        as_of: now.
        kept: what this session was quoted under this very tier.
        shown: what this customer was quoted lately.
    """

    pricing: Pricing
    mode: Mode | None
    as_of: int
    kept: Mapping[str, KeptPrice]
    shown: Shown


PLAIN = Setting(Pricing(), "discount_only", 0, {}, {})


def choose_tier(policy: Policy, seen: Seen) -> PriceTier | None:
    """The first tier whose segment, threshold and conditions fit; the unknown meets none."""
    churn = seen.scores.churn
    asked = policy.conditions.tiers
    for tier in policy.tiers_for(seen.changes.tiers):
        if seen.scores.segment not in tier.segments:
            continue
        # Asked this way round, what is no number meets no threshold.
        if tier.min_churn is not None and (churn is None or not churn >= tier.min_churn):
            continue
        if all(each.failed(seen.values) is None for each in asked.get(tier.name, ())):
            return tier
    return None


class _Frame(NamedTuple):
    """What a tier's prices are made with: read and checked once for a cart."""

    points: int
    floor_points: int
    ceiling_points: int
    increment: int
    step_points: int | None
    adjustments: tuple[Adjustment, ...]
    setting: Setting


def price_cart(
    lines: Iterable[Line],
    products: Mapping[str, Product],
    *,
    currency: str | None,
    tier: PriceTier | None,
    setting: Setting = PLAIN,
) -> tuple[PricedLine, ...]:
    """Price every line of a cart."""
    frame = None if tier is None else _frame(tier, setting, currency)
    return tuple([_price(line, products.get(line.sku), currency, frame) for line in lines])


def price_line(
    line: Line,
    product: Product | None,
    *,
    currency: str | None,
    tier: PriceTier | None,
    setting: Setting = PLAIN,
) -> PricedLine:
    """Price one line in whole minor units; the discount is rounded down, in the shop's favour."""
    products = {} if product is None else {line.sku: product}
    [priced] = price_cart([line], products, currency=currency, tier=tier, setting=setting)
    return priced


def _frame(tier: PriceTier, setting: Setting, currency: str | None) -> _Frame | NoPrice:
    """What holds for all lines; NoPrice where a rule of the policy cannot be used."""
    pricing = setting.pricing
    try:
        step = pricing.max_step_basis_points_per_day
        ceiling = BASIS_POINTS
        if setting.mode in RISING:
            ceiling = whole(pricing.ceiling_basis_points, BASIS_POINTS, 2 * BASIS_POINTS)
        return _Frame(
            points=whole(tier.discount_basis_points, 0, BASIS_POINTS),
            floor_points=whole(pricing.floor_basis_points, 0, BASIS_POINTS),
            ceiling_points=ceiling,
            increment=whole(pricing.rounding.get(currency or "", 1), 1, LARGEST_INCREMENT),
            step_points=None if step is None else whole(step, 0, BASIS_POINTS),
            adjustments=(*pricing.adjustments, *tier.adjustments),
            setting=setting,
        )
    except BROKEN:
        return NoPrice("price_rule_failed")


def _price(
    line: Line, product: Product | None, currency: str | None, frame: _Frame | NoPrice | None
) -> PricedLine:
    if product is None or product.base_price_minor is None:
        return _as_it_stands(line, None if frame is None else "not_in_catalogue")
    if product.currency != currency:
        return _as_it_stands(line, "catalogue_currency_differs")
    base = product.base_price_minor
    if not is_amount(base):
        return _as_it_stands(line, "catalogue_unusable")
    if frame is None:
        reason = "catalogue_price_differs" if line.unit_price_minor != base else None
        return PricedLine(line.sku, line.quantity, base, base, reason)
    if isinstance(frame, NoPrice):
        return PricedLine(line.sku, line.quantity, base, base, frame.reason)
    try:
        return _personal(line, product, base, frame)
    except NoPrice as none:
        return PricedLine(line.sku, line.quantity, base, base, none.reason)
    except BROKEN:
        return PricedLine(line.sku, line.quantity, base, base, "price_rule_failed")


def _as_it_stands(line: Line, reason: str | None) -> PricedLine:
    """The shop's own price."""
    base = line.unit_price_minor
    return PricedLine(line.sku, line.quantity, base, base, reason)


def _personal(line: Line, product: Product, base: int, frame: _Frame) -> PricedLine:
    """The price of a tier; raises NoPrice, and whatever arithmetic with a broken rule raises."""
    if product.floor_minor is None:
        raise NoPrice("no_floor")
    setting, increment = frame.setting, frame.increment
    bounds = bounds_of(base, whole(product.floor_minor), frame.floor_points, frame.ceiling_points)
    adjusted: tuple[str, ...] = ()
    kept = setting.kept.get(line.sku) if setting.kept else None
    if kept is not None and kept.base == base:
        wanted, increment = whole(kept.unit, 0, 2 * LARGEST_AMOUNT_MINOR), 1
    else:
        points = frame.points
        if frame.adjustments:
            points, adjusted = _moved(product, frame)
        wanted = discounted(base, points)
    left = bounds if frame.step_points is None else _in_step(bounds, line.sku, base, frame)
    unit = settle_price(wanted, base, left, increment)
    was = off = None
    if product.prices:
        claim = reduction(product.prices, as_of=setting.as_of, base_minor=base, unit_minor=unit)
        was, off = (None, None) if claim is None else claim
    reason = None
    if unit != wanted:
        reason = _stopped(wanted, unit, bounds, increment)
    if reason is None and line.unit_price_minor != base:
        reason = "catalogue_price_differs"
    return PricedLine(line.sku, line.quantity, base, unit, reason, was, off, adjusted)


def _moved(product: Product, frame: _Frame) -> tuple[int, tuple[str, ...]]:
    """The discount in basis points, negative above the published price, and what moved it."""
    setting, points = frame.setting, frame.points
    level = setting.pricing.level_of(product, as_of=setting.as_of)
    moved = []
    for each in frame.adjustments:
        if each.holds(product.stock, level):
            points += whole(each.discount_basis_points, -BASIS_POINTS, BASIS_POINTS)
            moved.append(each.name)
    return min(points, BASIS_POINTS), tuple(moved)


def _in_step(bounds: Bounds, sku: str, base: int, frame: _Frame) -> Bounds:
    step = base * (frame.step_points or 0) // BASIS_POINTS
    day = frame.setting.as_of // DAY_SECONDS
    return within_step(bounds, frame.setting.shown.get(sku), base=base, step=step, day=day)


def _stopped(wanted: int, unit: int, bounds: Bounds, increment: int) -> str | None:
    """What kept a price from being the one that was wanted."""
    if wanted < bounds.low:
        return "floor_reached"
    if wanted > bounds.high:
        return "ceiling_reached"
    return "step_limited" if abs(unit - wanted) >= increment else None


def personal_prices(lines: Iterable[PricedLine]) -> list[tuple[str, int, int]]:
    """Article, published and personal price of every line of a cart that a tier has priced."""
    return [
        (line.sku, line.base_unit_price_minor, line.unit_price_minor)
        for line in lines
        if line.reason not in IMPERSONAL
    ]


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


def line_to_json(line: PricedLine) -> list[object]:
    """The stored form: five values always, the others where one of them says something."""
    return list(line[:5] if line[5:] == _NOTHING_MORE else line)


def line_from_json(stored: Sequence[Any]) -> PricedLine:
    """Undo ``line_to_json``."""
    line = PricedLine(*stored)
    return line._replace(adjustments=tuple(line.adjustments))


_NOTHING_MORE = (None, None, ())
