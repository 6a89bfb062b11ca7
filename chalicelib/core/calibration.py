"""Whether the model's chances came true: what it said of customers, and what they did since.

A customer who is scored is followed until the model's horizon has passed; meanwhile they are not
taken up a second time, so that no two rows speak of the same orders. Each has one week of a cycle
(``weeks_of``) in which they may be taken up, by a hash. Without it those who come often would all
enter in the first days and again a horizon later, and the mix of the followed would move in waves.
What is kept of a day is sums: how many came back and how many orders they placed beside what was
expected, and ten bins of the churn score for a reliability curve.

Two questions are asked of the days that were settled last (``SETTLED_DAYS``): does the model hold,
and does it hold as well as it did in the weeks before (``PAST_DAYS``)? Whoever comes to a checkout
orders more often than a customer of the training file, so the first alone would always ring. The
variance of the number observed is the larger one of what the sums show and of what a model that is
right would have: few events understate their own spread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, NamedTuple

from chalicelib.core.baselines import CHURN_BINS, churn_bin
from chalicelib.core.drift import Drift, Moved, calibration_drift
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.sums import NOBODY, Sums, joined, sums_of

KEPT_SECONDS = 400 * DAY_SECONDS
# So many of the latest days are judged together, and held against so many before them.
SETTLED_DAYS = 7
PAST_DAYS = 28
# Below, the number of events is not near normal, and its bound would ring too often.
LEAST_EVENTS = 50
# Orders of one customer hang together, so their number has heavier tails than the normal one that
# bounds it, and would ring twice as often as its share of all figures allows.
_HEAVIER_TAILS = 2
_WEEK = 7
# Day 0 was a Thursday; weeks begin on Monday.
_DAYS_BEFORE = 3

Figure = Literal["returned", "orders"]
FIGURES: Sequence[Figure] = ("returned", "orders")


def weeks_of(horizon_days: int) -> int:
    """How many weeks a cycle has.

    From the last day of a week to the first day of the same week in the next cycle more days pass
    than a horizon has, so whoever was followed can be taken up in each of their weeks.

    >>> weeks_of(91), weeks_of(92)
    (14, 15)
    """
    return -(-(horizon_days + _WEEK) // _WEEK)


def open_week(day: int, *, horizon_days: int) -> int:
    """Whose week a day is in: theirs whose mark has this remainder by ``weeks_of``.

    ``day`` counts from 1970-01-01.

    >>> [open_week(day, horizon_days=2) for day in (3, 4, 10, 11, 18)]
    [0, 1, 1, 0, 1]
    """
    return (day + _DAYS_BEFORE) // _WEEK % weeks_of(horizon_days)


class Followed(NamedTuple):
    """One customer whose horizon has passed.

    Attributes:
        churn: the chance of no order within the horizon, as the model said.
        expected_orders: how many it expected.
        orders: how many there were.
    """

    churn: float
    expected_orders: float
    orders: int


class Bin(NamedTuple):
    """Customers of one tenth of the churn score.

    Attributes:
        customers: how many.
        churn: the sum of their chances.
        stayed_away: how many ordered nothing.
    """

    customers: int = 0
    churn: float = 0.0
    stayed_away: int = 0


_EMPTY = (Bin(),) * CHURN_BINS


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Customers of one day, or of several, whose horizon has passed.

    Attributes:
        model: which scored them; None for nobody.
        horizon_days: how long they were followed.
        returned: whether they ordered at all, beside the chance of it.
        orders: how many orders they placed, beside how many were expected.
        bins: by tenths of the churn score.
        left_out: how many were erased since, or are guests, whose profiles do not last as long.
    """

    model: str | None = None
    horizon_days: int = 0
    returned: Sums = NOBODY
    orders: Sums = NOBODY
    bins: tuple[Bin, ...] = _EMPTY
    left_out: int = 0

    @property
    def brier(self) -> float | None:
        """The mean squared error of the chance to come back; None for nobody."""
        each = self.returned
        if not each.customers:
            return None
        squares = each.outcome_squares + each.before_squares - 2.0 * each.products
        return max(0.0, squares) / each.customers + (each.outcome - each.before) ** 2


def calibrated_of(
    followed: Iterable[Followed], *, model: str, horizon_days: int, left_out: int = 0
) -> Calibrated:
    """Add customers up."""
    rows = list(followed)
    bins = list(_EMPTY)
    for each in rows:
        place = churn_bin(each.churn)
        customers, churn, away = bins[place]
        bins[place] = Bin(customers + 1, churn + each.churn, away + (each.orders == 0))
    return Calibrated(
        model,
        horizon_days,
        sums_of((float(each.orders > 0), 1.0 - each.churn) for each in rows),
        sums_of((float(each.orders), each.expected_orders) for each in rows),
        tuple(bins),
        left_out,
    )


