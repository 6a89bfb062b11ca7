"""Who is followed: how often a shop in which nothing changes rings over its first eight months.

Customers come as often as they do, some daily and most hardly ever, and order in proportion; the
model shrinks what it expects of each towards the mean, so of those who come often more orders are
seen than expected. That may not ring, as long as the followed of each week are as those of another.
The same shop without weeks of its customers is played beside it: whoever comes often enters in the
first days and again after a horizon, and rings. So the figure would see what it is there for.
Seeded; numpy only draws, while ``core.calibration`` says whose week it is and judges.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chalicelib.core.calibration import (
    PAST_DAYS,
    SETTLED_DAYS,
    Calibrated,
    miscalibrated,
    open_week,
    weeks_of,
)
from chalicelib.core.sums import sums_of
from chalicelib.core.watched import LOOKS
from chalicelib.flows.night_watch import MOST_FOLLOWED
from ops.prove import Figures, within

SEED = 20_274
SHOPS = 2
CUSTOMERS = 300_000
DAYS = 250
HORIZON_DAYS = 91
# Visits of the mean customer in a day, and orders in a visit.
VISITS, ORDERS = 0.02, 0.1
MOST_FALSE_ALARMS = 0.01
# Without weeks; what rings less would not be seen.
LEAST_WITHOUT = 0.03


def figures(shops: int = SHOPS, customers: int = CUSTOMERS) -> Figures:
    """Measure the share of nights that ring, with weeks and without."""
    chance = np.random.default_rng(SEED)
    played = [followed_days(chance, customers, DAYS, by_week=True) for _ in range(shops)]
    without = followed_days(chance, customers, DAYS, by_week=False)
    found: Figures = {
        "following_nights": shops * (DAYS - SETTLED_DAYS - PAST_DAYS + 1),
        "following_false_alarms": round(sum(map(rung_share, played)) / shops, 5),
        "following_false_alarms_without_weeks": round(rung_share(without), 5),
    }
    within(found, "following_false_alarms", at_most=MOST_FALSE_ALARMS)
    within(found, "following_false_alarms_without_weeks", at_least=LEAST_WITHOUT)
    return found


def followed_days(
    chance: np.random.Generator, customers: int, days: int, *, by_week: bool
) -> list[Calibrated]:
    """What became of the followed, by the day on which they were taken up.

    Args:
        chance: draws.
        customers: of the shop.
        days: from the first one on which anybody is followed.
        by_week: whether each has a week in which they may be taken up.
    """
    visits = chance.gamma(0.5, VISITS / 0.5, customers)
    comes = (1.0 - np.exp(-visits)).astype(np.float32)
    expected = ORDERS * (0.3 * VISITS + 0.7 * visits) * HORIZON_DAYS
    returns = 1.0 - np.exp(-expected)
    weeks = chance.integers(0, weeks_of(HORIZON_DAYS), customers)
    since = np.full(customers, -HORIZON_DAYS - 1)
    found = []
    for day in range(days):
        free = (chance.random(customers, np.float32) < comes) & (day - since > HORIZON_DAYS)
        if by_week:
            free &= weeks == open_week(day, horizon_days=HORIZON_DAYS)
        taken = np.flatnonzero(free)[:MOST_FOLLOWED]
        since[taken] = day
        orders = chance.poisson(ORDERS * HORIZON_DAYS * visits[taken])
        found.append(
            Calibrated(
                "m-1.0.0",
                HORIZON_DAYS,
                returned=sums_of(
                    zip((orders > 0).astype(float).tolist(), returns[taken].tolist(), strict=True)
                ),
                orders=sums_of(
                    zip(orders.astype(float).tolist(), expected[taken].tolist(), strict=True)
                ),
            )
        )
    return found


def rung_share(days: Sequence[Calibrated]) -> float:
    """On which share of nights a calibration rings; before there are weeks enough none counts."""
    several = SETTLED_DAYS + PAST_DAYS
    rung = [
        any(
            each.rings
            for each in miscalibrated(days[end - several : end][::-1], looks=LOOKS).values()
        )
        for end in range(several, len(days) + 1)
    ]
    return sum(rung) / len(rung) if rung else 0.0
