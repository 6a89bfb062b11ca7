"""Between which prices a personal price may lie, and the price there: whole numbers alone.

Every number is checked where it comes in, so that whatever a broken policy, catalogue or counter
says, what comes out is a price within its bounds, or ``NoPrice``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from chalicelib.core.money import LARGEST_AMOUNT_MINOR
from chalicelib.core.price_rules import BASIS_POINTS


class NoPrice(ValueError):
    """There is no personal price; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Bounds(NamedTuple):
    """The lowest and the highest price that there may be, in minor units."""

    low: int
    high: int


def is_amount(value: Any) -> bool:
    """Whether it can be an amount in minor units."""
    return type(value) is int and 0 <= value <= LARGEST_AMOUNT_MINOR


def whole(value: Any, least: int = 0, most: int = LARGEST_AMOUNT_MINOR) -> int:
    """The number itself where it is a whole one within these limits; raises NoPrice."""
    if type(value) is not int or not least <= value <= most:
        raise NoPrice("price_rule_failed")
    return value


def bounds_of(base: int, floor: int, floor_points: int, ceiling_points: int) -> Bounds:
    """The bounds of one article.

    Args:
        base: the published price.
        floor: the catalogue's floor; one above the published price does not raise it.
        floor_points: the policy's floor as a share of the published price, rounded up.
        ceiling_points: its ceiling likewise, rounded down; 10,000 is the published price itself.
    """
    if floor_points:
        floor = max(floor, -(-base * floor_points // BASIS_POINTS))
    high = base if ceiling_points == BASIS_POINTS else base * ceiling_points // BASIS_POINTS
    return Bounds(min(floor, base), high)


def discounted(base: int, points: int) -> int:
    """The published price less so many basis points, rounded up: in the shop's favour.

    >>> discounted(1999, 500), discounted(1999, -500), discounted(1999, 10_000)
    (1900, 2099, 0)
    """
    return -(-base * (BASIS_POINTS - points) // BASIS_POINTS)


def settle_price(wanted: int, base: int, bounds: Bounds, increment: int) -> int:
    """The price nearest above what is wanted that the bounds and the rounding leave.

    It is a multiple of the increment, or the published price. Raises NoPrice where neither lies
    within the bounds.
    """
    low, high = bounds
    if increment == 1:
        return min(max(wanted, low), high)
    price = -(-min(max(wanted, low), high) // increment) * increment
    if price > high:
        # The published price is exact as it stands; below it the next multiple down is.
        price = base if high == base else high // increment * increment
    if not low <= price <= high:
        raise NoPrice("rounding_leaves_no_price")
    return price
