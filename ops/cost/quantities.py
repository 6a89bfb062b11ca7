"""Amounts by price id, and their arithmetic."""

from __future__ import annotations

from collections.abc import Mapping

Quantities = Mapping[str, float]


def added(*several: Quantities) -> dict[str, float]:
    """The sum of each."""
    total: dict[str, float] = {}
    for amounts in several:
        for name, amount in amounts.items():
            total[name] = total.get(name, 0.0) + amount
    return total


def scaled(amounts: Quantities, factor: float) -> dict[str, float]:
    """So many times each."""
    return {name: amount * factor for name, amount in amounts.items()}


def slope(few: Quantities, many: Quantities, steps: float) -> dict[str, float]:
    """How much one step adds, from what stands before and after so many; never below nothing."""
    if steps <= 0:
        raise ValueError(f"{steps} steps lie between the two")
    names = dict.fromkeys([*few, *many])
    return {name: max(0.0, (many.get(name, 0.0) - few.get(name, 0.0)) / steps) for name in names}
