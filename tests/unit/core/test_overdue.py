"""When somebody must look at an effect again, and where its indexes have it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.effects import TERMINAL, Effect, State, effect_from_json, effect_to_json
from chalicelib.core.mail_list import ASKABLE, NOT_SENT, STANDINGS, answers_to, mail_index, standing
from chalicelib.core.overdue import (
    FIRST_PATIENCE_SECONDS,
    GRACE_SECONDS,
    MOST_PATIENCE_SECONDS,
    look_at,
    open_index,
    queued_again,
)
from chalicelib.core.untouched import ABANDON_AFTER_SECONDS, RESEND_AFTER_SECONDS
from chalicelib.flows.act import LEASE_SECONDS

NOW = 1_795_000_000
MAIL = Effect("e" * 32, "mail", "winback-10", "c#c-1", "d-1", "r-1", planned_at=NOW)
DOUBT: dict[str, Any] = {"state": "IN_DOUBT", "payload": {"purpose": "transactional"}}
STATES: tuple[State, ...] = get_args(State)

moments = st.integers(min_value=NOW, max_value=NOW + 10**6)
effects = st.builds(
    lambda state, changed_at, lease_until, queued_at, times, digits: replace(
        MAIL,
        effect_id=f"{digits:032x}",
        state=state,
        changed_at=changed_at,
        lease_until=lease_until,
        queued_at=queued_at,
        queued_times=times,
    ),
    st.sampled_from(STATES),
    st.none() | moments,
    st.none() | moments,
    st.none() | moments,
    st.integers(min_value=0, max_value=10**6),
    st.integers(min_value=0, max_value=2**128 - 1),
)


@given(effects)
def test_whatever_a_worker_may_still_do_is_looked_at(effect: Effect) -> None:
    """An effect has left the index exactly when no worker has anything left to do."""
    done = effect.state in TERMINAL

    assert (look_at(effect) is None) == done
    assert bool(open_index(effect)) != done


@given(effects, moments)
def test_a_note_moves_the_next_look_away(effect: Effect, now: int) -> None:
    """By a quarter of an hour at least, and by a day at most, from what is due by then."""
    at = look_at(effect)
    if at is None or at > now or (effect.changed_at or effect.planned_at) >= now:
        return

    noted = queued_again(effect, now=now)

    following = look_at(noted)
    assert following is not None
    assert now + FIRST_PATIENCE_SECONDS <= following <= now + MOST_PATIENCE_SECONDS
    assert replace(noted, queued_at=None, queued_times=0) == replace(
        effect, queued_at=None, queued_times=0
    )


@given(effects)
def test_whoever_touches_it_ends_the_patience(effect: Effect) -> None:
    """After a change of state the bound is that of the new state, however long it had waited."""
    now = max(effect.queued_at or NOW, effect.changed_at or NOW)
    taken = replace(effect, state="CLAIMED", changed_at=now, lease_until=now + LEASE_SECONDS)

    assert look_at(taken) == now + LEASE_SECONDS


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"state": "PLANNED"}, NOW + GRACE_SECONDS),
        ({"state": "CLAIMED", "lease_until": NOW + 9}, NOW + 9),
        ({"state": "SENDING", "lease_until": NOW + 9}, NOW + 9),
        ({"state": "CLAIMED", "changed_at": NOW + 5}, NOW + 5 + GRACE_SECONDS),
        ({"state": "IN_DOUBT", "lease_until": 1}, NOW + ABANDON_AFTER_SECONDS),
        ({**DOUBT, "posts": 1}, NOW + RESEND_AFTER_SECONDS),
        ({**DOUBT, "posts": 1, "not_before": NOW + 3_600}, NOW + 3_600),
        ({**DOUBT, "posts": 2, "not_before": NOW + 3_600}, NOW + ABANDON_AFTER_SECONDS),
        ({"state": "PLANNED", "not_before": NOW + 900}, NOW + 900),
        ({"state": "PLANNED", "not_before": NOW + 900, "reason": "quota"}, NOW + 900),
        ({"state": "PLANNED", "not_before": NOW + 1, "reason": "rate"}, NOW + 1 + GRACE_SECONDS),
        ({"state": "ACCEPTED", "lease_until": NOW + 9}, None),
    ],
)
def test_the_moment_of_each_state(changes: dict[str, Any], at: int | None) -> None:
    """The end of the lease or of the wait, or a grace for the message that must be there."""
    assert look_at(replace(MAIL, **changes)) == at


@given(effects)
def test_an_effect_with_its_note_is_stored_whole(effect: Effect) -> None:
    """What the sweep has noted comes back from storage."""
    assert effect_from_json(effect_to_json(effect)) == effect


@given(effects)
def test_every_mail_stands_once_and_is_found_by_its_state(effect: Effect) -> None:
    """Whatever its state, one shard of one standing has it, and its state is a question for it."""
    attributes = mail_index(effect)

    assert str(attributes["listed_under"]).partition("#")[0] == standing(effect)
    assert standing(effect) in ASKABLE[effect.state]
    assert answers_to(effect, effect.state)
    assert answers_to(effect, None)
    assert [asked for asked in STATES if answers_to(effect, asked)] == [effect.state]
    assert answers_to(effect, "not_sent") == (standing(effect) in NOT_SENT)


@given(effects)
def test_the_way_through_the_ledger_costs_the_list_nothing(effect: Effect) -> None:
    """Planned, claimed and sending, a mail has one and the same entry."""
    states: tuple[State, ...] = ("PLANNED", "CLAIMED", "SENDING")

    assert len({str(mail_index(replace(effect, state=state))) for state in states}) == 1


@given(effects)
def test_what_is_no_mail_is_not_listed(effect: Effect) -> None:
    """Events, offers and tiers are nobody's mail."""
    assert mail_index(replace(effect, kind="event")) == {}


def test_every_state_can_be_asked_for_and_every_standing_is_reached() -> None:
    """The words of the interface, the states of the ledger and the parts of the list agree."""
    assert set(ASKABLE) == {*STATES, "held", "not_sent"}
    assert {name for names in ASKABLE.values() for name in names} == set(STANDINGS)
