"""The life of a policy: who may let it decide, and what is remembered of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.errors import Refused
from chalicelib.core.policy_life import (
    MOST_LISTED,
    MOST_SIMULATIONS,
    Activation,
    Listed,
    PolicyLog,
    Simulation,
    StoredPolicy,
    activate,
    list_policy,
    policy_log_from_json,
    policy_log_to_json,
    stored_policy_from_json,
    stored_policy_to_json,
    with_simulation,
)
from tests.unit.core.situations import NOW

SIMULATION = Simulation("second", NOW, "decisions of last week", {"customers": 3})
LIVE = PolicyLog(activations=(Activation("p-0", "first", NOW),))


def stored(*, author: str = "first", simulated: bool = True) -> StoredPolicy:
    """A policy that somebody has stored."""
    return StoredPolicy({"name": "p"}, author, NOW, (SIMULATION,) if simulated else ())


def test_a_simulated_policy_is_activated_with_another_key() -> None:
    """The one way for a policy that has not decided before."""
    log = activate(LIVE, "p-1", stored(), key_id="second", now=NOW + 5)

    assert log.active == "p-1"
    assert log.activations[-1] == Activation("p-1", "second", NOW + 5)


@pytest.mark.parametrize(
    "log", [PolicyLog(), LIVE], ids=["the first of a deployment", "after another"]
)
@pytest.mark.parametrize(
    ("policy", "key_id", "reason"),
    [
        (stored(simulated=False), "second", "not_simulated"),
        (stored(), "first", "own_policy"),
        (stored(simulated=False), "first", "not_simulated"),
    ],
)
def test_nothing_new_goes_live_unseen_or_alone(
    policy: StoredPolicy, key_id: str, reason: str, log: PolicyLog
) -> None:
    """Without a simulation of it, or by its author, a policy does not go live."""
    with pytest.raises(Refused) as refusal:
        activate(log, "p-1", policy, key_id=key_id, now=NOW)

    assert refusal.value.reason == reason


def test_the_first_policy_of_a_deployment_goes_live_by_the_second_key() -> None:
    """The packaged one decides until it was looked at, and somebody else has agreed."""
    log, unseen = PolicyLog(), stored(simulated=False)
    with pytest.raises(Refused, match="not_simulated"):
        activate(log, "p-1", unseen, key_id="first", now=NOW)
    seen = with_simulation(unseen, SIMULATION)
    with pytest.raises(Refused, match="own_policy"):
        activate(log, "p-1", seen, key_id="first", now=NOW)

    log = activate(log, "p-1", seen, key_id="second", now=NOW)

    assert log.activations == (Activation("p-1", "second", NOW),)


def test_where_nothing_was_activated_the_packaged_one_is_active() -> None:
    """To activate it changes nothing, and opens no way for another one."""
    log = activate(PolicyLog(), None, None, key_id="first", now=NOW)

    assert log == PolicyLog()
    with pytest.raises(Refused, match="not_simulated"):
        activate(log, "p-1", stored(simulated=False), key_id="second", now=NOW)


@pytest.mark.parametrize("back_to", ["p-0", None])
def test_a_rollback_needs_nobody_else(back_to: str | None) -> None:
    """At night one person may go back to what decided before, or to what ships."""
    live = activate(LIVE, "p-1", stored(), key_id="second", now=NOW)

    log = activate(live, back_to, stored(simulated=False), key_id="first", now=NOW + 1)

    assert log.active == back_to


def test_going_back_stays_a_rollback_however_often_others_were_activated() -> None:
    """What is remembered is bounded, and every policy that decided is in it."""
    log = LIVE
    for nth in range(MOST_LISTED + 5):
        log = activate(log, f"p-{1 + nth % 2}", stored(), key_id="second", now=NOW + nth)

    assert len(log.activations) == MOST_LISTED
    assert log.active == log.activations[-1].hash
    assert activate(log, "p-0", stored(), key_id="first", now=NOW + 999).active == "p-0"


def test_activating_what_is_active_changes_nothing() -> None:
    """So that a cut-short activation can be repeated."""
    assert activate(LIVE, "p-0", stored(), key_id="first", now=NOW + 9) == LIVE


@given(names=st.lists(st.integers(0, 150).map("p-{}".format), max_size=300))
def test_the_list_is_bounded_and_keeps_what_was_active(names: list[str]) -> None:
    """Each policy once; the oldest that never decided is forgotten first."""
    log = LIVE
    log = list_policy(log, Listed("p-0", "p", "first", NOW))
    for name in names:
        log = list_policy(log, Listed(name, "p", "first", NOW))

    listed = [each.hash for each in log.listed]
    assert len(listed) == len(set(listed)) <= MOST_LISTED
    assert "p-0" in listed
    assert not names or names[-1] in listed or len(set(names)) > MOST_LISTED


def test_the_latest_simulations_are_kept() -> None:
    """Beside the document that they are of."""
    policy = stored(simulated=False)
    for number in range(MOST_SIMULATIONS + 5):
        policy = with_simulation(policy, Simulation("k", NOW + number, "x", {"n": number}))

    assert [each.figures["n"] for each in policy.simulations] == list(
        range(5, MOST_SIMULATIONS + 5)
    )
    assert policy.document == {"name": "p"}


def test_both_are_stored_as_json() -> None:
    """What is written is read back the same."""
    log: Any = list_policy(LIVE, Listed("p-0", "p", "first", NOW))

    assert policy_log_from_json(policy_log_to_json(log)) == log
    assert stored_policy_from_json(stored_policy_to_json(stored())) == stored()
