"""What was measured, judged: lifts, guardrails, sample ratios, drift, calibration, freshness."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from chalicelib.core.baselines import Baselines
from chalicelib.core.calibration import SETTLED_DAYS, Calibrated, Figure, miscalibrated, together
from chalicelib.core.drift import Drift, Moved
from chalicelib.core.experiments import Experiment
from chalicelib.core.freshness import EVENTS, Age, ages
from chalicelib.core.lift import Lift, Verdict
from chalicelib.core.measured import Measured, arms_compared, baseline_arm, joined
from chalicelib.core.measurement import (
    ACTION,
    GUARDRAILS,
    METRICS,
    NOTHING_YET,
    PROGRAMME,
    Compared,
    Metric,
    window_days_of,
)
from chalicelib.core.measurement import together as both
from chalicelib.core.policy import Policy
from chalicelib.core.sample_ratio import SampleRatio
from chalicelib.core.watched import (
    LOOKS,
    PAST_DAYS,
    Watched,
    moved,
    newest_event,
    sample_ratios,
    unknown_drift,
)

Lifts = Mapping[Metric, Lift]
Guard = Literal["too_early", "holds", "broken"]
# What figures of the whole day are called where those of features stand beside them.
UNKNOWN = "unknown"
CALIBRATION: Mapping[Figure, str] = {
    "returned": "calibration of churn",
    "orders": "calibration of orders",
}
_TURNED: Mapping[Verdict, Verdict] = {"better": "worse", "worse": "better"}


@dataclass(frozen=True, slots=True)
class Days:
    """What nights have stored, the latest day first.

    Attributes:
        measured: exposures by the day on which they were, under the window in force.
        watched: the log, day by day.
        settled: scores whose horizon has ended, one for each day; None where nobody was followed.
        other_window: how many days were measured under another window, and are left out.
    """

    measured: Mapping[str, Measured] = field(default_factory=dict)
    watched: Mapping[str, Watched] = field(default_factory=dict)
    settled: Sequence[Calibrated | None] = ()
    other_window: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """What is told of customers, model and sources on the latest day.

    Attributes:
        moved: the figures of that day, by name.
        unknown: the share of those of whom nothing was known; None while too few days are known.
        calibration: whether what was expected has happened.
        settled: the scores of the latest days whose horizon has ended, together.
        ages: how old each source is.
        latest: the day itself; None where none was watched.
    """

    moved: Mapping[str, Moved]
    unknown: Drift | None
    calibration: Mapping[Figure, Moved]
    settled: Calibrated
    ages: Sequence[Age]
    latest: Watched | None


@dataclass(frozen=True, slots=True)
class Report:
    """What is told.

    Attributes:
        programme: everything together beside the global holdout.
        actions: each action beside those from whom it was kept.
        experiments: each arm beside the arm that changes nothing, by experiment.
        ratios: how the arms filled, by experiment.
        health: of customers, model and sources.
        left_out: exposures of people who were erased since.
        days: how many days of exposures are in it.
        other_window: how many are not, since they were measured under another window.
        window_days: how long after an exposure an order counts, by the policy in force.
    """

    programme: Lifts
    actions: Mapping[str, Lifts]
    experiments: Mapping[str, Mapping[str, Lifts]]
    ratios: Mapping[str, SampleRatio]
    health: Health
    left_out: int
    days: int
    other_window: int
    window_days: int


class Standing(NamedTuple):
    """How lifts stood with all exposures up to a day."""

    day: str
    lifts: Lifts


def report_of(
    days: Days,
    *,
    policy: Policy,
    baselines: Baselines | None,
    fresh_within_hours: Mapping[str, float],
    now: int,
) -> Report:
    """Judge what was stored.

    Args:
        days: what nights have stored.
        policy: states experiments, their shares, and the window.
        baselines: of the model that serves; None where it was refused.
        fresh_within_hours: how old each source may be.
        now: the moment.
    """
    whole = joined(days.measured.values())
    return Report(
        programme=lifts_of(whole.compared.get(PROGRAMME, NOTHING_YET)),
        actions={
            name.removeprefix(ACTION): lifts_of(compared)
            for name, compared in whole.compared.items()
            if name != PROGRAMME
        },
        experiments={
            each.id: {arm: lifts_of(compared) for arm, compared in arms_of(days, each).items()}
            for each in policy.experiments
        },
        ratios=sample_ratios(days.watched.values(), shares_of(policy)),
        health=health_of(days, baselines=baselines, fresh_within_hours=fresh_within_hours, now=now),
        left_out=whole.left_out,
        days=len(days.measured),
        other_window=days.other_window,
        window_days=window_days_of(policy),
    )


def health_of(
    days: Days,
    *,
    baselines: Baselines | None,
    fresh_within_hours: Mapping[str, float],
    now: int,
) -> Health:
    """Judge customers, model and sources; arguments as for ``report_of``."""
    watched = list(days.watched.values())
    latest, before = (watched[0], watched[1 : PAST_DAYS + 1]) if watched else (None, [])
    files = {} if latest is None else latest.newest_files
    newest = {EVENTS: newest_event(watched[: PAST_DAYS + 1]), **files}
    return Health(
        moved={} if latest is None or baselines is None else moved(latest, before, baselines),
        unknown=None if latest is None else unknown_drift(latest, before),
        calibration=miscalibrated(days.settled, looks=LOOKS),
        settled=together(each for each in days.settled[:SETTLED_DAYS] if each is not None),
        ages=ages(newest, fresh_within_hours, now=now),
        latest=latest,
    )


def rung(health: Health) -> list[str]:
    """The names of what rings about customers and model.

    The unknown have no baseline of the training: whoever was trained on was known. What moved from
    the weeks before rings.
    """
    moves = {
        **health.moved,
        **{CALIBRATION[name]: each for name, each in health.calibration.items()},
    }
    is_unknown = health.unknown is not None and bool(health.unknown.drifted)
    return [*(name for name, each in moves.items() if each.rings), *([UNKNOWN] * is_unknown)]


def shares_of(policy: Policy) -> Mapping[str, Mapping[str, float]]:
    """The share of each arm, by experiment."""
    return {each.id: _shares(each) for each in policy.experiments}


def lifts_of(compared: Compared) -> Lifts:
    """The lift of every metric."""
    return {metric: compared.lift(metric) for metric in METRICS}


def verdict_of(metric: Metric, lift: Lift) -> Verdict:
    """What may be said of a lift, where more of a metric may be worse."""
    turned = GUARDRAILS.get(metric, 1) < 0
    return _TURNED.get(lift.verdict, lift.verdict) if turned else lift.verdict


def guard_of(metric: Metric, lift: Lift) -> Guard:
    """Whether a guardrail holds: it is broken once the interval lies on the wrong side of zero."""
    match verdict_of(metric, lift):
        case "worse":
            return "broken"
        case "too_early":
            return "too_early"
    return "holds"


def arms_of(days: Days, experiment: Experiment) -> Mapping[str, Compared]:
    """Every other arm of an experiment beside the one that changes nothing."""
    known = joined(measured for _, measured in days_of(days, experiment))
    return arms_compared(known.arms.get(experiment.id, {}), baseline_arm(experiment))


def days_of(days: Days, experiment: Experiment) -> list[tuple[str, Measured]]:
    """The days on which an experiment's arms had the shares of now, the latest first.

    Other days dealt customers out otherwise: joined with these, an arm would hold more of the
    customers of some days than another, and differ for that alone.
    """
    shares = _shares(experiment)

    def as_now(day: str) -> bool:
        watched = days.watched.get(day)
        return watched is None or watched.stated.get(experiment.id) == shares

    return [(day, measured) for day, measured in days.measured.items() if as_now(day)]


def standings(
    days: Iterable[tuple[str, Measured]], pick: Callable[[Measured], Compared | None]
) -> list[Standing]:
    """How lifts stood day by day, oldest first: each with everybody exposed up to that day.

    Args:
        days: the latest first.
        pick: the groups of one day; None where there are none.
    """
    so_far, found = NOTHING_YET, []
    for day, measured in reversed(list(days)):
        compared = pick(measured)
        if compared is not None:
            so_far = both(so_far, compared)
            found.append(Standing(day, lifts_of(so_far)))
    return found


def _shares(experiment: Experiment) -> dict[str, float]:
    return {arm.id: arm.share_percent / 100 for arm in experiment.arms}
