"""What a night says of the day that is over: who came, how experiments fill, who they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from chalicelib.core.baselines import (
    CHURN_BINS,
    Baselines,
    churn_bin,
    feature_bin,
    feature_bins,
)
from chalicelib.core.calibration import PAST_DAYS as SETTLED_PAST
from chalicelib.core.calibration import SETTLED_DAYS, Calibrated, Figure, miscalibrated
from chalicelib.core.features import FEATURE_NAMES
from chalicelib.core.freshness import EVENTS, FILES, Age, ages
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.kinds import CALIBRATED, NEWEST_FILE, WATCHED
from chalicelib.core.measurement import EXPERIMENT
from chalicelib.core.policy import Policy
from chalicelib.core.ports import Store
from chalicelib.core.storage import Key
from chalicelib.core.watched import (
    CHURN,
    LOOKS,
    PAST_DAYS,
    Watched,
    moved,
    newest_event,
    sample_ratios,
    unknown_drift,
)
from chalicelib.files.decision_days import Day
from chalicelib.telemetry import emit_metrics

# So many days of first exposures are looked at together: an experiment that runs longer is looked
# at by its latest ones.
RATIO_DAYS = 100
# Customers who are taken up on one day until the model's horizon has passed: with a rate of 15 % of
# them ordering, a week of as many tells a tenth more or fewer from chance.
MOST_FOLLOWED = 2_000


# What figures of the whole day are called where those of features stand beside them.
UNKNOWN = "unknown"
CALIBRATION: Mapping[Figure, str] = {
    "returned": "calibration of churn",
    "orders": "calibration of orders",
}


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
        stated=stated_shares(policy),
        model=None if baselines is None else baselines.model,
        figures=figures,
        segments=segments,
        newest_files=newest_files,
    )


def stated_shares(policy: Policy) -> Mapping[str, Mapping[str, float]]:
    """The share of each arm, by experiment."""
    return {
        each.id: {arm.id: arm.share_percent / 100 for arm in each.arms}
        for each in policy.experiments
    }


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
    names = [WATCHED.key(_name_of(day - back)) for back in range(RATIO_DAYS)]
    settled = _settled_keys(day, baselines)
    found = store.read([*names, *settled], now=now)
    today, *before = [found.value(key) for key in names]
    if today is None:
        return
    past = [each for each in before if each is not None]
    ratios = sample_ratios([today, *past], today.stated)
    mismatched = [name for name, ratio in ratios.items() if ratio.mismatched]
    late = [each for each in before[:PAST_DAYS] if each is not None]
    drifted = rung(today, late, [found.value(key) for key in settled], baselines)
    stale = [each.source for each in _ages(today, late, fresh_within_hours, now) if each.is_stale]
    emit_metrics(
        "day_watched",
        {
            "SampleRatioMismatch": len(mismatched),
            "ModelDrift": len(drifted),
            "StaleData": len(stale),
        },
        version=_name_of(day),
        experiment=mismatched or None,
        fields=drifted or None,
        kind=stale or None,
    )


def rung(
    today: Watched,
    late: Sequence[Watched],
    settled: Sequence[Calibrated | None],
    baselines: Baselines | None,
) -> list[str]:
    """The figures of a day that ring, by name.

    Args:
        today: the day.
        late: the days before it.
        settled: days whose horizon has passed, the latest first.
        baselines: of the model that serves; None where it was refused.
    """
    unknown = unknown_drift(today, late)
    moves = {
        **({} if baselines is None else moved(today, late, baselines)),
        **{CALIBRATION[name]: each for name, each in miscalibrated(settled, looks=LOOKS).items()},
    }
    return [
        *(name for name, each in moves.items() if each.rings),
        *([UNKNOWN] if unknown is not None and unknown.drifted else []),
    ]


def _ages(
    today: Watched, late: Sequence[Watched], expected: Mapping[str, float], now: int
) -> tuple[Age, ...]:
    newest = {EVENTS: newest_event([today, *late]), **today.newest_files}
    return ages(newest, expected, now=now)


def _settled_keys(day: int, baselines: Baselines | None) -> list[Key[Calibrated]]:
    """The days whose horizon has ended by this one, the latest first."""
    if baselines is None:
        return []
    last = day - baselines.horizon_days
    return [CALIBRATED.key(_name_of(last - back)) for back in range(SETTLED_DAYS + SETTLED_PAST)]


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
