"""Days of the log: joined for sample ratios, and held against training and the weeks before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from chalicelib.core.baselines import Baselines, FeatureBaseline
from chalicelib.core.canonical import canonical_json
from chalicelib.core.watched import (
    LEAST_PAST_DAYS,
    Watched,
    moved,
    newest_event,
    sample_ratios,
    unknown_drift,
    watched_from_json,
    watched_to_json,
)

HALVES = {"x": {"a": 0.5, "b": 0.5}}
BASELINES = Baselines(
    model="m-1.0.0",
    customers=2_000,
    features={"recency_days": FeatureBaseline(0.0, tuple(float(n) for n in range(1, 10)))},
    segments={"loyal": 0.5, "lost": 0.5},
    churn=(0.1,) * 10,
    horizon_days=91,
)


def day(*, loyal: int = 500, lost: int = 500, arms: Mapping[str, int] | None = None) -> Watched:
    """A day that looks like training, but for its segments."""
    even = [100] * 10
    return Watched(
        decisions=1_000,
        customers=1_000,
        arms={"x": arms or {}},
        stated=HALVES,
        model=BASELINES.model,
        figures={"recency_days": [0, *even], "churn": even},
        segments={"loyal": loyal, "lost": lost},
    )


def test_sample_ratios_are_of_all_days_together() -> None:
    """No day alone says much; all together contradict the shares."""
    days = [day(arms={"a": 60, "b": 40}) for _ in range(30)]

    assert sample_ratios(days[:1], HALVES)["x"].mismatched is False
    ratio = sample_ratios(days, HALVES)["x"]
    assert ratio.counts == {"a": 1_800, "b": 1_200}
    assert ratio.mismatched is True


def test_days_under_other_shares_are_no_evidence() -> None:
    """Whoever changes shares does not ring for what was right before; nor for an arm that left."""
    old = replace(day(arms={"a": 900, "b": 100}), stated={"x": {"a": 0.9, "b": 0.1}})
    new = day(arms={"a": 50, "b": 50, "gone": 7})

    ratio = sample_ratios([new, old], HALVES)["x"]

    assert ratio.counts == {"a": 50, "b": 50}
    assert ratio.mismatched is False


def test_a_day_like_training_has_not_moved() -> None:
    """Every figure is looked at: each feature, the score, the segments."""
    found = moved(day(), [day()] * LEAST_PAST_DAYS, BASELINES)

    assert found.keys() == {"recency_days", "churn", "segment"}
    for each in found.values():
        assert each.trained.drifted is False
        assert each.past is not None
        assert each.past.drifted is False
        assert not each.rings


def test_customers_who_always_differed_from_training_do_not_ring() -> None:
    """Who comes to a checkout is no sample of all customers: that is told and wakes nobody."""
    others = day(loyal=900, lost=100)

    found = moved(others, [others] * LEAST_PAST_DAYS, BASELINES)["segment"]

    assert found.trained.drifted is True
    assert not found.rings


def test_a_move_away_from_training_rings_and_one_towards_it_does_not() -> None:
    """It is the model that no longer fits."""
    others = day(loyal=900, lost=100)

    away = moved(others, [day()] * LEAST_PAST_DAYS, BASELINES)["segment"]
    towards = moved(day(), [others] * LEAST_PAST_DAYS, BASELINES)["segment"]

    assert away.rings
    assert not towards.rings
    assert towards.past is not None
    assert towards.past.drifted is True


def test_too_few_days_or_another_model_say_nothing() -> None:
    """The weeks before have to be known, under the same model."""
    others = day(loyal=900, lost=100)
    short = [day()] * (LEAST_PAST_DAYS - 1)

    assert moved(others, short, BASELINES)["segment"].past is None
    foreign = [replace(each, model="m-0.9.0") for each in [day()] * 20]
    assert moved(others, foreign, BASELINES)["segment"].past is None
    assert moved(replace(others, model=None), [day()] * 20, BASELINES) == {}


def test_storage_gives_the_same_back() -> None:
    """A day with everything, and a day with nothing."""
    for each in (replace(day(arms={"a": 1}), newest_at=5), Watched()):
        assert watched_from_json(json.loads(canonical_json(watched_to_json(each)))) == each


def known(unknown: int | None, *, customers: int = 1_000) -> Watched:
    """A day with so many customers of whom nothing was known."""
    return replace(day(), customers=customers, unknown_customers=unknown)


def test_a_share_of_the_unknown_as_before_does_not_ring() -> None:
    """Three in ten, day after day."""
    found = unknown_drift(known(300), [known(300)] * LEAST_PAST_DAYS)
    assert found is not None
    assert found.drifted is False


def test_more_of_the_unknown_than_before_ring_and_fewer_do() -> None:
    """Both ways: a shop that lost its ids, and one that suddenly knows everybody."""
    for now in (500, 120):
        found = unknown_drift(known(now), [known(300)] * LEAST_PAST_DAYS)
        assert found is not None
        assert found.drifted is True


def test_few_customers_may_differ_by_chance() -> None:
    """The bound knows how many they are; below two hundred nothing is said."""
    found = unknown_drift(known(75, customers=200), [known(300)] * 20)
    assert found is not None
    assert found.drifted is False
    few = unknown_drift(known(90, customers=100), [known(300)] * 20)
    assert few is not None
    assert few.drifted is None


def test_days_on_which_it_was_not_kept_are_no_evidence() -> None:
    """Nor are days on which nobody came; too few others say nothing."""
    others = [known(None), known(0, customers=0)] * 20

    assert unknown_drift(known(300), [*others, *[known(300)] * (LEAST_PAST_DAYS - 1)]) is None
    assert unknown_drift(known(None), [known(300)] * 20) is None


def test_the_newest_event_is_that_of_any_day() -> None:
    """A quiet day has none of its own."""
    days = [day(), replace(day(), newest_at=5), replace(day(), newest_at=9)]
    assert newest_event(days) == 9
    assert newest_event([day()]) is None