def together(days: Iterable[Calibrated]) -> Calibrated:
    """Days under one model together; nobody stands in two days whose horizons overlap."""
    return reduce(_both, days, Calibrated())


def _both(ours: Calibrated, theirs: Calibrated) -> Calibrated:
    return Calibrated(
        theirs.model or ours.model,
        theirs.horizon_days or ours.horizon_days,
        joined(ours.returned, theirs.returned),
        joined(ours.orders, theirs.orders),
        tuple(
            Bin(
                one.customers + other.customers,
                one.churn + other.churn,
                one.stayed_away + other.stayed_away,
            )
            for one, other in zip(ours.bins, theirs.bins, strict=True)
        ),
        ours.left_out + theirs.left_out,
    )


def miscalibrated(days: Sequence[Calibrated | None], *, looks: int) -> Mapping[Figure, Moved]:
    """Whether the model's chances come true, and whether they do as they did before.

    Args:
        days: settled days one by one, the latest first; None where nobody was followed.
        looks: how many figures are looked at on one day.

    Returns nothing where the latest days settled nobody.
    """
    model = next((each.model for each in days[:SETTLED_DAYS] if each is not None), None)
    same = [each if each is not None and each.model == model else None for each in days]
    now = together(each for each in same[:SETTLED_DAYS] if each is not None)
    before = [each for each in same[SETTLED_DAYS : SETTLED_DAYS + PAST_DAYS] if each is not None]
    if not now.returned.customers:
        return {}
    past = together(before) if before else None
    return {name: _moved(name, now, past, looks=looks * _HEAVIER_TAILS) for name in FIGURES}


def _moved(name: Figure, now: Calibrated, past: Calibrated | None, *, looks: int) -> Moved:
    ours = _sums(name, now)
    trained = _held(ours, 1.0, 0.0, name, looks=looks)
    if past is None:
        return Moved(trained, None)
    theirs = _sums(name, past)
    events, expected = theirs.customers * theirs.outcome, theirs.customers * theirs.before
    if events < LEAST_EVENTS or expected <= 0.0:
        return Moved(trained, None)
    ratio = events / expected
    spread = _variance(theirs, ratio, name) / expected**2
    return Moved(trained, _held(ours, ratio, spread, name, looks=looks))


def _held(sums: Sums, ratio: float, spread: float, name: Figure, *, looks: int) -> Drift:
    """What was observed beside ``ratio`` of what the model expected, which is known to ``spread``.

    ``spread`` is the variance of the ratio.
    """
    said = sums.customers * sums.before
    expected = said * ratio
    variance = _variance(sums, ratio, name) + spread * said**2
    found = calibration_drift(
        sums.customers * sums.outcome,
        expected,
        variance,
        customers=sums.customers,
        looks=looks,
    )
    return found if expected >= LEAST_EVENTS else found._replace(drifted=None)


def _variance(sums: Sums, ratio: float, name: Figure) -> float:
    """Of the number observed less ``ratio`` times what was expected, over all customers."""
    shown = sums.outcome_squares - 2.0 * ratio * sums.products + ratio**2 * sums.before_squares
    means = sums.customers * sums.before * ratio
    if name == "returned":
        squares = sums.before_squares + sums.customers * sums.before**2
        stated = means - ratio**2 * squares
    else:
        stated = means
    return max(shown, stated, 0.0)


def _sums(name: Figure, calibrated: Calibrated) -> Sums:
    return calibrated.returned if name == "returned" else calibrated.orders


def calibrated_to_json(calibrated: Calibrated) -> dict[str, Any]:
    """The stored form."""
    return {
        "model": calibrated.model,
        "horizon_days": calibrated.horizon_days,
        "returned": list(calibrated.returned),
        "orders": list(calibrated.orders),
        "bins": [list(each) for each in calibrated.bins],
        "left_out": calibrated.left_out,
    }


def calibrated_from_json(stored: Mapping[str, Any]) -> Calibrated:
    """Undo ``calibrated_to_json``."""
    return Calibrated(
        stored["model"],
        stored["horizon_days"],
        Sums(*stored["returned"]),
        Sums(*stored["orders"]),
        tuple(Bin(*each) for each in stored["bins"]),
        stored["left_out"],
    )
