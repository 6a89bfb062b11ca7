"""What became of scores, and the unknown: how often chance alone rings, how surely a change does.

Customers have a chance to come back and a number of orders to be expected; orders come in clusters,
as shops know them (a negative binomial). Where nothing may ring, the world differs from the model
all the time, since who comes to a checkout orders more often than a customer of the training: only
the weeks before say whether something has changed. Planted are three in ten of the customers who
no longer come back, with their orders, in a world in which the model was right until then, and an
eighth of all customers more of whom nothing is known. Seeded; numpy only draws, while
``core.calibration`` and ``core.watched`` judge.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.calibration import PAST_DAYS, SETTLED_DAYS, Calibrated, miscalibrated
from chalicelib.core.sums import Sums
from chalicelib.core.watched import LOOKS, Watched, unknown_drift
from ops.prove import Figures, within

RUNS = 3_600
SEED = 20_263
MOST_FALSE_ALARMS = 0.01
LEAST_POWER = 0.95
# Customers a day who are followed; a world in which they order so many times what the model says.
SIZES = (30, 150, 400)
LARGE = 400
FACTOR = 1.6
UNKNOWN_SIZES = (200, 1_000, 5_000)
UNKNOWN_SHARE = 0.3
Numbers = NDArray[np.float64]


class World(NamedTuple):
    """How customers of one shop come back.

    Attributes:
        rate: how many do, as the model says.
        clustering: the shape of the negative binomial; the smaller, the more orders of one hang
            together.
    """

    rate: float
    clustering: float


WORLDS = (World(0.05, 1.0), World(0.15, 0.5), World(0.4, 2.0))


def figures(runs: int = RUNS) -> Figures:
    """Measure false alarms by size and world, and power against what is planted."""
    chance = np.random.default_rng(SEED)
    cases = [(world, size) for world in WORLDS for size in SIZES]
    each = max(1, runs // len(cases))
    alarms = [
        sum(rings(chance, world, size, factor=FACTOR, kept=1.0) for _ in range(each)) / each
        for world, size in cases
    ]
    power = min(
        sum(rings(chance, world, LARGE, factor=1.0, kept=0.7) for _ in range(each)) / each
        for world in WORLDS[1:]
    )
    unknown = [
        sum(unknown_rings(chance, size, more=0.0) for _ in range(runs)) / runs
        for size in UNKNOWN_SIZES
    ]
    unknown_power = min(
        sum(unknown_rings(chance, size, more=0.125) for _ in range(runs // 4)) / (runs // 4)
        for size in UNKNOWN_SIZES[1:]
    )
    found: Figures = {
        "calibration_runs": each * len(cases),
        "calibration_false_alarms": round(sum(alarms) / len(alarms), 5),
        "calibration_false_alarms_worst_case": round(max(alarms), 5),
        "calibration_power": round(power, 4),
        "unknown_false_alarms_worst_size": round(max(unknown), 5),
        "unknown_power": round(unknown_power, 4),
    }
    within(found, "calibration_false_alarms_worst_case", at_most=MOST_FALSE_ALARMS)
    within(found, "calibration_power", at_least=LEAST_POWER)
    within(found, "unknown_false_alarms_worst_size", at_most=MOST_FALSE_ALARMS)
    within(found, "unknown_power", at_least=LEAST_POWER)
    return found


def rings(
    chance: np.random.Generator, world: World, size: int, *, factor: float, kept: float
) -> bool:
    """Whether either calibration rings after a week.

    Args:
        chance: draws.
        world: how customers come back.
        size: customers a day.
        factor: so many times the orders that the model expects.
        kept: of those who came back in the weeks before, so many still do.
    """
    week = _settled(chance, world, size * SETTLED_DAYS, factor=factor, kept=kept)
    past = _settled(chance, world, size * PAST_DAYS, factor=factor, kept=1.0)
    days = [week, *[None] * (SETTLED_DAYS - 1), past]
    return any(each.rings for each in miscalibrated(days, looks=LOOKS).values())


def _settled(
    chance: np.random.Generator, world: World, count: int, *, factor: float, kept: float
) -> Calibrated:
    """Customers whose horizon has passed, with what was said of them and what they did."""
    keen = chance.gamma(0.6, 1.0 / 0.6, count)
    expected = world.rate * keen
    said = 1.0 - np.exp(-expected)
    truth = factor * expected
    orders = chance.poisson(truth * chance.gamma(world.clustering, 1.0 / world.clustering, count))
    orders = orders * (chance.random(count) < kept)
    return Calibrated(
        "m-1.0.0",
        91,
        returned=_sums((orders > 0).astype(float), said),
        orders=_sums(orders.astype(float), expected),
    )


def _sums(outcome: Numbers, before: Numbers) -> Sums:
    y, x = outcome - outcome.mean(), before - before.mean()
    return Sums(
        len(outcome),
        float(outcome.mean()),
        float(before.mean()),
        float(y @ y),
        float(x @ x),
        float(x @ y),
    )


def unknown_rings(chance: np.random.Generator, size: int, *, more: float) -> bool:
    """Whether a day rings of whose customers so many more are unknown than in the weeks before."""
    past = [_day(size, int(each)) for each in chance.binomial(size, UNKNOWN_SHARE, PAST_DAYS)]
    today = _day(size, int(chance.binomial(size, UNKNOWN_SHARE + more)))
    found = unknown_drift(today, past)
    return found is not None and found.drifted is True


def _day(customers: int, unknown: int) -> Watched:
    return Watched(customers=customers, unknown_customers=unknown)
