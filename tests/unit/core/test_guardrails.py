"""Guardrails of a price: bounds, rounding, step, session, and whatever a broken rule may say."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.catalogue import Product
from chalicelib.core.demand import Demand
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.law import Mode
from chalicelib.core.price_rules import Adjustment, DemandTerms, Pricing
from chalicelib.core.price_tiers import PriceTier
from chalicelib.core.pricing import (
    IMPERSONAL,
    PricedLine,
    Setting,
    line_from_json,
    line_to_json,
    price_line,
)
from chalicelib.core.shown_prices import ShownPrice, show
from chalicelib.core.situation import KeptPrice, Line
from ops.hostile import POISON, Case, broken_rule, case, hostile_table, hostile_tier
from ops.prove import BoundBroken, guardrails
from ops.prove.guardrails import figures
from tests.unit.core.situations import MUG, NOW

TODAY = NOW // DAY_SECONDS
DEMAND = DemandTerms(half_life_minutes=60)


def tier(points: int = 1000, *adjustments: Adjustment) -> PriceTier:
    """A tier for everybody."""
    return PriceTier(
        name="t", segments=("s",), discount_basis_points=points, adjustments=adjustments
    )


def priced(
    product: Product = MUG,
    *,
    points: int = 1000,
    mode: Mode = "discount_only",
    kept: dict[str, KeptPrice] | None = None,
    shown: dict[str, ShownPrice] | None = None,
    **pricing: Any,
) -> PricedLine:
    """The price of one mug, which costs 20.00 and never less than 15.00."""
    setting = Setting(Pricing(**pricing), mode, NOW, kept or {}, shown or {})
    line = Line("MUG", 1, product.base_price_minor or 0)
    return price_line(line, product, currency=product.currency, tier=tier(points), setting=setting)


def moved(points: int, **bounds: Any) -> Adjustment:
    """A rule of stock or demand."""
    return Adjustment(name="rule", discount_basis_points=points, **bounds)


@pytest.mark.parametrize(
    ("rule", "unit", "names"),
    [
        (moved(-400, max_stock=5), 1880, ("rule",)),
        (moved(400, max_stock=5), 1720, ("rule",)),
        (moved(-400, min_stock=6), 1800, ()),
        (moved(-400, min_demand=30), 1880, ("rule",)),
        (moved(-400, min_demand=31), 1800, ()),
        (moved(-400, max_stock=5, min_demand=31), 1800, ()),
        (moved(-1000, max_stock=5), 2000, ("rule",)),
        (moved(-4000, max_stock=5), 2000, ("rule",)),
        (moved(9000, max_stock=5), 1500, ("rule",)),
    ],
)
def test_stock_and_demand_move_the_discount(
    rule: Adjustment, unit: int, names: tuple[str, ...]
) -> None:
    """Five left and a demand of 30: less discount or more, never above the published price."""
    wanted = replace(MUG, stock=5, demand=Demand(20.0, 10.0, NOW))

    line = priced(wanted, demand=DEMAND, adjustments=(rule,))

    assert (line.unit_price_minor, line.adjustments) == (unit, names)


def test_adjustments_of_the_tier_add_to_those_of_the_table() -> None:
    """Ten percent, two more by the table, one less by the tier."""
    few = replace(MUG, stock=5)
    setting = Setting(Pricing(adjustments=(moved(200, max_stock=5),)), "discount_only", NOW, {}, {})
    own = Adjustment(name="own", max_stock=9, discount_basis_points=-100)

    line = price_line(
        Line("MUG", 1, 2000), few, currency="USD", tier=tier(1000, own), setting=setting
    )

    assert (line.unit_price_minor, line.adjustments) == (1780, ("rule", "own"))


def test_demand_decays_until_the_discount_is_back() -> None:
    """Adapts within seconds, and lets go as demand does: half of it in a half-life."""
    rule = moved(-400, min_demand=30)
    old = replace(MUG, demand=Demand(40.0, 0.0, NOW - 3600))
    new = replace(MUG, demand=Demand(40.0, 0.0, NOW - 60))

    assert priced(new, demand=DEMAND, adjustments=(rule,)).unit_price_minor == 1880
    assert priced(old, demand=DEMAND, adjustments=(rule,)).unit_price_minor == 1800


@pytest.mark.parametrize(
    ("mode", "unit"), [("discount_only", 2000), ("allow", 2200), ("disclose", 2200)]
)
def test_a_price_rises_only_where_the_mode_lets_it(mode: Mode, unit: int) -> None:
    """The ceiling of the policy is the published price, unless law and operator both say more."""
    few = replace(MUG, stock=0)
    rule = moved(-4000, max_stock=0)

    line = priced(few, mode=mode, ceiling_basis_points=11_000, adjustments=(rule,))

    assert (line.unit_price_minor, line.reason) == (unit, "ceiling_reached")


@pytest.mark.parametrize(
    ("currency", "base", "increment", "unit"),
    [
        ("USD", 1999, 1, 1800),
        ("JPY", 1999, 10, 1800),
        ("JPY", 1990, 10, 1800),
        ("JPY", 103, 100, 100),
        ("JPY", 99, 100, 99),
        ("KWD", 12_345, 5, 11_115),
        ("CHF", 1995, 5, 1800),
        ("CHF", 1999, 5, 1800),
    ],
)
def test_prices_are_rounded_by_currency(
    currency: str, base: int, increment: int, unit: int
) -> None:
    """Up, in the shop's favour; never past the published price, which stands as it is."""
    product = Product("MUG", currency, base, floor_minor=0)

    line = priced(product, rounding={currency: increment})

    assert line.unit_price_minor == unit


