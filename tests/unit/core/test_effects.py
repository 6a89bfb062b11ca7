"""The states of an effect, and who may take it."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from chalicelib.core.effects import (
    SENT,
    TERMINAL,
    TRANSITIONS,
    Effect,
    State,
    claim,
    effect_from_json,
    effect_to_json,
    move,
)
from chalicelib.core.errors import Refused

STATES: tuple[State, ...] = get_args(State)
PLANNED = Effect("e1", "mail", "winback-10", "c#1", "d_1", "r-1", planned_at=100)


@pytest.mark.parametrize(("start", "to"), list(product(STATES, STATES)))
def test_only_the_arrows_of_the_table_exist(start: State, to: State) -> None:
    """Every pair of states is either an arrow of the table or refused by name."""
    effect = Effect("e1", "mail", "a", "c#1", None, "r-1", planned_at=1, state=start)

    if to in TRANSITIONS[start]:
        assert move(effect, to, now=5).state == to
    else:
        with pytest.raises(Refused, match="transition_refused"):
            move(effect, to, now=5)


def test_only_feedback_leaves_a_terminal_state() -> None:
    """Done is done for every worker; what the provider says later only says where a mail is."""
    assert all(TRANSITIONS[state] <= SENT for state in TERMINAL)


def test_a_claim_holds_until_its_lease_ends() -> None:
    """A second worker waits for the lease, then takes over; attempts are counted."""
    first = claim(PLANNED, owner="w1", now=100, lease_seconds=60)
    with pytest.raises(Refused, match="held_by_another"):
        claim(first, owner="w2", now=159, lease_seconds=60)

    second = claim(first, owner="w2", now=160, lease_seconds=60)

    assert (second.owner, second.attempts, second.lease_until) == ("w2", 2, 220)


@pytest.mark.parametrize(
    ("state", "reason"), [("SENDING", "in_doubt"), ("ACCEPTED", "already_done")]
)
def test_what_was_begun_or_done_is_never_taken_again(state: State, reason: str) -> None:
    """A worker that may have sent leaves a state that nobody claims, lease or not."""
    effect = Effect("e1", "mail", "a", "c#1", None, "r-1", 1, state=state, lease_until=2)

    with pytest.raises(Refused, match=reason):
        claim(effect, owner="w2", now=10_000, lease_seconds=60)


@pytest.mark.parametrize("effect", [PLANNED, claim(PLANNED, owner="w", now=1, lease_seconds=9)])
def test_an_effect_survives_storage(effect: Effect) -> None:
    """What is stored comes back equal."""
    assert effect_from_json(effect_to_json(effect)) == effect
