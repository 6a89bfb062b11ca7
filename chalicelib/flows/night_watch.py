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
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.kinds import WATCHED
from chalicelib.core.policy import Policy
from chalicelib.core.ports import Store
from chalicelib.core.watched import CHURN, PAST_DAYS, Watched, moved, sample_ratios
from chalicelib.files.decision_days import EXPERIMENT, Day
from chalicelib.telemetry import emit_metrics

# So many days of first exposures are looked at together: an experiment that runs longer is looked
# at by its latest ones.
RATIO_DAYS = 100


def watch(day: Day, number: int, *, policy: Policy, baselines: Baselines | None) -> Watched:
    """Count the day, and add its first exposures to what is pending.

    Args:
        day: the log.
        number: the day since 1970-01-01.
        policy: states the shares of arms.
        baselines: give the bins; None where the packaged model was refused.
    """
    exposed = day.expose(number)
    came = day.came_by()
    figures, segments = _figures(day, baselines)
    return Watched(
        decisions=came.decisions,
        customers=came.customers,
        unknown=came.unknown,
        fallback=came.fallback,
        newest_at=came.newest_at,
        arms={
            name.removeprefix(EXPERIMENT): arms
            for name, arms in exposed.items()
            if name.startswith(EXPERIMENT)
        },
        stated=stated_shares(policy),
        model=None if baselines is None else baselines.model,
        figures=figures,
        segments=segments,
    )


def stated_shares(policy: Policy) -> Mapping[str, Mapping[str, float]]:
    """The share of each arm, by experiment."""
    return {
        each.id: {arm.id: arm.share_percent / 100 for arm in each.arms}
        for each in policy.experiments
    }


def ring(day: int, *, store: Store, baselines: Baselines | None, now: int) -> None:
    """Say by metrics whether an experiment's arms fill wrongly or customers have changed.

    Both metrics are given every night, so that an alarm ends when its cause has.
    """
    keys = [WATCHED.key(_name_of(day - back)) for back in range(RATIO_DAYS)]
    found = store.read(keys, now=now)
    today, *before = [found.value(key) for key in keys]
    if today is None:
        return
    past = [each for each in before if each is not None]
    ratios = sample_ratios([today, *past], today.stated)
    late = [each for each in before[:PAST_DAYS] if each is not None]
    changed = {} if baselines is None else moved(today, late, baselines)
    mismatched = [name for name, ratio in ratios.items() if ratio.mismatched]
    drifted = [name for name, each in changed.items() if each.rings]
    emit_metrics(
        "day_watched",
        {"SampleRatioMismatch": len(mismatched), "ModelDrift": len(drifted)},
        version=_name_of(day),
        experiment=mismatched or None,
        fields=drifted or None,
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
