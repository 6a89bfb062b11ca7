"""Experiments as a policy states them: what is refused, and where the error is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from chalicelib.core.errors import BadInput
from chalicelib.core.experiments import Experiment
from chalicelib.core.policy import Policy, policy_from_toml
from tests.unit.core.offering import policy_with
from tests.unit.core.situations import POLICIES

DAY = 86_400


def arms(**changes: Any) -> list[dict[str, Any]]:
    """Half as ever, half otherwise."""
    return [{"id": "as-ever", "share_percent": 50}, {"id": "new", "share_percent": 50, **changes}]


def experiment(name: str = "e-0", **changes: Any) -> dict[str, Any]:
    """An experiment that switches the first action off for half of its customers."""
    return {"id": name, "salt": f"salt-{name}", "arms": arms(off=["a-0"]), **changes}


def policy_of(*experiments: dict[str, Any], **changes: Any) -> Policy:
    """Two actions, one with an offer, and experiments about them."""
    offer = {"kind": "percent_off", "value": 10, "valid_days": 7}
    return policy_with({"offer": offer}, {}, experiments=list(experiments), **changes)


def refused(*experiments: dict[str, Any], **changes: Any) -> dict[str, str]:
    """What is wrong with a policy, by path."""
    with pytest.raises(BadInput) as refusal:
        policy_of(*experiments, **changes)
    return {each.field: each.problem for each in refusal.value.errors}


def layered(begin: float, end: float, **changes: Any) -> Callable[[str], dict[str, Any]]:
    """An experiment that takes a range of the layer ``pricing``."""
    return lambda name: experiment(
        name, layer="pricing", from_percent=begin, to_percent=end, **changes
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arms": arms(share_percent=49)}, "the shares sum to 99, must be 100"),
        ({"arms": arms(id="as-ever")}, "two have the same id"),
        ({"arms": arms()[:1]}, "at least 2 items"),
        ({"from_percent": 50, "to_percent": 50}, "to_percent: must be more than from_percent"),
        ({"to_percent": 101}, "less than or equal to 100"),
        ({"since": "2026-05-02", "until": "2026-05-01"}, "until: lies before since"),
        ({"salt": ""}, "at least 1 character"),
        ({"layer": "A layer"}, "match pattern"),
        ({"mood": 1}, "not permitted"),
        ({"arms": arms(levers={"a-0": 1001})}, "levers.a-0: must be 0 to 1000"),
        ({"arms": arms(levers={"a-0": float("nan")})}, "finite number"),
        ({"arms": arms(policy="new", off=["a-0"])}, "either names documents or changes parts"),
        ({"arms": arms(model="m-1"), "when": "churn > 0"}, "when: cannot stand with an arm's"),
        ({"arms": arms(policy="../etc/passwd")}, "match pattern"),
        ({"arms": arms(model="../m")}, "match pattern"),
    ],
)
def test_an_experiment_that_cannot_run_is_refused(changes: dict[str, Any], words: str) -> None:
    """Whatever is wrong within one experiment is told under its path."""
    wrong = refused(experiment(**changes))

    assert all(path.startswith("experiments.0") for path in wrong)
    assert any(words in problem for problem in wrong.values())


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"arms": arms(off=["a-0", "a-9"])}, "experiments.0.arms.1.off.1"),
        ({"arms": arms(levers={"a-9": 2})}, "experiments.0.arms.1.levers.a-9"),
        ({"arms": arms(price_tiers=["winback", "x"])}, "experiments.0.arms.1.price_tiers.1"),
        ({"when": "no_such > 1"}, "experiments.0.when"),
        ({"when": "region == 'NY'"}, "experiments.0.when"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused_by_its_path(
    changes: dict[str, Any], path: str
) -> None:
    """Actions, tiers and features; and no protected attribute where prices differ."""
    assert list(refused(experiment(**changes))) == [path]


def test_a_condition_may_name_what_touches_no_price() -> None:
    """Where an experiment is about an action without an offer, a region may be named."""
    about_mail = experiment(arms=arms(off=["a-1"]), when="region == 'NY'")

    assert policy_of(about_mail).conditions.experiments.keys() == {"e-0"}


def test_names_and_salts_stand_once() -> None:
    """Two experiments that split alike would measure each other."""
    same_name = refused(experiment(), {**experiment(), "salt": "other", "layer": "x"})
    same_salt = refused(experiment(), {**experiment("e-1"), "salt": "salt-e-0"})
    holdout = refused({**experiment(), "salt": "global-holdout-2026"})

    assert "experiments.1.id" in same_name
    assert "that of e-0" in same_salt["experiments.1.salt"]
    assert "that of the holdout" in holdout["experiments.0.salt"]


def test_overlapping_exclusive_experiments_are_refused_by_path() -> None:
    """Ranges in one layer may touch and not meet; the error names both."""
    wrong = refused(layered(0, 50)("e-0"), layered(49.5, 60)("e-1"), layered(60, 100)("e-2"))

    assert wrong == {
        "experiments.1.from_percent": (
            "49.5 to 60 overlaps experiments.0 (e-0) in layer pricing, 0 to 50; change the range"
        )
    }
    assert len(policy_of(layered(0, 50)("e-0"), layered(50, 100)("e-1")).experiments) == 2


def test_a_layer_is_free_again_when_an_experiment_is_over() -> None:
    """Ranges may be used one after the other, from the day after."""
    first = layered(0, 50, until="2026-06-30")("e-0")

    assert len(policy_of(first, layered(0, 50, since="2026-07-01")("e-1")).experiments) == 2
    wrong = refused(first, layered(0, 50, since="2026-06-30")("e-1"))
    assert list(wrong) == ["experiments.1.from_percent"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"levers": {"a-0": 2}}, "the lever of a-0"),
        ({"price_tiers": ["winback"]}, "the price tiers"),
        ({"policy": "new"}, "the policy"),
        ({"model": "m-1"}, "the model"),
    ],
)
def test_what_one_arm_alone_can_say_belongs_into_one_layer(
    changed: dict[str, Any], words: str
) -> None:
    """Two layers cannot both set it; in one layer no customer is in both."""
    one, other = (experiment(name, arms=arms(**changed)) for name in ("e-0", "e-1"))

    wrong = refused(one, other)

    assert wrong == {
        "experiments.1.layer": f"changes {words} as experiments.0 (e-0) does; "
        "put both into one layer"
    }
    halves = ({"from_percent": 0, "to_percent": 50}, {"from_percent": 50, "to_percent": 100})
    together = [
        {**each, "layer": "l", **half} for each, half in zip((one, other), halves, strict=True)
    ]
    assert len(policy_of(*together).experiments) == 2


def test_two_layers_may_switch_the_same_action_off() -> None:
    """Both say the same of it."""
    assert len(policy_of(experiment("e-0"), experiment("e-1")).experiments) == 2


@pytest.mark.parametrize(("day", "runs"), [(1, False), (2, True), (3, True), (4, True), (5, False)])
def test_an_experiment_runs_from_its_first_day_to_its_last(day: int, runs: bool) -> None:
    """By the calendar in UTC, from the first second of the one to the last of the other."""
    stated = Experiment.model_validate(experiment(since="2026-05-02", until="2026-05-04"))
    begin = (date(2026, 5, day) - date(1970, 1, 1)).days * DAY

    assert [stated.runs_at(at) for at in (begin, begin + DAY - 1)] == [runs, runs]
    assert Experiment.model_validate(experiment()).runs_at(begin)


def test_the_example_in_the_shipped_policy_can_be_taken_as_it_is() -> None:
    """Whoever removes the hashes before it has an experiment that runs."""
    text = (POLICIES / "default.toml").read_text()
    begin = text.index("# [[experiments]]")
    lines = text[begin : text.index("# An arm may also")].splitlines()

    policy = policy_from_toml("\n".join([text, *(line.removeprefix("# ") for line in lines)]))

    [stated] = policy.experiments
    assert [arm.id for arm in stated.arms] == ["as-ever", "pushed"]
    assert policy.conditions.experiments.keys() == {stated.id}
