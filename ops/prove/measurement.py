"""A/A tests watched every day: how often nothing is taken for something, and what is covered.

Customers come day by day; each buys or does not, and pays as shops are paid: most nothing, few very
much. The group is dealt by chance. Every evening the lift is looked at, and whoever would stop at
the first "better" or "worse" has a false alarm. The same with a true effect says how often the
interval holds it at every look. Seeded; numpy only adds up, ``core.lift`` judges.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chalicelib.core.lift import Lift, lift_of
from chalicelib.core.sample_ratio import check_ratio
from chalicelib.core.sums import Sums
from ops.prove import Figures, within

RUNS = 2_000
SEED = 20_261
MOST_FALSE_ALARMS = 0.05
LEAST_COVERAGE = 0.94
DAYS = 60


class Shop(NamedTuple):
    """How customers of one simulated shop behave.

    Attributes:
        rate: how many buy.
        spread: of the logarithm of what they pay; None measures conversion.
        control_share: of all customers.
        customers_a_day: how many are exposed for the first time.
    """

    rate: float
    spread: float | None
    control_share: float
    customers_a_day: int


SHOPS = (
    Shop(0.05, None, 0.5, 100),
    Shop(0.05, 0.8, 0.5, 200),
    Shop(0.05, 0.8, 0.1, 200),
    Shop(0.02, 0.8, 0.1, 800),
    Shop(0.3, 1.0, 0.2, 50),
)
Numbers = NDArray[np.float64]


def figures(runs: int = RUNS) -> Figures:
    """Measure false alarms, coverage, what the adjustment saves, and the sample-ratio check."""
    chance = np.random.default_rng(SEED)
    alarms, covered, looked, explained = 0, 0, 0, []
    worst = 0.0
    each_shop = runs // len(SHOPS)
    for shop in SHOPS:
        rung = 0
        for _ in range(each_shop):
            effect = shop.rate / 4
            last = None
            rang = held = False
            for lift in watched(shop, chance, effect=0.0):
                rang = rang or lift.verdict in ("better", "worse")
                last = lift
            rung += rang
            looks = [x for x in watched(shop, chance, effect=effect) if x.low is not None]
            held = all(_holds(lift, effect) for lift in looks)
            looked += bool(looks)
            covered += bool(looks) and held
            if last is not None:
                explained.append(last.explained)
        alarms += rung
        worst = max(worst, rung / each_shop)
    ratio = ratio_alarms(chance, runs)
    found: Figures = {
        "aa_runs": each_shop * len(SHOPS),
        "aa_false_alarms_peeking": round(alarms / (each_shop * len(SHOPS)), 4),
        "aa_false_alarms_worst_shop": round(worst, 4),
        "lift_coverage_at_every_look": round(covered / looked, 4),
        "cuped_variance_explained": round(float(np.mean(explained)), 4),
        "sample_ratio_false_alarms": round(ratio, 5),
    }
    within(found, "aa_false_alarms_worst_shop", at_most=MOST_FALSE_ALARMS)
    within(found, "lift_coverage_at_every_look", at_least=LEAST_COVERAGE)
    within(found, "sample_ratio_false_alarms", at_most=0.005)
    return found


def watched(shop: Shop, chance: np.random.Generator, *, effect: float) -> Iterator[Lift]:
    """The lift as it stands at the end of each day; ``effect`` is added to every treated one."""
    count = DAYS * shop.customers_a_day
    treated = chance.random(count) >= shop.control_share
    keen = chance.gamma(1.0, 1.0, count)
    bought = chance.random(count) < np.clip(shop.rate * keen, 0.0, 1.0)
    before = chance.poisson(4.0 * keen).astype(float)
    paid: Numbers = np.ones(count)
    if shop.spread is not None:
        paid = chance.lognormal(0.0, shop.spread, count)
    outcome = bought * paid + effect * treated
    groups = [
        _by_day(outcome, before, bought, mask, shop.customers_a_day) for mask in (treated, ~treated)
    ]
    for (ours, our_events), (theirs, their_events) in zip(*groups, strict=True):
        yield lift_of(ours, theirs, treated_events=our_events, control_events=their_events)


def _by_day(
    outcome: Numbers,
    before: Numbers,
    bought: NDArray[np.bool_],
    mask: NDArray[np.bool_],
    daily: int,
) -> Iterator[tuple[Sums, int]]:
    columns = (np.ones(len(outcome)), outcome, before, outcome**2, before**2, outcome * before)
    totals = [np.cumsum(np.where(mask, column, 0.0))[daily - 1 :: daily] for column in columns]
    events = np.cumsum(mask & bought)[daily - 1 :: daily]
    for n, y, x, yy, xx, xy, rare in zip(*totals, events, strict=True):
        if n:
            sums = Sums(int(n), y / n, x / n, yy - y * y / n, xx - x * x / n, xy - x * y / n)
            yield sums, int(rare)
        else:
            yield Sums(), 0


def _holds(lift: Lift, truth: float) -> bool:
    return lift.low is None or lift.high is None or lift.low <= truth <= lift.high


def ratio_alarms(chance: np.random.Generator, runs: int) -> float:
    """How often true shares are ever called a mismatch, looked at daily."""
    stated = {"a": 0.5, "b": 0.3, "c": 0.2}
    rung = 0
    for _ in range(runs):
        days = np.cumsum(chance.multinomial(300, list(stated.values()), size=DAYS), axis=0)
        rung += any(
            check_ratio(dict(zip(stated, map(int, day), strict=True)), stated).mismatched
            for day in days
        )
    return rung / runs
