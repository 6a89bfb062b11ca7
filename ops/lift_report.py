"""What was measured, in numbers and in words: lifts, sample ratios, drift, freshness. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.core.baselines import Baselines
from chalicelib.core.drift import Drift
from chalicelib.core.lift import Lift, Verdict
from chalicelib.core.measured import Measured, arms_compared, baseline_arm
from chalicelib.core.measurement import METRICS, NOTHING_YET, PROGRAMME, Compared, Metric
from chalicelib.core.policy import Policy
from chalicelib.core.sample_ratio import SampleRatio
from chalicelib.core.watched import PAST_DAYS, Moved, Watched, moved, sample_ratios
from chalicelib.files.decision_days import ACTION

WORDS: Mapping[Verdict, str] = {
    "too_early": "too early",
    "not_significant": "not significant",
    "better": "better",
    "worse": "worse",
}
Lifts = Mapping[Metric, Lift]


@dataclass(frozen=True, slots=True)
class Report:
    """What is told.

    Attributes:
        programme: everything together beside the global holdout.
        actions: each action beside those from whom it was kept.
        experiments: each arm beside the arm that changes nothing, by experiment.
        ratios: how the arms filled, by experiment.
        moved: the figures of the latest day, by name.
        latest: the latest day that was watched, None where none was.
        left_out: exposures of people who were erased since.
        days: how many days of exposures are in it.
        window_days: how long after an exposure an order counts, by the policy in force.
    """

    programme: Lifts
    actions: Mapping[str, Lifts]
    experiments: Mapping[str, Mapping[str, Lifts]]
    ratios: Mapping[str, SampleRatio]
    moved: Mapping[str, Moved]
    latest: Watched | None
    left_out: int
    days: int
    window_days: int


def report_of(
    measured: Measured,
    watched: Sequence[Watched],
    *,
    days: int,
    policy: Policy,
    baselines: Baselines | None,
    window_days: int,
) -> Report:
    """Judge what was stored.

    Args:
        measured: days of exposures, joined.
        watched: days of the log, the latest first.
        days: how many days of exposures those are.
        policy: states experiments and their shares.
        baselines: of the model that serves; None where it was refused.
        window_days: how long after an exposure an order counts.
    """
    stated = {
        each.id: {arm.id: arm.share_percent / 100 for arm in each.arms}
        for each in policy.experiments
    }
    latest, before = (watched[0], watched[1 : PAST_DAYS + 1]) if watched else (None, ())
    return Report(
        programme=_lifts(measured.compared.get(PROGRAMME, NOTHING_YET)),
        actions={
            name.removeprefix(ACTION): _lifts(compared)
            for name, compared in measured.compared.items()
            if name != PROGRAMME
        },
        experiments={
            each.id: {
                arm: _lifts(compared)
                for arm, compared in arms_compared(
                    measured.arms.get(each.id, {}), baseline_arm(each)
                ).items()
            }
            for each in policy.experiments
        },
        ratios=sample_ratios(watched, stated),
        moved={} if latest is None or baselines is None else moved(latest, before, baselines),
        latest=latest,
        left_out=measured.left_out,
        days=days,
        window_days=window_days,
    )


def _lifts(compared: Compared) -> Lifts:
    return {metric: compared.lift(metric) for metric in METRICS}


def words_of(lift: Lift) -> str:
    """What may be said of a lift."""
    return WORDS[lift.verdict]


def figures(report: Report, *, now: int) -> dict[str, Any]:
    """The line of JSON."""
    latest = report.latest
    newest_at = None if latest is None else latest.newest_at
    return {
        "days": report.days,
        "window_days": report.window_days,
        "left_out": report.left_out,
        "programme": _told(report.programme),
        "actions": {name: _told(lifts) for name, lifts in report.actions.items()},
        "experiments": {
            name: {arm: _told(lifts) for arm, lifts in arms.items()}
            for name, arms in report.experiments.items()
        },
        "sample_ratio": {
            name: {
                "counts": dict(ratio.counts),
                "stated": dict(ratio.stated),
                "mismatched": ratio.mismatched,
            }
            for name, ratio in report.ratios.items()
        },
        "drift": {
            name: {
                "trained": _drift(each.trained),
                "past": None if each.past is None else _drift(each.past),
                "rings": each.rings,
            }
            for name, each in report.moved.items()
        },
        "decisions": None if latest is None else latest.decisions,
        "unknown_share": None if latest is None else _share(latest.unknown, latest.decisions),
        "fallback_share": None if latest is None else _share(latest.fallback, latest.decisions),
        "newest_event_age_seconds": None if newest_at is None else now - newest_at,
    }


def _told(lifts: Lifts) -> dict[str, Any]:
    return {
        metric: {
            "verdict": lift.verdict,
            "treated": lift.treated,
            "control": lift.control,
            "treated_mean": lift.treated_mean,
            "control_mean": lift.control_mean,
            "lift": lift.value,
            "low": lift.low,
            "high": lift.high,
            "relative": lift.relative,
            "explained": lift.explained,
            "least_detectable": lift.least_detectable,
        }
        for metric, lift in lifts.items()
    }


def _drift(drift: Drift) -> dict[str, Any]:
    return {
        "value": drift.value,
        "bound": drift.bound,
        "customers": drift.customers,
        "drifted": drift.drifted,
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
