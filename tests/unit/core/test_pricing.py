"""Prices go down from the published price, in whole minor units, and stop at the floor."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.candidates import Seen
from chalicelib.core.catalogue import Product
from chalicelib.core.price_tiers import PriceTier
from chalicelib.core.pricing import choose_tier, price_line, total_minor
from chalicelib.core.scores import Scores
from chalicelib.core.situation import Line
from tests.unit.core.situations import MUG, checkout, default_policy

TEN = PriceTier(name="ten", segments=("at_risk",), discount_basis_points=1000)


@pytest.mark.parametrize(
    ("product", "tier", "unit_minor", "reason"),
    [
        (MUG, TEN, 1800, None),
        (MUG, None, 2000, None),
        (replace(MUG, floor_minor=1900), TEN, 1900, "floor_reached"),
        (replace(MUG, floor_minor=2500), TEN, 2000, "floor_reached"),
        (replace(MUG, floor_minor=None), TEN, 2000, "no_floor"),
        (replace(MUG, currency="EUR"), TEN, 2000, "catalogue_currency_differs"),
        (replace(MUG, base_price_minor=3000), TEN, 2700, "catalogue_price_differs"),
        (None, TEN, 2000, "not_in_catalogue"),
        (None, None, 2000, None),
    ],
)
def test_a_line_is_priced_by_catalogue_tier_and_floor(
    product: Product | None, tier: PriceTier | None, unit_minor: int, reason: str | None
) -> None:
    """The catalogue's price rules, the floor holds, and what is special is named."""
    line = price_line(Line("MUG", 1, 2000), product, currency="USD", tier=tier)

    assert (line.unit_price_minor, line.reason) == (unit_minor, reason)


def test_a_missing_propensity_meets_no_threshold() -> None:
    """A tier with a churn threshold is never given by rules that know no churn, or no number."""
    tier = PriceTier(name="t", segments=("at_risk",), min_churn=0.0, discount_basis_points=1)

    policy = default_policy(price_tiers=(tier,))

    def chosen(churn: float | None) -> PriceTier | None:
        return choose_tier(policy, Seen(checkout(), Scores("at_risk", churn, None, "m"), {}))

    assert chosen(None) is None
    assert chosen(float("nan")) is None
    assert chosen(0.0) is tier


@given(
    base=st.integers(0, 10**12),
    floor=st.integers(0, 10**12),
    points=st.integers(1, 10_000),
    quantity=st.integers(1, 10_000),
)
def test_no_price_leaves_its_bounds(base: int, floor: int, points: int, quantity: int) -> None:
    """For any catalogue and tier: floor ≤ price ≤ base, or the base price itself."""
    product = Product("X", "USD", base, floor)
    tier = PriceTier(name="t", segments=("s",), discount_basis_points=points)

    line = price_line(Line("X", quantity, base), product, currency="USD", tier=tier)

    assert min(floor, base) <= line.unit_price_minor <= base
    assert total_minor([line]) == quantity * line.unit_price_minor
