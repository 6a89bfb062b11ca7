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

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.calibration import PAST_DAYS, SETTLED_DAYS, Calibrated, miscalibrated
from chalicelib.core.sums import Sums
from chalicelib.core.watched import LOOKS, Watched, unknown_drift
from ops.prove import Figures, within

RUNS = 5_400
SEED = 20_263
# Customers, so that memory stays small.
DRAWN_AT_ONCE = 1_000_000
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
        rung_share(chance, world, size, each, factor=FACTOR, kept=1.0) for world, size in cases
    ]
    power = min(
        rung_share(chance, world, LARGE, max(1, each // 2), factor=1.0, kept=0.7)
        for world in WORLDS[1:]
    )
    unknown = [
        sum(unknown_rings(chance, size, more=0.0) for _ in range(runs // 2)) / (runs // 2)
        for size in UNKNOWN_SIZES
    ]
    unknown_power = min(
        sum(unknown_rings(chance, size, more=0.125) for _ in range(runs // 8)) / (runs // 8)
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


def rung_share(
    chance: np.random.Generator, world: World, size: int, runs: int, *, factor: float, kept: float
) -> float:
    """In how many of so many runs a calibration rings after a week.

    Args:
        chance: draws.
        world: how customers come back.
        size: customers a day.
        runs: how many weeks, each with weeks of its own before it.
        factor: so many times the orders that the model expects.
        kept: of those who came back in the weeks before, so many still do.
    """
    found = settled_days(chance, world, size, runs, factor=factor, kept=kept)
    rung = sum(
        any(each.rings for each in miscalibrated(days, looks=LOOKS).values()) for days in found
    )
    return rung / runs


def settled_days(
    chance: np.random.Generator, world: World, size: int, runs: int, *, factor: float, kept: float
) -> Iterator[Sequence[Calibrated | None]]:
    """A week and the weeks before it, of each run; arguments as for ``rung_share``.

    Some are drawn at a time; a week stands as one day, since sums of days join.
    """
    most = max(1, DRAWN_AT_ONCE // (size * PAST_DAYS))
    for start in range(0, runs, most):
        some = min(most, runs - start)
        weeks = _settled(chance, world, (some, size * SETTLED_DAYS), factor=factor, kept=kept)
        pasts = _settled(chance, world, (some, size * PAST_DAYS), factor=factor, kept=1.0)
        for week, past in zip(weeks, pasts, strict=True):
            yield [week, *[None] * (SETTLED_DAYS - 1), past]


def _settled(
    chance: np.random.Generator, world: World, shape: tuple[int, int], *, factor: float, kept: float
) -> list[Calibrated]:
    """Customers whose horizon has passed, a row of them for each run.

    What was said of them beside what they did.
    """
    expected = world.rate * chance.gamma(0.6, 1.0 / 0.6, shape)
    said = 1.0 - np.exp(-expected)
    clustered = chance.gamma(world.clustering, 1.0 / world.clustering, shape)
    orders = chance.poisson(factor * expected * clustered)
    if kept < 1.0:
        orders = orders * (chance.random(shape) < kept)
    returned = _sums((orders > 0).astype(float), said)
    ordered = _sums(orders.astype(float), expected)
    return [
        Calibrated("m-1.0.0", 91, returned=one, orders=other)
        for one, other in zip(returned, ordered, strict=True)
    ]


def _sums(outcome: Numbers, before: Numbers) -> list[Sums]:
    """Of each row; without products of matrices, whose threads wait longer than they work."""
    means = outcome.mean(axis=1), before.mean(axis=1)
    y, x = outcome - means[0][:, None], before - means[1][:, None]
    squares = [(one * other).sum(axis=1) for one, other in ((y, y), (x, x), (y, x))]
    rows = zip(*(column.tolist() for column in (*means, *squares)), strict=True)
    return [Sums(outcome.shape[1], *row) for row in rows]


def unknown_rings(chance: np.random.Generator, size: int, *, more: float) -> bool:
    """Whether a day rings of whose customers so many more are unknown than in the weeks before."""
    past = [_day(size, int(each)) for each in chance.binomial(size, UNKNOWN_SHARE, PAST_DAYS)]
    today = _day(size, int(chance.binomial(size, UNKNOWN_SHARE + more)))
    found = unknown_drift(today, past)
    return found is not None and found.drifted is True


def _day(customers: int, unknown: int) -> Watched:
    return Watched(customers=customers, unknown_customers=unknown)
