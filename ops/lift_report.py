"""The report of what was measured as one line of JSON. Pure."""

from __future__ import annotations

from typing import Any

from chalicelib.core.calibration import Calibrated
from chalicelib.core.drift import Drift, Moved
from chalicelib.core.measurement import GUARDRAILS
from chalicelib.core.report import Health, Lifts, Report, guard_of, verdict_of


def figures(report: Report, *, now: int) -> dict[str, Any]:
    """The line of JSON."""
    return {
        "days": report.days,
        "days_of_another_window": report.other_window,
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
        **_health(report.health, now=now),
    }


def _told(lifts: Lifts) -> dict[str, Any]:
    return {
        metric: {
            "verdict": verdict_of(metric, lift),
            **({"guardrail": guard_of(metric, lift)} if metric in GUARDRAILS else {}),
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


def _health(health: Health, *, now: int) -> dict[str, Any]:
    latest = health.latest
    newest_at = None if latest is None else latest.newest_at
    return {
        "drift": {name: _moved(each) for name, each in health.moved.items()},
        "calibration": {
            **{name: _moved(each) for name, each in health.calibration.items()},
            **_settled(health.settled),
        },
        "decisions": None if latest is None else latest.decisions,
        "unknown_share": None if latest is None else _share(latest.unknown, latest.decisions),
        "unknown": None if health.unknown is None else _drift(health.unknown),
        "fallback_share": None if latest is None else _share(latest.fallback, latest.decisions),
        "newest_event_age_seconds": None if newest_at is None else now - newest_at,
        "freshness": {
            each.source: {
                "age_seconds": each.seconds,
                "most_hours": each.most_hours,
                "stale": each.is_stale,
            }
            for each in health.ages
        },
    }


def _settled(settled: Calibrated) -> dict[str, Any]:
    return {
        "customers": settled.returned.customers,
        "horizon_days": settled.horizon_days,
        "brier": settled.brier,
        "bins": [list(each) for each in settled.bins],
    }


def _moved(each: Moved) -> dict[str, Any]:
    return {
        "trained": _drift(each.trained),
        "past": None if each.past is None else _drift(each.past),
        "rings": each.rings,
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
