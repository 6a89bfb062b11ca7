"""Tombstones and pseudonyms: what they tell, and what nobody can read from them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.address import (
    AddressState,
    address_from_json,
    address_to_json,
    forget_account,
    regrant,
    withdraw,
)
from chalicelib.core.consents import (
    LedgerHead,
    Statement,
    append_entry,
    entry_from_json,
    entry_to_json,
    head_from_json,
    head_to_json,
    is_intact,
)
from chalicelib.core.coupons import money_of, state_of
from chalicelib.core.effects import TERMINAL, Effect, State
from chalicelib.core.erasure import erased_coupon, erased_effect
from chalicelib.core.instants import CLOCK_SKEW_SECONDS
from chalicelib.core.offers import Coupon, Offer, Use
from chalicelib.core.tombstones import (
    Tombstone,
    pseudonym,
    subject_hash,
    tombstone_from_json,
    tombstone_to_json,
)

MOMENTS = st.integers(0, 2_000_000_000)
ACCOUNTS = st.sampled_from(["c#1", "c#2", "a#1"])
PURPOSES = st.sampled_from(["marketing_email", "profiling"])
STATES: list[State] = [
    "PLANNED",
    "CLAIMED",
    "SENDING",
    "IN_DOUBT",
    *sorted(TERMINAL),
]


@given(MOMENTS, st.none() | st.just("0a" * 16))
def test_a_tombstone_comes_back_equal(at: int, key: str | None) -> None:
    """What is stored is what is read."""
    tombstone = Tombstone(at, key)

    assert tombstone_from_json(tombstone_to_json(tombstone)) == tombstone
    assert tombstone.is_complete == (key is None)


def test_it_covers_what_a_clock_ahead_may_have_said_before() -> None:
    """Up to the tolerated difference of clocks after it, and not a second more."""
    tombstone = Tombstone(1000)

    assert tombstone.covers(1000 + CLOCK_SKEW_SECONDS)
    assert not tombstone.covers(1001 + CLOCK_SKEW_SECONDS)


def test_names_depend_on_their_secrets() -> None:
    """Without the secret nobody can tell whose tombstone or pseudonym it is."""
    assert subject_hash("c#1", secret=b"a" * 32) != subject_hash("c#1", secret=b"b" * 32)
    assert subject_hash("c#1", secret=b"a" * 32) != subject_hash("c#2", secret=b"a" * 32)
    assert pseudonym("c#1", key="0a") != pseudonym("c#1", key="0b")


def test_every_open_effect_ends_and_every_other_stays() -> None:
    """Planned and claimed are suppressed, doubtful abandoned; one in the air is left in the air."""
    ends = {}
    for state in STATES:
        effect = Effect("e", "mail", "a", "c#1", "d", "c", 1, {"sku": "s"}, state=state)
        gone = erased_effect(effect, pseudonym="x#1", now=9)
        assert (gone.subject_key, gone.payload, gone.correlation_id) == ("x#1", {}, "erased")
        assert erased_effect(gone, pseudonym="x#1", now=10) == gone
        ends[state] = gone.state

    assert ends == {
        **{state: state for state in STATES},
        "PLANNED": "SUPPRESSED",
        "CLAIMED": "SUPPRESSED",
        "IN_DOUBT": "ABANDONED",
    }


def test_a_code_that_was_used_stays_used_by_nobody() -> None:
    """What a use took of a budget still counts; whose order it was is forgotten."""
    offer = Offer("a", "CODE", "percent_off", 10, 9)
    used = Coupon(offer, "c#1", "d", 1, uses=(Use("o-1", "redeemed", 300, budgeted=True),))

    gone = erased_coupon(used, pseudonym="x#1")

    assert (gone.subject_key, gone.uses[0].order_id) == ("x#1", "erased-1")
    assert state_of(gone, now=5) == "redeemed"
    assert money_of(gone) == money_of(used)
    assert erased_coupon(gone, pseudonym="x#1") == gone


@given(st.lists(st.tuples(st.sampled_from(["withdraw", "regrant"]), PURPOSES, ACCOUNTS, MOMENTS)))
def test_an_address_binds_everybody_or_frees_one(
    said: list[tuple[str, str, str, int]],
) -> None:
    """After any history: a purpose that binds an account was withdrawn, and comes back equal."""
    state = AddressState()
    for verb, purpose, account, at in said:
        if verb == "withdraw":
            state = withdraw(state, purpose, at=at)
            assert all(state.binds(purpose, subject_key=each) for each in ("c#1", "c#2", "a#1"))
        else:
            before = state
            state = regrant(state, purpose, subject_key=account, at=at)
            others = {"c#1", "c#2", "a#1"} - {account}
            assert all(
                state.binds(purpose, subject_key=each) == before.binds(purpose, subject_key=each)
                for each in others
            )
            assert state.withdrawn == before.withdrawn
    assert address_from_json(address_to_json(state)) == state
    forgotten = forget_account(state, "c#1")
    assert set(forgotten.withdrawn_for("c#1")) == set(state.withdrawn)


STATEMENTS = st.builds(
    Statement,
    purpose=PURPOSES,
    granted=st.booleans(),
    basis=st.just("consent"),
    wording=st.text(max_size=9),
    source=st.text(max_size=9),
    said_at=MOMENTS,
)


@given(st.lists(STATEMENTS, min_size=1, max_size=6), st.data())
def test_no_entry_can_be_changed_left_out_or_moved(
    statements: list[Statement], data: st.DataObject
) -> None:
    """The chain holds as it was written; without an entry, or with one altered, it does not."""
    head, entries = LedgerHead(), []
    for at, statement in enumerate(statements):
        head, entry = append_entry(head, statement, recorded_at=at, key_id="k", address_hash=None)
        entries.append(entry_from_json(entry_to_json(entry)))
    assert head_from_json(head_to_json(head)) == head
    assert head.began_at == 0
    assert is_intact(head, entries)

    at = data.draw(st.integers(0, len(entries) - 1))
    assert not is_intact(head, entries[:at] + entries[at + 1 :])
    altered = entry_from_json({**entry_to_json(entries[at]), "recorded_at": 99})
    assert not is_intact(head, [*entries[:at], altered, *entries[at + 1 :]])
    if len(entries) > 1:
        assert not is_intact(head, [*entries[1:], entries[0]])
