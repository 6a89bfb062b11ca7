"""Off-policy estimates: what a log can say of another policy, and what it cannot."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.core.off_policy import Z_95, Logged, evaluate, refuse

HALF = {"a": 0.5, "b": 0.5}


def logged(customer: str = "c-1", action: str = "a", reward: float = 0.0, **more: Any) -> Logged:
    """One decision between two actions, of which the other policy always takes a."""
    given = {"cell": "s", "logged": HALF, "target": {"a": 1.0}, **more}
    return Logged(customer=customer, action=action, reward=reward, **given)


def log_of(n: int = 400, **more: Any) -> list[Logged]:
    """A fair log: a brings 1 in every second case, b nothing."""
    actions = ("a", "b")
    return [logged(f"c-{k}", actions[k % 2], float(k % 4 == 0), **more) for k in range(n)]


def test_the_estimates_by_hand() -> None:
    """Four decisions: IPS is (2·1 + 2·0)/4, SNIPS (2·1 + 2·0)/4 of weights, and so on."""
    log = [logged("1", "a", 1.0), logged("2", "a", 0.0), logged("3", "b", 5.0), logged("4", "b")]
    found = evaluate(log)

    assert found.ips.value == 0.5
    assert found.snips.value == 0.5
    assert found.logged.value == 1.5
    assert found.effective == 2.0
    assert found.overlap == 1.0
    assert found.mean_weight.value == 1.0


def test_a_policy_that_is_the_logged_one_is_worth_what_was_logged() -> None:
    """Every weight is 1, and IPS and SNIPS are the mean with its own interval."""
    found = evaluate(log_of(target=HALF))

    assert found.ips == pytest.approx(found.logged)
    assert found.snips == pytest.approx(found.logged)
    assert found.effective == 400
    assert abs(found.gain.value) < 0.01


def test_what_one_customer_does_often_is_little_evidence() -> None:
    """The same decisions by ten customers have a wider interval than by four hundred."""
    few = [each._replace(customer=f"c-{k % 10}") for k, each in enumerate(log_of())]

    assert _width(few) > _width(log_of())


def _width(log: list[Logged]) -> float:
    found = evaluate(log)
    return found.logged.high - found.logged.low


@given(
    rewards=st.lists(st.floats(-100, 100), min_size=8, max_size=40),
    split=st.floats(0.1, 0.9),
    seed=st.integers(0, 999),
)
def test_laws_of_any_log(rewards: list[float], split: float, seed: int) -> None:
    """SNIPS stays among the rewards and moves with them, DR too; order changes nothing."""
    rng = random.Random(seed)  # noqa: S311
    mu = {"a": split, "b": 1 - split}
    log = [
        logged(f"c-{k}", rng.choice("ab"), reward, logged=mu, target=HALF)
        for k, reward in enumerate(rewards)
    ]
    found, moved = evaluate(log), evaluate([r._replace(reward=r.reward + 7) for r in log])
    shuffled = evaluate(rng.sample(log, len(log)))

    assert min(rewards) - 1e-9 <= found.snips.value <= max(rewards) + 1e-9
    assert moved.snips.value == pytest.approx(found.snips.value + 7, abs=1e-6)
    assert moved.dr.value == pytest.approx(found.dr.value + 7, abs=1e-6)
    assert 0 < found.effective <= len(log) + 1e-9
    for name in ("ips", "snips", "dr", "logged", "gain"):
        assert getattr(shuffled, name) == pytest.approx(getattr(found, name), abs=1e-9)
        assert getattr(found, name).low <= getattr(found, name).value <= getattr(found, name).high


def test_nobody_is_judged_by_a_model_that_has_seen_them() -> None:
    """Of two customers in different folds each is expected to do what the other did: 0 and 10.

    So the terms are 0 + 2·(10 − 0) and 10 + 2·(0 − 10), with a standard error of 15. A model of
    both would expect 5 of either and be surer than it may, with an error of 10.
    """
    pairs = [[logged("c-0", "a", 10.0), logged(f"c-{k}", "a", 0.0)] for k in range(1, 9)]
    found = [evaluate(pair).dr for pair in pairs]

    assert max(each.high - each.low for each in found) == pytest.approx(2 * Z_95 * 15)


@given(scale=st.floats(0.01, 1000), seed=st.integers(0, 99))
def test_the_unit_of_the_reward_does_not_matter(scale: float, seed: int) -> None:
    """Cents or euros: every estimate is in the unit of the reward."""
    rng = random.Random(seed)  # noqa: S311
    log = [logged(f"c-{k}", rng.choice("ab"), rng.random()) for k in range(60)]
    assume(any(each.action == "a" for each in log))
    found, scaled = evaluate(log), evaluate([r._replace(reward=r.reward * scale) for r in log])

    assert scaled.dr == pytest.approx([each * scale for each in found.dr], rel=1e-6)


def test_a_good_log_is_not_refused() -> None:
    """Both actions were possible everywhere."""
    assert refuse(log_of()) is None


REFUSED = [
    ([], "no decision whose outcome is known", "reward window"),
    (log_of(logged={"a": 1.0}), "the log is deterministic", "[exploration]"),
    (log_of(target={"a": 0.9, "c": 0.1}), "overlap is poor: 10.0% ", "explore these actions"),
    (log_of(60), "60 decisions count like 30 ", "4 times as many"),
    ([each._replace(customer="c-1") for each in log_of()], "of 1 customers", "more customers"),
    ([each for each in log_of() if each.action == "a"] * 3, "are not those that decided", "whole"),
]


@pytest.mark.parametrize(("log", "reason", "fix"), REFUSED)
def test_what_a_log_cannot_say_is_refused_with_what_mends_it(
    log: list[Logged], reason: str, fix: str
) -> None:
    """Each cause by its name."""
    log = [each._replace(action="a") if each.logged == {"a": 1.0} else each for each in log]
    refusal = refuse(log)

    assert refusal is not None
    assert reason in refusal.reason
    assert fix in refusal.fix


def test_the_actions_that_the_log_cannot_show_are_named() -> None:
    """Most of them first, with their share of the other policy's choices."""
    found = evaluate(log_of(target={"a": 0.7, "c": 0.1, "d": 0.2}))

    assert list(found.unsupported) == ["d", "c"]
    assert math.isclose(found.overlap, 0.7)


def test_a_log_that_cannot_be_is_an_error() -> None:
    """Nothing at all, or an action that had no probability."""
    with pytest.raises(ValueError, match="empty"):
        evaluate([])
    with pytest.raises(ValueError, match="could not have been chosen"):
        evaluate([logged(action="c")])
