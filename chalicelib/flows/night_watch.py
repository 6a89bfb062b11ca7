"""What a night says of the day that is over: who came, how experiments fill, who they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from chalicelib.core.baselines import (
    CHURN_BINS,
    Baselines,
    churn_bin,
    feature_bin,
    feature_bins,
)
from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.freshness import FILES
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.kinds import NEWEST_FILE
from chalicelib.core.measurement import EXPERIMENT
from chalicelib.core.policy import Policy
from chalicelib.core.ports import Store
from chalicelib.core.report import health_of, rung, shares_of
from chalicelib.core.watched import CHURN, Watched, sample_ratios
from chalicelib.files.decision_days import Day
from chalicelib.flows.measured_days import read_days
from chalicelib.telemetry import emit_metrics

# So many days of first exposures are looked at together: an experiment that runs longer is looked
# at by its latest ones.
RATIO_DAYS = 100
# Customers who are taken up on one day until the model's horizon has passed: with a rate of 15 % of
# them ordering, a week of as many tells a tenth more or fewer from chance.
MOST_FOLLOWED = 2_000


def watch(
    day: Day,
    number: int,
    *,
    policy: Policy,
    baselines: Baselines | None,
    newest_files: Mapping[str, int],
) -> Watched:
    """Count the day, add its first exposures to what is pending, and follow some of the scored.

    Args:
        day: the log.
        number: the day since 1970-01-01.
        policy: states the shares of arms.
        baselines: give the bins; None where the packaged model was refused.
        newest_files: when the newest file of each kind was dropped.
    """
    exposed = day.expose(number)
    came = day.came_by()
    figures, segments = _figures(day, baselines)
    if baselines is not None:
        day.follow(
            number,
            model=baselines.model,
            horizon_days=baselines.horizon_days,
            most=MOST_FOLLOWED,
        )
    return Watched(
        decisions=came.decisions,
        customers=came.customers,
        unknown=came.unknown,
        fallback=came.fallback,
        unknown_customers=came.unknown_customers,
        newest_at=came.newest_at,
        arms={
            name.removeprefix(EXPERIMENT): arms
            for name, arms in exposed.items()
            if name.startswith(EXPERIMENT)
        },
        stated=shares_of(policy),
        model=None if baselines is None else baselines.model,
        figures=figures,
        segments=segments,
        newest_files=newest_files,
    )


def newest_files(store: Store, *, now: int) -> dict[str, int]:
    """When the newest file of each kind was dropped; kinds that never came are left out."""
    keys = {kind: NEWEST_FILE.key(kind) for kind in FILES}
    found = store.read(list(keys.values()), now=now)
    known = {kind: found.value(key) for kind, key in keys.items()}
    return {kind: int(each["at"]) for kind, each in known.items() if each is not None}


def ring(
    day: int,
    *,
    store: Store,
    baselines: Baselines | None,
    fresh_within_hours: Mapping[str, float],
    now: int,
) -> None:
    """Say by metrics whether arms fill wrongly, customers have changed, or nothing new comes.

    All of them are given every night, so that an alarm ends when its cause has.
    """
    days = read_days(
        store,
        days=RATIO_DAYS,
        now=(day + 1) * DAY_SECONDS,
        horizon_days=None if baselines is None else baselines.horizon_days,
        with_measured=False,
    )
    name = _name_of(day)
    today = days.watched.get(name)
    if today is None:
        return
    ratios = sample_ratios(days.watched.values(), today.stated)
    mismatched = [each for each, ratio in ratios.items() if ratio.mismatched]
    health = health_of(days, baselines=baselines, fresh_within_hours=fresh_within_hours, now=now)
    drifted = rung(health)
    stale = [each.source for each in health.ages if each.is_stale]
    emit_metrics(
        "day_watched",
        {
            "SampleRatioMismatch": len(mismatched),
            "ModelDrift": len(drifted),
            "StaleData": len(stale),
        },
        version=name,
        experiment=mismatched or None,
        fields=drifted or None,
        kind=stale or None,
    )


def _figures(
    day: Day, baselines: Baselines | None
) -> tuple[Mapping[str, list[int]], Mapping[str, int]]:
    """Scored customers by bin and by segment; nothing where there is nothing to compare with."""
    if baselines is None:
        return {}, {}
    deciles = {name: baselines.features[name].deciles for name in FEATURE_NAMES}
    figures = {name: [0] * feature_bins(deciles[name]) for name in deciles}
    figures[CHURN] = [0] * CHURN_BINS
    segments: Counter[str] = Counter()
    for segment, churn, values in day.scored(baselines.model):
        segments[segment] += 1
        figures[CHURN][churn_bin(churn)] += 1
        for name, value in zip(deciles, values, strict=True):
            figures[name][feature_bin(value, deciles[name])] += 1
    return figures, dict(segments)


def _name_of(day: int) -> str:
    return format_instant(day * DAY_SECONDS)[:10]
