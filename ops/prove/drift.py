"""Drift alarms: how often chance alone rings in a day, and how surely a planted drift does.

A day scores some hundreds or thousands of customers; all figures of one day are looked at together
(``LOOKS``; ``ops.prove.nights`` plays whole nights). Without drift they come from the baseline's
own shares. Planted are a feature with a quarter of the customers in the upper half who belong in
the lower, a segment with a tenth of the customers too many, and three in ten of the expected orders
that fail to come. Plain PSI above 0.1 is counted beside, for comparison.
"""

from __future__ import annotations

import numpy as np

from chalicelib.core.drift import calibration_drift, share_drift
from chalicelib.core.watched import LOOKS
from ops.prove import Figures, within

DAYS = 12_000
SEED = 20_262
BASELINE = 2_357
SIZES = (200, 1_000, 5_000)
DECILES = [0.1] * 10
SEGMENTS = [0.35, 0.31, 0.22, 0.12]
MOST_FALSE_ALARMS = 0.01
LEAST_POWER = 0.95


def figures(days: int = DAYS) -> Figures:
    """Measure false alarms by size of the day, and power against planted drift."""
    chance = np.random.default_rng(SEED)
    worst, plain = 0.0, 0
    for size in SIZES:
        rung = 0
        for _ in range(days // len(SIZES)):
            any_rang, psi = _day(chance, size)
            rung += any_rang
            plain += size == SIZES[0] and psi > 0.1
        worst = max(worst, rung / (days // len(SIZES)))
    power = min(_power(chance, size, days // 20) for size in SIZES[1:])
    found: Figures = {
        "drift_days": days // len(SIZES) * len(SIZES),
        "drift_false_alarms_worst_size": round(worst, 5),
        "drift_false_alarms_of_plain_psi_at_200": round(plain / (days // len(SIZES)), 4),
        "drift_power": round(power, 4),
    }
    within(found, "drift_false_alarms_worst_size", at_most=MOST_FALSE_ALARMS)
    within(found, "drift_power", at_least=LEAST_POWER)
    return found


def _day(chance: np.random.Generator, size: int) -> tuple[bool, float]:
    """Whether a day without drift rings, and the largest index of its features.

    The baseline is a sample, too: what it says of the shares is drawn anew for each day.
    """
    rang, largest = False, 0.0
    for shares in [DECILES] * 6 + [SEGMENTS]:
        seen = (chance.multinomial(BASELINE, shares) / BASELINE).tolist()
        now = chance.multinomial(size, shares).tolist()
        drift = share_drift(now, seen, baseline_customers=BASELINE, looks=LOOKS)
        rang = rang or drift.drifted is True
        largest = max(largest, drift.value)
    for rate in (0.05, 0.4):
        p = chance.beta(2.0, 2.0 * (1.0 - rate) / rate, size)
        happened = float((chance.random(size) < p).sum())
        drift = calibration_drift(
            happened, float(p.sum()), float((p * (1 - p)).sum()), customers=size, looks=LOOKS
        )
        rang = rang or drift.drifted is True
    return rang, largest


def _power(chance: np.random.Generator, size: int, days: int) -> float:
    """The smallest share of days on which one of the planted drifts rings."""
    moved = np.array(DECILES)
    moved[5:] += 0.05
    moved[:5] -= 0.05
    segments = np.array([0.25, 0.31, 0.22, 0.22])
    rung = [0, 0, 0]
    for _ in range(days):
        for place, (shares, base) in enumerate(((moved, DECILES), (segments, SEGMENTS))):
            seen = (chance.multinomial(BASELINE, base) / BASELINE).tolist()
            now = chance.multinomial(size, shares).tolist()
            rung[place] += (
                share_drift(now, seen, baseline_customers=BASELINE, looks=LOOKS).drifted is True
            )
        p = chance.beta(2.0, 3.0, size)
        happened = float((chance.random(size) < p * 0.7).sum())
        rung[2] += (
            calibration_drift(
                happened, float(p.sum()), float((p * (1 - p)).sum()), customers=size, looks=LOOKS
            ).drifted
            is True
        )
    return min(rung) / days
