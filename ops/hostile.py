"""Prices asked for with everything that could be wrong, and whether the answer keeps its bounds.

Policies are built past their validation, catalogues and counters hold what no reader would let in,
and carts are honest: those the interface has checked. ``broken_rule`` is an oracle of its own, in
fractions, and knows nothing of how prices are made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any

from chalicelib.core.catalogue import Product
from chalicelib.core.demand import Demand
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.law import Mode
from chalicelib.core.money import LARGEST_AMOUNT_MINOR
from chalicelib.core.price_rules import Adjustment, DemandTerms, Pricing
from chalicelib.core.price_tiers import PriceTier
from chalicelib.core.pricing import IMPERSONAL, PricedLine, Setting
from chalicelib.core.shown_prices import ShownPrice
from chalicelib.core.situation import KeptPrice, Line

POISON: tuple[Any, ...] = (
    math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, 0.5, -0.0, 0, -1, 1, True, None, "9", "",
    (), 10**30, -(10**30), 2**63, 10_000, 10_001, -10_001, b"1", {},
)  # fmt: skip
MODES: tuple[Mode | None, ...] = (
    "allow",
    "disclose",
    "discount_only",
    "discount_only",
    "ban",
    None,
)
CURRENCIES = ("USD", "JPY", "KWD", "CHF")
NOW = 1_795_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """One price that is asked for."""

    line: Line
    product: Product
    tier: PriceTier
    setting: Setting


def case(random: Random, tiers: Sequence[PriceTier], tables: Sequence[Pricing]) -> Case:
    """A case; more than half of each are sound, so that bounds are met and not only refused."""
    base = _sound(random, random.choice((10, 3_000, 10**6, LARGEST_AMOUNT_MINOR)))
    product = _product(random, base)
    line = Line("A", random.randrange(1, 10_000), base if random.random() < 0.7 else 777)
    kept = {"A": KeptPrice(base, _sound(random, base + 1))} if random.random() < 0.2 else {}
    pricing = random.choice(tables)
    shown = {"A": _shown(random, base, pricing)} if random.random() < 0.5 else {}
    setting = Setting(pricing, random.choice(MODES), NOW, kept, shown)
    return Case(line, product, random.choice(tiers), setting)


def _sound(random: Random, most: int) -> int:
    return random.randrange(0, most + 1)


def _maybe(random: Random, value: Any, *, poison: float = 0.1) -> Any:
    return random.choice(POISON) if random.random() < poison else value


def _product(random: Random, base: int) -> Product:
    demand = None
    if random.random() < 0.6:
        views, pieces = random.expovariate(0.01), random.expovariate(0.1)
        demand = Demand(
            _maybe(random, views), _maybe(random, pieces), NOW - random.randrange(100_000)
        )
    history = []
    for age_days in sorted(
        (random.randrange(60) for _ in range(random.randrange(4))), reverse=True
    ):
        history.append((NOW - age_days * DAY_SECONDS, _sound(random, 2 * base + 1)))
    return Product(
        sku="A",
        currency=random.choice(CURRENCIES),
        base_price_minor=_maybe(random, base, poison=0.03),
        floor_minor=_maybe(random, _sound(random, base + base // 8)),
        stock=_maybe(random, random.choice((0, 3, 500)), poison=0.2),
        prices=_maybe(random, tuple(history), poison=0.02),
        demand=_maybe(random, demand, poison=0.02),
    )


def _shown(random: Random, base: int, pricing: Pricing) -> ShownPrice:
    """What this customer was quoted, within one step as it always is."""
    points = pricing.max_step_basis_points_per_day
    step = base * points // 10_000 if type(points) is int and 0 <= points <= 10_000 else 0
    low = _sound(random, base)
    high = min(base, low + _sound(random, step))
    today = NOW // DAY_SECONDS
    return ShownPrice(base, today - random.randrange(2), low, high, random.choice((low, high)))


def hostile_tier(random: Random) -> PriceTier:
    """A tier as no reader would let it in."""
    return PriceTier.model_construct(
        name="t",
        segments=("s",),
        min_churn=None,
        eligibility=(),
        discount_basis_points=_maybe(random, random.randrange(1, 4_000)),
        adjustments=_maybe(random, _adjustments(random), poison=0.03),
    )


def hostile_table(random: Random) -> Pricing:
    """A table ``[pricing]`` as no reader would let it in."""
    demand = DemandTerms.model_construct(
        half_life_minutes=_maybe(random, random.randrange(1, 1_000)),
        view=_maybe(random, random.random()),
        piece=_maybe(random, random.random() * 5),
    )
    return Pricing.model_construct(
        floor_basis_points=_maybe(random, random.choice((0, 5_000, 9_000))),
        ceiling_basis_points=_maybe(random, random.choice((10_000, 11_000))),
        max_step_basis_points_per_day=_maybe(random, random.choice((None, 1, 100, 500))),
        rounding=_maybe(
            random,
            {name: _maybe(random, random.choice((1, 5, 10, 100))) for name in CURRENCIES},
            poison=0.03,
        ),
        demand=_maybe(random, random.choice((demand, None)), poison=0.03),
        adjustments=_maybe(random, _adjustments(random), poison=0.03),
    )


def _adjustments(random: Random) -> tuple[Adjustment, ...]:
    return tuple(
        Adjustment.model_construct(
            name=f"a{number}",
            min_stock=_maybe(random, random.choice((None, 0, 3))),
            max_stock=_maybe(random, random.choice((None, 0, 500))),
            min_demand=_maybe(random, random.choice((None, 0.0, 50.0))),
            max_demand=_maybe(random, random.choice((None, 50.0, 1e9))),
            discount_basis_points=_maybe(random, random.randrange(-4_000, 4_000)),
        )
        for number in range(random.randrange(4))
    )


def broken_rule(asked: Case, priced: PricedLine) -> str | None:
    """The first rule that a price breaks, None where it keeps them all."""
    line, product = asked.line, asked.product
    if (priced.sku, priced.quantity) != (line.sku, line.quantity):
        return "another_line"
    base: Any = product.base_price_minor
    if type(base) is not int or not 0 <= base <= LARGEST_AMOUNT_MINOR:
        same = priced.base_unit_price_minor == priced.unit_price_minor == line.unit_price_minor
        return None if same else "no_published_price"
    if priced.base_unit_price_minor != base:
        return "another_published_price"
    if priced.reason in IMPERSONAL:
        return None if priced.unit_price_minor == base and priced.was_minor is None else "fell_back"
    try:
        return _unbound(asked, priced, base) or _unjust_claim(priced)
    except (ArithmeticError, TypeError, ValueError):
        return "made_of_what_is_no_number"


def _unbound(asked: Case, priced: PricedLine, base: int) -> str | None:
    unit, pricing, setting = priced.unit_price_minor, asked.setting.pricing, asked.setting
    floor: Any = asked.product.floor_minor
    if type(unit) is not int:
        return "no_whole_number"
    share = Fraction(pricing.floor_basis_points, 10_000)
    if not min(base, max(floor, math.ceil(base * share))) <= unit:
        return "below_floor"
    rises = setting.mode in ("allow", "disclose")
    ceiling = base * Fraction(pricing.ceiling_basis_points, 10_000) if rises else Fraction(base)
    if not unit <= ceiling:
        return "above_ceiling"
    increment = pricing.rounding.get(asked.product.currency, 1)
    kept = setting.kept.get("A")
    if unit % increment and unit != base and kept is None:
        return "not_rounded"
    return _too_far(asked, unit, base)


def _too_far(asked: Case, unit: int, base: int) -> str | None:
    points = asked.setting.pricing.max_step_basis_points_per_day
    shown = asked.setting.shown.get("A")
    if points is None or shown is None or shown.base != base:
        return None
    today = shown.day == NOW // DAY_SECONDS
    low, high = (shown.low, shown.high) if today else (shown.last, shown.last)
    width = max(high, unit) - min(low, unit)
    return "too_large_a_step" if width > base * Fraction(points, 10_000) else None


def _unjust_claim(priced: PricedLine) -> str | None:
    was, unit = priced.was_minor, priced.unit_price_minor
    if was is None:
        return None
    if not unit < was <= priced.base_unit_price_minor:
        return "unjust_claim"
    true = Fraction(100 * (was - unit), was)
    percent = priced.percent_off or 0
    return None if percent <= true < percent + 1 else "wrong_percentage"