def test_a_rounded_price_does_not_leave_its_floor() -> None:
    """The floor is no round price: the next one above it is."""
    product = replace(MUG, floor_minor=1901, currency="CHF")

    line = priced(product, points=5000, rounding={"CHF": 50})

    assert (line.unit_price_minor, line.reason) == (1950, "floor_reached")


def test_the_floor_of_the_policy_holds_beside_the_catalogues() -> None:
    """The higher of both."""
    cheap = replace(MUG, floor_minor=0)

    assert priced(cheap, points=5000, floor_basis_points=7_001).unit_price_minor == 1401
    assert priced(MUG, points=5000, floor_basis_points=7_000).unit_price_minor == 1500


def test_a_session_keeps_its_price_while_demand_moves() -> None:
    """What was quoted stands within its bounds; a new published price ends it."""
    kept = {"MUG": KeptPrice(2000, 1777)}

    assert priced(kept=kept).unit_price_minor == 1777
    assert priced(kept=kept, rounding={"USD": 50}).unit_price_minor == 1777
    assert priced(replace(MUG, base_price_minor=1900), kept=kept).unit_price_minor == 1710
    assert priced(replace(MUG, floor_minor=1790), kept=kept).unit_price_minor == 1790
    assert priced(kept={"MUG": KeptPrice(2000, 2100)}).unit_price_minor == 2000


