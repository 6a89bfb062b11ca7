"""The policy's table of prices: what it may say, and the path of what it may not."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from chalicelib.core.errors import BadInput
from chalicelib.core.policy import policy_from_json
from chalicelib.core.price_rules import Adjustment
from tests.unit.core.situations import POLICIES

DEMAND = {"half_life_minutes": 360}
SCARCE = {"name": "scarce", "max_stock": 5, "discount_basis_points": -300}
WANTED = {"name": "wanted", "min_demand": 50, "discount_basis_points": -300}
SLOW = {"name": "slow", "max_demand": 2, "discount_basis_points": 9_000}


def document(**changes: Any) -> dict[str, Any]:
    """The shipped policy, changed."""
    return {**tomllib.loads((POLICIES / "default.toml").read_text()), **changes}


def tier(**changes: Any) -> list[dict[str, Any]]:
    """One tier."""
    return [{"name": "t", "segments": ["at_risk"], "discount_basis_points": 500, **changes}]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"pricing": {"adjustments": [WANTED]}}, "pricing.adjustments.0"),
        ({"price_tiers": tier(adjustments=[SCARCE, WANTED])}, "price_tiers.0.adjustments.1"),
        ({"pricing": {"adjustments": [SCARCE, SCARCE]}}, "pricing.adjustments.1.name"),
        (
            {"pricing": {"adjustments": [{"name": "x", "discount_basis_points": 5}]}},
            "pricing.adjustments.0",
        ),
        ({"pricing": {"adjustments": [{**SCARCE, "min_stock": 6}]}}, "pricing.adjustments.0"),
        (
            {"pricing": {"adjustments": [{**SCARCE, "discount_basis_points": 0}]}},
            "pricing.adjustments.0",
        ),
        ({"pricing": {"adjustments": [{**SCARCE, "max_stock": -1}]}}, "max_stock"),
        (
            {
                "pricing": {
                    "demand": DEMAND,
                    "adjustments": [{**WANTED, "min_demand": float("inf")}],
                }
            },
            "min_demand",
        ),
        ({"pricing": {"demand": {"half_life_minutes": 0}}}, "pricing.demand.half_life_minutes"),
        ({"pricing": {"demand": {**DEMAND, "view": float("nan")}}}, "pricing.demand.view"),
        ({"pricing": {"rounding": {"XXX": 5}}}, "pricing.rounding.XXX"),
        ({"pricing": {"rounding": {"CHF": 0}}}, "pricing.rounding.CHF"),
        ({"pricing": {"ceiling_basis_points": 11_000}}, "pricing.ceiling_basis_points"),
        ({"pricing": {"ceiling_basis_points": 9_999}}, "pricing.ceiling_basis_points"),
        ({"pricing": {"max_step_basis_points_per_day": 0}}, "max_step_basis_points_per_day"),
        ({"pricing": {"surge": True}}, "pricing.surge"),
        (
            {"pricing": {"floor_basis_points": 9_600}, "price_tiers": tier()},
            "price_tiers.0.discount_basis_points",
        ),
        (
            {
                "pricing": {"floor_basis_points": 5_000, "demand": DEMAND, "adjustments": [SLOW]},
                "price_tiers": tier(),
            },
            "pricing.adjustments.0.discount_basis_points",
        ),
        (
            {
                "pricing": {"floor_basis_points": 5_000, "demand": DEMAND},
                "price_tiers": tier(adjustments=[SCARCE, SLOW]),
            },
            "price_tiers.0.adjustments.1.discount_basis_points",
        ),
        (
            {"price_tiers": tier(eligibility=["churn > 0.5", "cart_minor > 5000"])},
            "price_tiers.0.eligibility.1",
        ),
        (
            {"price_tiers": tier(eligibility=["country == 'US' and cart_quantity > 1"])},
            "price_tiers.0.eligibility.0",
        ),
        (
            {"price_tiers": tier(eligibility=["no_such > 1", "cart_minor > 5000"])},
            "price_tiers.0.eligibility.1.when",
        ),
        ({"price_tiers": tier(eligibility=["region == 'NY'"])}, "price_tiers.0.eligibility.0"),
    ],
)
def test_what_cannot_be_is_refused_with_its_path(changes: dict[str, Any], path: str) -> None:
    """Spending below the floor, asking for what nobody counts, rising where nothing may rise."""
    with pytest.raises(BadInput) as refused:
        policy_from_json(document(**changes))

    assert any(path in error.field for error in refused.value.errors), refused.value.errors


def test_a_price_may_rise_where_the_operator_says_so() -> None:
    """``discount_only`` is the default; whoever leaves it may name a ceiling."""
    policy = policy_from_json(
        document(price_mode="disclose", pricing={"ceiling_basis_points": 11_000})
    )

    assert policy.pricing.ceiling_basis_points == 11_000


def test_without_the_table_nothing_changes() -> None:
    """The shipped policy counts no demand, limits no step and rounds nothing."""
    pricing = policy_from_json(document()).pricing

    assert (pricing.demand, pricing.max_step_basis_points_per_day) == (None, None)
    assert (pricing.rounding, pricing.adjustments, pricing.floor_basis_points) == ({}, (), 0)


@pytest.mark.parametrize(
    ("stock", "level", "holds"),
    [
        (5, 50.0, True),
        (0, 50.0, True),
        (6, 50.0, False),
        (5, 49.9, False),
        (None, 50.0, False),
        (5, None, False),
        (5, float("nan"), False),
        (5, float("inf"), True),
    ],
)
def test_an_adjustment_holds_where_every_bound_is_met(
    stock: int | None, level: float | None, holds: bool
) -> None:
    """The bounds themselves included; what is not known, or is no number, meets none."""
    rule = Adjustment(name="r", max_stock=5, min_demand=50, discount_basis_points=-1)

    assert rule.holds(stock, level) is holds
