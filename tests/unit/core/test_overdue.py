"""When somebody must look at an effect again, and where its indexes have it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.effects import (
    TERMINAL,
    TRANSITIONS,
    Effect,
    State,
    claim,
    effect_from_json,
    effect_to_json,
    enter_sending,
    hold,
    move,
)
from chalicelib.core.mail_list import ASKABLE, NOT_SENT, STANDINGS, answers_to, mail_index, standing
from chalicelib.core.overdue import (
    FIRST_PATIENCE_SECONDS,
    GRACE_SECONDS,
    MOST_PATIENCE_SECONDS,
    has_its_own_message,
    is_superseded,
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
    if at is None or at > now:
        return

    noted = queued_again(effect, now=now)

    following = look_at(noted)
    assert following is not None
    assert now + FIRST_PATIENCE_SECONDS <= following <= now + MOST_PATIENCE_SECONDS
    assert replace(noted, queued_at=None, queued_times=0) == replace(
        effect, queued_at=None, queued_times=0
    )


@given(effects, moments, st.sampled_from(STATES))
def test_whoever_moves_it_ends_the_patience(effect: Effect, now: int, to: State) -> None:
    """The bound is that of the new state, however long it had waited, whoever's clock is behind."""
    if to not in TRANSITIONS[effect.state]:
        return

    moved = move(effect, to, now=now)

    assert (moved.queued_at, moved.queued_times) == (None, 0)
    assert look_at(moved) == look_at(replace(effect, state=to, changed_at=now, queued_at=None))


@given(effects, moments)
def test_a_dead_worker_is_missed_when_its_lease_ends(effect: Effect, now: int) -> None:
    """Whatever the sweep had noted, and whatever moment the worker took it for."""
    if effect.state != "PLANNED":
        return

    taken = claim(effect, owner="dead", now=now, lease_seconds=LEASE_SECONDS)

    assert look_at(taken) == now + LEASE_SECONDS
    assert look_at(enter_sending(taken, now=now)) == now + LEASE_SECONDS


@given(effects, moments, st.sampled_from(["rate", "quota", "quiet_hours", "sending_off"]))
def test_a_hold_has_one_owner(effect: Effect, until: int, reason: str) -> None:
    """A hold of seconds by its message, with a grace for it; any other by the sweep, in time."""
    if effect.state not in ("PLANNED", "CLAIMED"):
        return

    held = hold(effect, until=until, reason=reason, now=NOW)

    assert has_its_own_message(held) == (reason == "rate")
    assert look_at(held) == until + (GRACE_SECONDS if reason == "rate" else 0)
    lane = "waiting" if reason == "rate" else "held"
    assert str(open_index(held)["open_shard"]).startswith(f"{lane}#")


@given(effects, moments, st.none() | moments)
def test_a_message_is_void_once_another_was_sent(
    effect: Effect, until: int, sent_for: int | None
) -> None:
    """Only of a hold that has its own message, and then every other one."""
    if effect.state not in ("PLANNED", "CLAIMED"):
        return
    short = hold(effect, until=until, reason="rate", now=NOW)

    assert is_superseded(short, sent_for) == (sent_for != until)
    assert not is_superseded(hold(effect, until=until, reason="quota", now=NOW), sent_for)
    assert not is_superseded(replace(MAIL, state="PLANNED"), sent_for)


@pytest.mark.parametrize("kind", ["transactional", "marketing_email"])
def test_a_doubt_that_is_held_keeps_its_age(kind: str) -> None:
    """It is posted again, or given up, by when the doubt began, and waits besides."""
    doubt = replace(
        MAIL,
        state="IN_DOUBT",
        payload={"purpose": kind},
        posts=1,
        changed_at=NOW,
        reason="no_answer",
    )

    held = hold(
        queued_again(doubt, now=NOW + 900), until=NOW + 5_000, reason="quota", now=NOW + 900
    )

    assert (held.state, held.reason, held.changed_at) == ("IN_DOUBT", "no_answer", NOW)
    again = kind == "transactional"
    assert look_at(held) == NOW + (5_000 if again else ABANDON_AFTER_SECONDS)
    assert not has_its_own_message(replace(held, reason="rate"))


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