@pytest.mark.parametrize(
    ("shown", "unit", "reason"),
    [
        (ShownPrice(2000, TODAY, 1900, 1900, 1900), 1840, "step_limited"),
        (ShownPrice(2000, TODAY, 1850, 1900, 1850), 1840, "step_limited"),
        (ShownPrice(2000, TODAY, 1820, 1860, 1830), 1800, None),
        (ShownPrice(2000, TODAY - 1, 1700, 1900, 1850), 1800, None),
        (ShownPrice(2000, TODAY - 1, 1900, 1900, 1900), 1840, "step_limited"),
        (ShownPrice(1900, TODAY, 1900, 1900, 1900), 1800, None),
        (ShownPrice(2000, TODAY, 1000, 1000, 1000), 2000, "step_leaves_no_price"),
    ],
)
def test_a_days_prices_lie_within_one_step(
    shown: ShownPrice, unit: int, reason: str | None
) -> None:
    """Three percent of 20.00 are 0.60; a change of the published price begins anew."""
    line = priced(shown={"MUG": shown}, max_step_basis_points_per_day=300)

    assert (line.unit_price_minor, line.reason) == (unit, reason)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(0, 3 * DAY_SECONDS), st.integers(1, 5_000), st.booleans()),
        min_size=2,
        max_size=20,
    ),
    st.integers(1, 2_000),
)
def test_no_two_prices_of_a_day_are_further_apart_than_the_step(
    visits: list[tuple[int, int, bool]], step: int
) -> None:
    """Any visits, any wishes: one band for each UTC day, with the price before it."""
    shown: dict[str, ShownPrice] = {}
    by_day: dict[int, list[int]] = {}
    before: int | None = None
    for at, points, _ in sorted(visits):
        now = NOW + at
        setting = Setting(
            Pricing(max_step_basis_points_per_day=step), "discount_only", now, {}, shown
        )
        line = price_line(
            Line("MUG", 1, 2000), MUG, currency="USD", tier=tier(points), setting=setting
        )
        if line.reason in IMPERSONAL:
            continue
        day = by_day.setdefault(now // DAY_SECONDS, [] if before is None else [before])
        day.append(line.unit_price_minor)
        before = line.unit_price_minor
        shown = show(shown, [("MUG", 2000, before)], as_of=now)

    for prices in by_day.values():
        assert max(prices) - min(prices) <= 2000 * step / 10_000


def test_what_was_shown_is_forgotten_after_two_days() -> None:
    """And never grows beyond what one item holds."""
    many = show({}, [(f"A{n}", 10, 9) for n in range(300)], as_of=NOW)
    assert len(many) == 200

    later = show(many, [("A299", 10, 9)], as_of=NOW + 2 * DAY_SECONDS)
    assert set(later) == {"A299"}


@pytest.mark.parametrize(
    ("stored", "line"),
    [
        (["A", 1, 10, 9, None], PricedLine("A", 1, 10, 9)),
        (["A", 1, 10, 9, "no_floor"], PricedLine("A", 1, 10, 9, "no_floor")),
        (
            ["A", 1, 10, 9, None, 10, 10, ["rule"]],
            PricedLine("A", 1, 10, 9, None, 10, 10, ("rule",)),
        ),
    ],
)
def test_a_line_is_stored_as_short_as_it_was(stored: list[Any], line: PricedLine) -> None:
    """Records of old have five values, and so has a line of which nothing more is to be said."""
    assert line_from_json(stored) == line
    assert line_from_json(line_to_json(line)) == line
    assert len(line_to_json(line)) == len(stored)


@pytest.mark.parametrize("poison", POISON, ids=repr)
def test_a_broken_number_leaves_the_published_price(poison: Any) -> None:
    """As a discount, a step, a floor or a bound: the price stays where everybody's is."""
    broken_tier = tier().model_copy(update={"discount_basis_points": poison})
    tables = [
        Pricing.model_construct(**{**Pricing().model_dump(), name: poison})
        for name in Pricing.model_fields
    ]
    for chosen, table in [(broken_tier, Pricing()), *((tier(), each) for each in tables)]:
        setting = Setting(table, "disclose", NOW, {}, {"MUG": ShownPrice(2000, TODAY, 1, 1, 1)})
        asked = Case(Line("MUG", 2, 2000), MUG, chosen, setting)
        line = price_line(asked.line, MUG, currency="USD", tier=chosen, setting=setting)
        assert broken_rule(asked, line) is None


@given(st.integers(0, 2**32))
@settings(max_examples=300)
def test_no_hostile_case_leaves_its_bounds(seed: int) -> None:
    """A policy past its validation, a counter gone mad: the price or the published one."""
    random = Random(seed)  # noqa: S311  (Hypothesis chooses the seed)
    asked = case(random, [hostile_tier(random)], [hostile_table(random)])

    line = price_line(
        asked.line,
        asked.product,
        currency=asked.product.currency,
        tier=asked.tier,
        setting=asked.setting,
    )

    assert broken_rule(asked, line) is None


def test_the_large_proof_is_not_empty() -> None:
    """Many of its cases end in a personal price, so that there is something to violate."""
    told = figures(2_000)

    assert told["guardrail_violations"] == 0
    assert told["guardrail_personal_share"] > 0.2


def test_a_session_that_forgets_its_price_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The large proof sees a price that follows demand within a session."""

    def forgets(line: Line, product: Product | None, **given: Any) -> PricedLine:
        setting: Setting = given.pop("setting")
        return price_line(line, product, **given, setting=setting._replace(kept={}))

    monkeypatch.setattr(guardrails, "price_line", forgets)

    with pytest.raises(BoundBroken, match="not_the_same_in_a_session"):
        guardrails.figures(2_000)


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.integers(1, 10_000))
def test_a_fuller_cart_never_costs_less(first: int, second: int, points: int) -> None:
    """The unit price is the same for any number of pieces, so totals rise with it."""
    fewer, more = sorted((first, second))
    prices = [
        price_line(Line("MUG", pieces, 2000), MUG, currency="USD", tier=tier(points))
        for pieces in (fewer, more)
    ]

    assert prices[0].unit_price_minor == prices[1].unit_price_minor
    assert fewer * prices[0].unit_price_minor <= more * prices[1].unit_price_minor


def test_a_hostile_history_makes_no_claim() -> None:
    """A price before that is no number is not announced."""
    broken = replace(MUG, prices=((0, math.nan),))  # type: ignore[arg-type]

    assert priced(broken).was_minor is None
