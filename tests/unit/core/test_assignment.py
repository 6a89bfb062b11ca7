"""Assignment: sticky, exclusive within a layer, independent between layers, by hash alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.assignment import NO_CHANGES, arm_of, enter, in_control, in_holdout
from chalicelib.core.experiments import Experiment
from tests.unit.core.offering import policy_with
from tests.unit.core.situations import NOW
from tests.unit.core.test_experiments import arms, experiment, policy_of

KEYS = [f"c#c-{n}" for n in range(4_000)]
SUBJECTS = st.text(min_size=1, max_size=40).map("c#{}".format)


def stated(**changes: Any) -> Experiment:
    """An experiment on its own."""
    return Experiment.model_validate(experiment(**changes))


def arm_ids(one: Experiment) -> list[str | None]:
    """The arm of everybody."""
    return [None if (arm := arm_of(one, key)) is None else arm.id for key in KEYS]


@given(SUBJECTS)
def test_an_arm_is_always_the_same(key: str) -> None:
    """Whoever asks, and however often."""
    assert arm_of(stated(), key) is not None
    assert arm_of(stated(), key) == arm_of(stated(), key)


@given(
    st.lists(st.sampled_from("bcdefgh"), unique=True, max_size=4),
    st.lists(st.sampled_from("bcdefgh"), unique=True, max_size=4),
    SUBJECTS,
)
def test_other_experiments_move_nobody(before: list[str], after: list[str], key: str) -> None:
    """Adding and removing any of them, anywhere in the document, leaves every arm as it was."""
    kept = experiment("kept")

    def arm_among(others: list[str]) -> str:
        middle = len(others) // 2
        stood = [*others[:middle], "kept", *others[middle:]]
        policy = policy_of(
            *(
                kept if name == "kept" else experiment(name, arms=arms(off=["a-1"]))
                for name in stood
            )
        )
        return enter(policy, key, {}, as_of=NOW).arms["kept"]

    assert arm_among(before) == arm_among(after)


def test_shares_are_near_what_is_stated() -> None:
    """Within three standard errors, for uneven arms, too."""
    uneven = stated(
        arms=[
            {"id": "a", "share_percent": 10},
            {"id": "b", "share_percent": 25},
            {"id": "c", "share_percent": 65},
        ]
    )
    counts = Counter(arm_ids(uneven))

    for name, share in (("a", 0.10), ("b", 0.25), ("c", 0.65)):
        error = (share * (1 - share) / len(KEYS)) ** 0.5
        assert abs(counts[name] / len(KEYS) - share) < 3 * error


def test_ranges_of_a_layer_share_nobody_and_leave_nobody_out() -> None:
    """Every customer has one place in a layer."""
    ranges = [(0, 30), (30, 55), (55, 100)]
    taken = [
        {
            key
            for key, arm in zip(
                KEYS,
                arm_ids(stated(name=f"e-{n}", layer="pricing", from_percent=begin, to_percent=end)),
                strict=True,
            )
            if arm is not None
        }
        for n, (begin, end) in enumerate(ranges)
    ]

    assert sum(map(len, taken)) == len(set.union(*taken)) == len(KEYS)
    for members, (begin, end) in zip(taken, ranges, strict=True):
        share = (end - begin) / 100
        assert abs(len(members) / len(KEYS) - share) < 3 * (share * (1 - share) / len(KEYS)) ** 0.5


def test_layers_holdout_and_control_split_independently() -> None:
    """Whoever is in one group is no likelier to be in another."""
    policy = policy_with(
        {"control_share_percent": 50},
        {"control_share_percent": 50, "control_salt": "s"},  # as the holdout's
        experiments=[experiment("e-0"), experiment("e-1", arms=arms(off=["a-1"]))],
        holdout={"share_percent": 50, "salt": "s"},
    )
    groups: dict[str, list[bool]] = {
        "holdout": [in_holdout(policy, key) for key in KEYS],
        **{
            f"control {action.id}": [in_control(action, key) for key in KEYS]
            for action in policy.actions
        },
        **{
            each.id: [(arm_of(each, key) or each.arms[0]).id == "new" for key in KEYS]
            for each in policy.experiments
        },
        "half a layer": [
            arm_of(stated(name="l", from_percent=0, to_percent=50), key) is not None for key in KEYS
        ],
    }

    for one in groups:
        for other in groups:
            if one < other:
                both = sum(a and b for a, b in zip(groups[one], groups[other], strict=True))
                assert abs(both / len(KEYS) - 0.25) < 4 * (0.25 * 0.75 / len(KEYS)) ** 0.5, (
                    one,
                    other,
                )


def test_a_share_that_grows_moves_nobody_out() -> None:
    """An arm that is widened at its end, and a control group that grows, keep everybody."""
    small, large = (
        stated(arms=[{"id": "a", "share_percent": s}, {"id": "b", "share_percent": 100 - s}])
        for s in (20, 40)
    )
    few, many = (policy_with({"control_share_percent": share}).actions[0] for share in (5, 10))

    for key in KEYS:
        assert (
            not (was := arm_of(small, key)) or was.id != "a" or arm_of(large, key) == large.arms[0]
        )
        assert not in_control(few, key) or in_control(many, key)


def test_another_salt_deals_anew() -> None:
    """Of the experiment's arms, and of an action's control group."""
    first, second = stated(), stated(salt="other")
    plain = policy_with({"control_share_percent": 50}).actions[0]
    salted = policy_with({"control_share_percent": 50, "control_salt": "x"}).actions[0]

    same = sum(a == b for a, b in zip(arm_ids(first), arm_ids(second), strict=True))
    kept = sum(in_control(plain, key) == in_control(salted, key) for key in KEYS)
    assert abs(same / len(KEYS) - 0.5) < 0.03
    assert abs(kept / len(KEYS) - 0.5) < 0.03


@pytest.mark.parametrize(
    ("changes", "values", "entered"),
    [
        ({}, {}, True),
        ({"when": "country == 'US'"}, {"country": "US"}, True),
        ({"when": "country == 'US'"}, {"country": "FR"}, False),
        ({"when": "country == 'US'"}, {}, False),
        ({"until": "2026-01-01"}, {}, False),
        ({"since": "2027-01-01"}, {}, False),
        ({"arms": arms(policy="new")}, {}, False),
    ],
)
def test_who_takes_part(changes: dict[str, Any], values: dict[str, Any], entered: bool) -> None:
    """While it runs, where its condition holds; the unknown meets none."""
    found = enter(policy_of(experiment(**changes)), "c#c-1", values, as_of=NOW)

    assert (found is not NO_CHANGES) is entered


def test_what_arms_change_comes_together() -> None:
    """Switched off by either, the lever and the tiers of the one that sets them."""
    every = {"id": "x", "share_percent": 50}

    def all_in(name: str, **changed: Any) -> dict[str, Any]:
        return experiment(name, arms=[{**every, **changed}, {**every, "id": "y", **changed}])

    policy = policy_of(
        all_in("e-0", off=["a-0"], levers={"a-1": 3.0}),
        all_in("e-1", off=["a-0"], price_tiers=["loyalty"]),
    )

    changes = enter(policy, "c#c-1", {}, as_of=NOW)

    assert changes.arms.keys() == {"e-0", "e-1"}
    assert changes.off == {"a-0": {"e-0", "e-1"}}
    assert (changes.levers, changes.tiers) == ({"a-1": 3.0}, ("loyalty",))
    assert changes.treating == {"a-0": ("e-0", "e-1"), "a-1": ("e-0",)}
    assert changes.treating_tiers == ("e-1",)
