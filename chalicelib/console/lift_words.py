"""Lifts in words: what was measured of each customer, what may be said of it, what may not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from chalicelib.core.lift import LEAST_CUSTOMERS, LEAST_EVENTS, Lift
from chalicelib.core.measurement import Metric
from chalicelib.core.money import MINOR_DIGITS
from chalicelib.core.report import guard_of, verdict_of

OF_EACH: Mapping[Metric, str] = {
    "conversion": "ordered at all",
    "revenue_minor": "revenue",
    "opted_out": "wanted no more marketing",
}
_SEEN: Mapping[Metric, str] = {
    "conversion": "orders",
    "revenue_minor": "orders",
    "opted_out": "objections",
}


class Told(NamedTuple):
    """A lift as a row of a table and as a sentence.

    Attributes:
        metric: what was measured of each customer.
        treated: customers to whom it was to happen.
        control: customers from whom it was kept.
        with_it: their mean.
        without: that of the others.
        lift: the difference, adjusted.
        interval: within which it lies, however often one looks; a dash where it is too early.
        detectable: what one look at as many would most likely find.
        explained: the share of the variance that adjustment took away.
        verdict: ``better``, ``worse``, ``not_significant`` or ``too_early``.
        sentence: the verdict with what it rests on.
        guard: as a guardrail: ``holds``, ``broken`` or ``too_early``.
        guard_sentence: that in words.
    """

    metric: str
    treated: int
    control: int
    with_it: str
    without: str
    lift: str
    interval: str
    detectable: str
    explained: float
    verdict: str
    sentence: str
    guard: str
    guard_sentence: str


def told(metric: Metric, lift: Lift, *, currency: str) -> Told:
    """A lift for a person."""
    low, high = lift.low, lift.high
    interval = (
        "–"
        if low is None or high is None
        else f"{difference(metric, low, currency)} to {difference(metric, high, currency)}"
    )
    least = lift.least_detectable
    return Told(
        metric=OF_EACH[metric],
        treated=lift.treated,
        control=lift.control,
        with_it=mean(metric, lift.treated_mean, currency),
        without=mean(metric, lift.control_mean, currency),
        lift=difference(metric, lift.value, currency),
        interval=interval,
        detectable="–" if least is None else difference(metric, least, currency).lstrip("+"),
        explained=lift.explained,
        verdict=verdict_of(metric, lift),
        sentence=_sentence(metric, lift, currency),
        guard=guard_of(metric, lift),
        guard_sentence=_guard(metric, lift, currency),
    )


def mean(metric: Metric, value: float, currency: str) -> str:
    """A mean of one group.

    >>> mean("conversion", 0.1234, "USD"), mean("revenue_minor", 1234.5, "USD")
    ('12.34 %', '12.35 USD')
    """
    if metric == "revenue_minor":
        return f"{in_major(value, currency):,.2f} {currency}"
    return f"{value * 100:.2f} %"


def difference(metric: Metric, value: float, currency: str) -> str:
    """A difference between two groups.

    >>> difference("conversion", -0.0123, "USD"), difference("revenue_minor", 50.0, "USD")
    ('-1.23 points', '+0.50 USD')
    """
    if metric == "revenue_minor":
        return f"{in_major(value, currency):+,.2f} {currency}"
    return f"{value * 100:+.2f} points"


def in_major(minor: float, currency: str) -> float:
    """An amount in major units; a mean of minor units need not be whole."""
    return float(minor / 10 ** MINOR_DIGITS[currency])


def _sentence(metric: Metric, lift: Lift, currency: str) -> str:
    low, high = lift.low, lift.high
    if low is None or high is None:
        return (
            f"too early: it takes {LEAST_CUSTOMERS} customers in each group, and {LEAST_EVENTS} "
            f"{_SEEN[metric]} to be expected in it"
        )
    said = f"between {difference(metric, low, currency)} and {difference(metric, high, currency)}"
    match verdict_of(metric, lift):
        case "better":
            return f"better: {said}"
        case "worse":
            return f"worse: {said}"
        case _:
            least = difference(metric, lift.least_detectable or 0.0, currency).lstrip("+")
            return f"not significant: {said}; less than about {least} cannot be told from nothing"


def _guard(metric: Metric, lift: Lift, currency: str) -> str:
    match guard_of(metric, lift):
        case "too_early":
            return f"{OF_EACH[metric]}: too early"
        case "broken":
            return f"{OF_EACH[metric]}: broken, {_sentence(metric, lift, currency)}"
    worst = lift.high if metric == "opted_out" else lift.low
    bound = difference(metric, worst or 0.0, currency)
    return f"{OF_EACH[metric]}: no harm to be seen; the interval reaches to {bound}"
