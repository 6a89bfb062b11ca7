"""What was watched on one day: who came, into which arms they fell, and what they looked like.

All of it is counts, so that days join; whether an experiment's arms fill as stated, and whether
customers still are those of the training, is judged when somebody looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.core.baselines import Baselines, expected_shares
from chalicelib.core.drift import Drift, Moved, share_drift
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.sample_ratio import SampleRatio, check_ratio

KEPT_SECONDS = 400 * DAY_SECONDS
# How far back customers of late are looked at, and how many days of it have to be known.
PAST_DAYS = 28
LEAST_PAST_DAYS = 7
CHURN = "churn"
SEGMENTS = "segment"
# Five features, the score, the segments, two calibrations and the share of the unknown: the
# figures of a day share one chance of ringing without cause.
LOOKS = 10
Shares = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Watched:
    """One day of the decision log.

    Attributes:
        decisions: how many decisions were made, each counted once.
        customers: of how many customers and guests.
        unknown: for how many of them nothing was known of the customer.
        unknown_customers: how many customers and guests those were; None where it was not kept.
        fallback: for how many the model did not decide.
        newest_at: the latest moment at which one of them had been seen, None where nobody was.
        arms: customers who were exposed for the first time, by experiment and arm.
        stated: the shares of the arms as the policy of that night states them.
        model: the model whose bins ``figures`` are counted in.
        figures: scored customers by bin, of each feature and of ``CHURN``.
        segments: scored customers by segment.
        newest_files: when the newest file of each kind was dropped that ended COMPLETE.
    """

    decisions: int = 0
    customers: int = 0
    unknown: int = 0
    fallback: int = 0
    unknown_customers: int | None = None
    newest_at: int | None = None
    arms: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    stated: Shares = field(default_factory=dict)
    model: str | None = None
    figures: Mapping[str, Sequence[int]] = field(default_factory=dict)
    segments: Mapping[str, int] = field(default_factory=dict)
    newest_files: Mapping[str, int] = field(default_factory=dict)


def sample_ratios(days: Iterable[Watched], stated: Shares) -> Mapping[str, SampleRatio]:
    """How the arms of each experiment filled, over the days on which just these shares held.

    Customers in an arm that the policy does not state are no evidence about those that it does.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in stated}
    for day in days:
        for name, arms in day.arms.items():
            if name in stated and day.stated.get(name) == stated[name]:
                counts[name].update({arm: n for arm, n in arms.items() if arm in stated[name]})
    return {name: check_ratio(counts[name], shares) for name, shares in stated.items()}


def moved(day: Watched, past: Sequence[Watched], baselines: Baselines) -> Mapping[str, Moved]:
    """Every figure of a day, held against training and against the days before.

    Args:
        day: the day.
        past: days before it, up to ``PAST_DAYS``; those under another model are left out.
        baselines: of the model that served on that day; of another one nothing is said.
    """
    if day.model != baselines.model:
        return {}
    same = [each for each in past if each.model == day.model and each.segments]
    names = [*baselines.features, CHURN, SEGMENTS]
    return {name: _moved(name, day, same, baselines) for name in names}


def unknown_drift(day: Watched, past: Sequence[Watched]) -> Drift | None:
    """The share of those of whom nothing was known, held against the days before.

    By customers and not by decisions: one of them who decides often says no more than once. None
    while too few days are known.
    """
    counts = [found for each in past if each.customers and (found := _unknown(each)) is not None]
    now = _unknown(day)
    if now is None or len(counts) < LEAST_PAST_DAYS:
        return None
    before = [sum(column) for column in zip(*counts, strict=True)]
    customers = sum(before)
    shares = [count / customers for count in before]
    return share_drift(now, shares, baseline_customers=customers, looks=LOOKS)


def newest_event(days: Iterable[Watched]) -> int | None:
    """The latest sign of life of anybody for whom was decided on these days."""
    return max((each.newest_at for each in days if each.newest_at is not None), default=None)


def _unknown(day: Watched) -> tuple[int, int] | None:
    if day.unknown_customers is None:
        return None
    return day.unknown_customers, day.customers - day.unknown_customers


def _moved(name: str, day: Watched, past: Sequence[Watched], baselines: Baselines) -> Moved:
    now = _counts(name, day, baselines)
    trained = share_drift(
        now, _expected(name, now, baselines), baseline_customers=baselines.customers, looks=LOOKS
    )
    days = [_counts(name, each, baselines) for each in past]
    before = [sum(column) for column in zip(*days, strict=True)]
    customers = sum(before)
    if len(past) < LEAST_PAST_DAYS or not customers:
        return Moved(trained, None)
    shares = [count / customers for count in before]
    return Moved(trained, share_drift(now, shares, baseline_customers=customers, looks=LOOKS))


def _counts(name: str, day: Watched, baselines: Baselines) -> Sequence[int]:
    if name == SEGMENTS:
        return [day.segments.get(segment, 0) for segment in baselines.segments]
    return day.figures[name]


def _expected(name: str, now: Sequence[int], baselines: Baselines) -> Sequence[float]:
    if name == SEGMENTS:
        return list(baselines.segments.values())
    return baselines.churn if name == CHURN else expected_shares(baselines.features[name], now)


def watched_to_json(watched: Watched) -> dict[str, Any]:
    """The stored form."""
    return {
        "decisions": watched.decisions,
        "customers": watched.customers,
        "unknown": watched.unknown,
        "fallback": watched.fallback,
        "unknown_customers": watched.unknown_customers,
        "newest_at": watched.newest_at,
        "arms": {name: dict(arms) for name, arms in watched.arms.items()},
        "stated": {name: dict(shares) for name, shares in watched.stated.items()},
        "model": watched.model,
        "figures": {name: list(counts) for name, counts in watched.figures.items()},
        "segments": dict(watched.segments),
        "newest_files": dict(watched.newest_files),
    }


def watched_from_json(stored: Mapping[str, Any]) -> Watched:
    """Undo ``watched_to_json``."""
    return Watched(**stored)
