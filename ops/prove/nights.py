"""Nights on which nothing has changed: how often any figure rings, all of them together.

A bound for each figure says nothing of their sum, so whole nights are played as ``core.report``
judges them: five features, the score, the segments, the unknown and both calibrations, in a shop
whose customers differ from those of the training all the time; so only the days before keep an
alarm back, and of these as few are known as may be. What is held against the bound is not the share
that was seen, but the upper end of Wilson's interval for it (one side, 99 %). Seeded; numpy only
draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from statistics import NormalDist

import numpy as np

from chalicelib.core.baselines import Baselines, FeatureBaseline
from chalicelib.core.calibration import Calibrated
from chalicelib.core.drift import LEAST_CUSTOMERS
from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.report import Days, Health, health_of, rung
from chalicelib.core.watched import CHURN, LEAST_PAST_DAYS, LOOKS, Watched
from ops.prove import Figures, within
from ops.prove.calibration import FACTOR, UNKNOWN_SHARE, WORLDS, World, settled_days

NIGHTS = 18_000
SEED = 20_264
MOST_FALSE_ALARMS = 0.01
CONFIDENCE = 0.99
# How customers come back, and how many are scored a day: with fewer nothing is said, and with more
# chance plays less.
CASES: Sequence[tuple[World, int]] = (
    (WORLDS[1], LEAST_CUSTOMERS),
    (WORLDS[2], LEAST_CUSTOMERS),
)
# Shares of bins at the checkout: none is that of the training. The first of a feature lacks it.
FEATURE = [0.05, 0.2, 0.15, 0.1, 0.1, 0.1, 0.08, 0.07, 0.06, 0.05, 0.04]
SCORE = [0.2, 0.16, 0.14, 0.12, 0.1, 0.09, 0.07, 0.05, 0.04, 0.03]
SEGMENTS = {"loyal": 0.5, "regular": 0.3, "at_risk": 0.15, "lost": 0.05}
TRAINED = Baselines(
    model="m-1.0.0",
    customers=2_357,
    features={
        name: FeatureBaseline(0.2, [float(place) for place in range(1, 10)])
        for name in FEATURE_NAMES
    },
    segments=dict.fromkeys(SEGMENTS, 0.25),
    churn=[0.1] * 10,
    horizon_days=91,
)


def figures(nights: int = NIGHTS) -> Figures:
    """Measure on how many nights anything rings, and what of the worst case can be said."""
    chance = np.random.default_rng(SEED)
    each = max(1, nights // len(CASES))
    rang = [
        sum(bool(names) for names in rung_names(chance, world, size, each)) for world, size in CASES
    ]
    found: Figures = {
        "nights": each * len(CASES),
        "nights_figures_together": LOOKS,
        "nights_false_alarms_worst_case": round(max(rang) / each, 5),
        "nights_false_alarms_at_most": round(upper_end(max(rang), each), 5),
    }
    within(found, "nights_false_alarms_at_most", at_most=MOST_FALSE_ALARMS)
    return found


def rung_names(
    chance: np.random.Generator, world: World, size: int, nights: int
) -> Iterator[Sequence[str]]:
    """What rings on each of so many nights."""
    for settled in settled_days(chance, world, size, nights, factor=FACTOR, kept=1.0):
        yield rung(_health(_watched(chance, size), settled))


def _health(watched: Sequence[Watched], settled: Sequence[Calibrated | None]) -> Health:
    days = Days(watched={str(back): day for back, day in enumerate(watched)}, settled=settled)
    return health_of(days, baselines=TRAINED, fresh_within_hours={}, now=0)


def _watched(chance: np.random.Generator, size: int) -> list[Watched]:
    """A day, and as few before it as say anything; the latest first."""
    days = 1 + LEAST_PAST_DAYS
    features = chance.multinomial(size, FEATURE, (len(FEATURE_NAMES), days)).tolist()
    scores = chance.multinomial(size, SCORE, days).tolist()
    segments = chance.multinomial(size, list(SEGMENTS.values()), days).tolist()
    unknown = chance.binomial(size, UNKNOWN_SHARE, days).tolist()
    return [
        Watched(
            customers=size,
            unknown_customers=unknown[day],
            model=TRAINED.model,
            figures={
                CHURN: scores[day],
                **{name: counts[day] for name, counts in zip(FEATURE_NAMES, features, strict=True)},
            },
            segments=dict(zip(SEGMENTS, segments[day], strict=True)),
        )
        for day in range(days)
    ]


def upper_end(count: int, of: int) -> float:
    """The largest share that as many of ``of`` still may come from (Wilson, ``CONFIDENCE``).

    >>> round(upper_end(30, 6_000), 4)
    0.0076
    """
    z = NormalDist().inv_cdf(CONFIDENCE)
    share, over = count / of, z * z / of
    return (share + over / 2 + sqrt(over * (share * (1 - share) + over / 4))) / (1 + over)
