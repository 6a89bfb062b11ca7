"""Price tiers of a policy: how far below the published price, and for whom."""

from __future__ import annotations

from pydantic import Field

from chalicelib.core.actions import NAME, Part, Requirements
from chalicelib.core.price_rules import MOST_ADJUSTMENTS, Adjustment

BASE_TIER = "base"


class PriceTier(Part):
    """A personal price level: so many basis points below the published price.

    The first tier in the document whose segments, threshold and conditions fit is taken; one that
    is ``only_in_experiments`` where an arm names it. Its ``adjustments``, and those of the table
    ``[pricing]``, move the discount by stock and demand.
    """

    name: str = Field(pattern=NAME)
    segments: tuple[str, ...] = Field(min_length=1)
    min_churn: float | None = Field(default=None, ge=0, le=1)
    eligibility: Requirements = ()
    discount_basis_points: int = Field(ge=1, le=10_000)
    adjustments: tuple[Adjustment, ...] = Field(default=(), max_length=MOST_ADJUSTMENTS)
    only_in_experiments: bool = False
