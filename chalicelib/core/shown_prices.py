"""What one customer was quoted for each article, and how far a day's prices may lie apart.

Within a UTC day, the prices that a customer is quoted for an article lie, together with the last
one before that day, within one band whose width is the policy's largest step. A change of the
published price begins anew: that one is the shop's, and the same for everybody. What is not quoted
for two days is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.price_bounds import Bounds, NoPrice

REMEMBERED_DAYS = 2
REMEMBERED_SECONDS = REMEMBERED_DAYS * DAY_SECONDS
MOST_ARTICLES = 200


class ShownPrice(NamedTuple):
    """Prices of one article in minor units, all under one published price.

    ``low`` and ``high`` are of ``day`` (days since 1970), the last before it included; ``last`` is
    the latest.
    """

    base: int
    day: int
    low: int
    high: int
    last: int


Shown = Mapping[str, ShownPrice]


def within_step(
    bounds: Bounds, shown: ShownPrice | None, *, base: int, step: int, day: int
) -> Bounds:
    """The bounds that the largest step leaves; raises NoPrice where it leaves none.

    Args:
        bounds: of the article, whoever asks.
        shown: what this customer was quoted.
        base: the published price.
        step: the largest step in minor units.
        day: today.
    """
    if shown is None or shown.base != base:
        return bounds
    low, high = (shown.low, shown.high) if shown.day == day else (shown.last, shown.last)
    narrowed = Bounds(max(bounds.low, high - step), min(bounds.high, low + step))
    if narrowed.low > narrowed.high:
        raise NoPrice("step_leaves_no_price")
    return narrowed


def show(
    shown: Shown, quoted: Iterable[tuple[str, int, int]], *, as_of: int
) -> dict[str, ShownPrice]:
    """What was shown once these personal prices are: article, published and personal price."""
    day = as_of // DAY_SECONDS
    after = {sku: each for sku, each in shown.items() if each.day > day - REMEMBERED_DAYS}
    for sku, base, unit in quoted:
        after.pop(sku, None)
        known = shown.get(sku)
        if known is None or known.base != base:
            after[sku] = ShownPrice(base, day, unit, unit, unit)
            continue
        low, high = (known.low, known.high) if known.day == day else (known.last, known.last)
        after[sku] = ShownPrice(base, day, min(low, unit), max(high, unit), unit)
    # The latest stand last.
    return dict(list(after.items())[-MOST_ARTICLES:])


def shown_to_json(shown: Shown) -> dict[str, Any]:
    """The stored form."""
    return {sku: list(each) for sku, each in shown.items()}


def shown_from_json(stored: Mapping[str, Sequence[int]]) -> dict[str, ShownPrice]:
    """Undo ``shown_to_json``."""
    return {sku: ShownPrice(*each) for sku, each in stored.items()}
