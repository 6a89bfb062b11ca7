"""What of a policy's prices cannot be: checked when it is read, each with its path and the fix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from chalicelib.core.law import Mode
from chalicelib.core.money import MINOR_DIGITS
from chalicelib.core.policy_checks import Misfit, names_stand_once
from chalicelib.core.policy_conditions import Asked
from chalicelib.core.price_rules import BASIS_POINTS, Adjustment, Pricing
from chalicelib.core.price_tiers import PriceTier

# A tier that asked them could make a cart cheaper by adding to it.
CART_SIZE = frozenset({"cart_minor", "cart_quantity"})


def prices_fit(
    pricing: Pricing,
    tiers: Sequence[PriceTier],
    mode: Mode,
    asked: Mapping[str, Sequence[Asked]],
) -> Iterator[Misfit]:
    """Everything that is wrong; ``asked`` are the conditions of tiers by name."""
    yield from _table_fits(pricing, mode)
    yield from _adjustments_fit("pricing.adjustments", pricing.adjustments, pricing)
    for number, tier in enumerate(tiers):
        path = f"price_tiers.{number}"
        yield from _adjustments_fit(f"{path}.adjustments", tier.adjustments, pricing)
        yield from _stays_above_floor(path, tier, pricing)
        # Conditions that could not be read are not among those asked, so places do not count there.
        read = {each.condition.text: each.condition for each in asked.get(tier.name, ())}
        for place, requirement in enumerate(tier.eligibility):
            condition = read.get(requirement.when.strip())
            for feature in sorted(CART_SIZE & condition.features if condition else ()):
                yield Misfit(
                    f"{path}.eligibility.{place}.when",
                    f"names {feature}: a fuller cart could then cost less; use an action with an "
                    "offer and min_cart_minor",
                )


def _table_fits(pricing: Pricing, mode: Mode) -> Iterator[Misfit]:
    if pricing.ceiling_basis_points > BASIS_POINTS and mode in ("discount_only", "ban"):
        yield Misfit(
            "pricing.ceiling_basis_points",
            f"is above the published price, which price_mode {mode} forbids; leave it out",
        )
    for currency in pricing.rounding:
        if currency not in MINOR_DIGITS:
            yield Misfit(f"pricing.rounding.{currency}", "is no ISO 4217 code such as CHF")


def _adjustments_fit(
    path: str, adjustments: Sequence[Adjustment], pricing: Pricing
) -> Iterator[Misfit]:
    yield from names_stand_once(path + ".{}.name", (each.name for each in adjustments))
    for number, each in enumerate(adjustments):
        if each.asks_demand and pricing.demand is None:
            yield Misfit(
                f"{path}.{number}", "asks for demand, which nobody counts; add [pricing.demand]"
            )


def _stays_above_floor(path: str, tier: PriceTier, pricing: Pricing) -> Iterator[Misfit]:
    """No tier, and no tier with one adjustment, spends below the floor of the policy."""
    deepest = BASIS_POINTS - pricing.floor_basis_points
    if tier.discount_basis_points > deepest:
        yield Misfit(
            f"{path}.discount_basis_points",
            f"spends below pricing.floor_basis_points; at most {deepest}",
        )
        return
    left = deepest - tier.discount_basis_points
    for owner, adjustments in (("", pricing.adjustments), (f"{path}.", tier.adjustments)):
        for number, each in enumerate(adjustments):
            if each.discount_basis_points > left:
                where = f"{owner or 'pricing.'}adjustments.{number}.discount_basis_points"
                yield Misfit(
                    where,
                    f"spends below pricing.floor_basis_points with tier {tier.name}; "
                    f"at most {left}",
                )
