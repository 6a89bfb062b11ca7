"""``make prove``: every topic is measured, one line of JSON stands last, a broken bound fails."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pytest
from click.testing import CliRunner

from ops.prove import (
    BoundBroken,
    Figure,
    calibration,
    exploration,
    following,
    measure,
    nights,
    off_policy,
    prove,
    topics,
    within,
)

AS_EVER = {"factor": 1.0, "kept": 1.0}


def test_every_module_of_the_package_is_a_topic() -> None:
    """Whoever adds a module adds its figures."""
    assert set(topics()) >= {"exploration", "off_policy"}


def figures(name: str) -> Mapping[str, Figure]:
    """Topics that hold, break a bound, fail otherwise, and measure what another one did."""
    match name:
        case "holds" | "again":
            return {"share": 0.5}
        case "breaks":
            within({"error": 4.0}, "error", at_most=3.0)
            raise AssertionError("a broken bound goes on")
        case _:
            raise ZeroDivisionError("nothing was measured")


def test_what_fails_keeps_nothing_else_from_being_measured() -> None:
    """A broken bound still shows its figure, and every failure stands by its name."""
    said: list[str] = []

    told, failed = measure(["breaks", "fails", "holds", "again"], figures, said.append)

    assert told == {"error": 4.0, "share": 0.5}
    assert failed == ["breaks", "fails", "again"]
    assert [line.rpartition(" (")[0] for line in said] == [
        "breaks: error is 4.0, and must be at most 3.0",
        "fails: ZeroDivisionError: nothing was measured",
        "holds: holds",
        "again: another topic has measured share already",
    ]


@pytest.mark.parametrize("value", [0.9, float("nan")])
def test_a_figure_is_held_against_its_bound(value: float) -> None:
    """From below; and what is no number is within no bound."""
    within({"share": 1.0}, "share", at_least=1.0, at_most=1.0)
    with pytest.raises(BoundBroken, match=r"at least 1\.0"):
        within({"share": value}, "share", at_least=1.0)


def test_an_unknown_topic_is_refused_with_those_there_are() -> None:
    """Nothing is measured."""
    answer = CliRunner().invoke(prove, ["--only", "luck"])

    assert answer.exit_code == 2
    assert "luck: topics are" in answer.output


def test_exploration_at_a_small_count() -> None:
    """The loop of the figure, a hundred times shorter."""
    found = exploration.figures(choices=10_000, situations=5)

    assert found["exploration_choices"] == 10_000
    assert found["exploration_impossible_choices"] == 0
    assert found["exploration_arms"] > 10


def test_off_policy_at_a_small_count() -> None:
    """The loop of the figure, with coverage that few repetitions can only hint at."""
    try:
        found = off_policy.figures(repetitions=20, customers=300)
    except BoundBroken as broken:  # 19 of 20 is 95 %, 18 of 20 is not 93 %
        found = broken.figures

    assert found["off_policy_repetitions"] == 20
    assert found["deterministic_log_refused"] is True
    assert min(found[f"{name}_coverage"] for name in ("ips", "snips", "dr")) >= 0.8
    json.dumps(found)


def test_a_few_runs_say_nothing_certain_of_alarms() -> None:
    """Of so few nights even none that rings leaves more than the bound to be thought of."""
    with pytest.raises(BoundBroken, match="nights_false_alarms_at_most") as broken:
        nights.figures(nights=40)

    assert broken.value.figures["nights"] == 40
    assert nights.upper_end(0, 20) > nights.upper_end(0, 2_000) > 0.0
    assert nights.upper_end(60, 9_000) < 0.01 < nights.upper_end(90, 9_000)


def test_calibration_at_a_small_count() -> None:
    """The loop of the figure; some of the runs that are drawn together are left over."""
    chance = np.random.default_rng(1)
    days = list(calibration.settled_days(chance, calibration.WORLDS[0], 300, 120, **AS_EVER))

    assert len(days) == 120
    assert {each.returned.customers for run in days for each in run if each} == {2_100, 8_400}


def test_following_at_a_small_count() -> None:
    """Within a cycle nobody is followed twice; without weeks many more enter at once."""
    days = following.followed_days(np.random.default_rng(1), 20_000, 92, by_week=True)
    at_once = following.followed_days(np.random.default_rng(1), 20_000, 92, by_week=False)

    assert len(days) == len(at_once) == 92
    counts = [each.returned.customers for each in days]
    assert 0 < max(counts) < 200 < at_once[0].returned.customers
    assert sum(counts) < 20_000
    assert following.rung_share(days[:34]) == 0.0
