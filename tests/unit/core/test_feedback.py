"""What feedback does to an effect and to an address."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.address import (
    AddressState,
    address_from_json,
    address_to_json,
    suppress,
    withdraw,
)
from chalicelib.core.effects import SENT, Effect, State, effect_from_json, effect_to_json
from chalicelib.core.errors import Refused
from chalicelib.core.feedback import Feedback, hear, suppressed_by

NOW = 1_772_000_000
MAIL = Effect("e", "mail", "a", "c#1", None, "r", NOW, {"purpose": "marketing_email"})
WORDS = (
    "send",
    "delivery",
    "reject",
    "bounce_permanent_general",
    "bounce_permanent_noemail",
    "bounce_transient_mailboxfull",
    "bounce_transient_general",
    "complaint_abuse",
    "complaint_fraud",
)


def said(word: str, at: int = NOW) -> Feedback:
    """One piece of feedback."""
    return Feedback("e", word, at, NOW, "ses-1", ("h",))


def heard(effect: Effect, words: list[str]) -> Effect:
    """The effect after these words, in this order."""
    for word in words:
        effect = hear(effect, said(word), now=NOW)
    return effect


@given(
    words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=12),
    seed=st.randoms(use_true_random=False),
    start=st.sampled_from(["SENDING", "IN_DOUBT", "ACCEPTED", "ABANDONED", "CLAIMED"]),
)
def test_in_any_order_and_any_number_it_comes_to_the_same(
    words: list[str], seed: object, start: State
) -> None:
    """A delivery after a complaint, a bounce after a delivery: the same words, the same end."""
    shuffled = sorted(words)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    begin = replace(MAIL, state=start)

    one, other = heard(begin, words), heard(begin, shuffled + words)

    assert one == other
    assert one.state in SENT
    assert hear(one, said(words[0]), now=NOW + 5) is one
    assert effect_from_json(effect_to_json(one)) == one


@pytest.mark.parametrize("state", ["PLANNED", "FAILED", "SUPPRESSED"])
def test_feedback_for_what_was_never_sent_is_refused(state: State) -> None:
    """The ledger knows that no such mail left; nothing it is told changes that."""
    with pytest.raises(Refused, match="never_sent"):
        hear(replace(MAIL, state=state), said("delivery"), now=NOW)


def test_a_claim_ends_when_the_provider_has_the_mail_after_all() -> None:
    """Whatever its answer was: it is not sent a second time."""
    claimed = replace(MAIL, state="CLAIMED", owner="w", posts=0)

    assert hear(claimed, said("send"), now=NOW).state == "ACCEPTED"


@given(st.permutations(["bounce_permanent_general", "complaint_abuse", "bounce_permanent_noemail"]))
def test_an_address_keeps_the_earliest_reason(order: list[str]) -> None:
    """In any order; and what the owner withdrew stays beside it."""
    at = {"complaint_abuse": NOW, "bounce_permanent_general": NOW + 5}
    state = withdraw(AddressState(), "profiling", at=NOW)
    for word in order:
        event = said(word, at.get(word, NOW + 9))
        state = suppress(state, suppressed_by(event), at=event.at)

    assert {audience: why.reason for audience, why in state.suppressed.items()} == {
        "marketing": "complained",
        "transactional": "bounced",
    }
    assert state.suppressed["transactional"].at == NOW + 5
    assert address_from_json(address_to_json(state)) == state


def test_an_address_stored_before_there_was_suppression_is_read() -> None:
    """Earlier withdrawals keep holding."""
    assert address_from_json({"withdrawn": {"profiling": 1}}) == AddressState({"profiling": 1})
