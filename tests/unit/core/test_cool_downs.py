"""Cool-down after an outcome, and what the cap on mails leaves, as layers of a decision."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.contact_policy import ContactPolicy, Mailed, is_capped, mails_left
from chalicelib.core.cool_downs import CoolDown, cooling
from chalicelib.core.errors import BadInput
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.policy import Policy
from chalicelib.core.situation import Permissions, Situation
from tests.unit.core.offering import policy_with
from tests.unit.core.situations import NOW, buyer, checkout
from tests.unit.core.test_engagement_conditions import became_of, decided

MAIL = {"template": "winback", "repeat_after_days": 3}
REACHABLE = Permissions(has_address=True, consents={"marketing_email": True})


def policy_of(*cool_downs: dict[str, Any], **mail: Any) -> Policy:
    """An action for the checkout and one for mail too, under cool-downs."""
    return policy_with(
        {},
        {"placements": ["checkout", "mail", "batch"], "mail": {**MAIL, **mail}},
        offers_per_decision=2,
        contact_policy={"cool_downs": list(cool_downs)},
    )


def mailing(**changes: Any) -> Situation:
    """Somebody who could be mailed."""
    return checkout(**{"placement": "mail", "lines": (), "permissions": REACHABLE, **changes})


@pytest.mark.parametrize(
    ("cool_down", "path", "words"),
    [
        ({"after": "ordered"}, "contact_policy.cool_downs.0.days", "required"),
        ({"after": "opened", "days": 3}, "contact_policy.cool_downs.0.after", "'ordered'"),
        ({"after": "ordered", "days": 0}, "contact_policy.cool_downs.0.days", "greater than"),
        ({"after": "ordered", "days": 366}, "contact_policy.cool_downs.0.days", "less than"),
        ({"after": "redeemed", "days": 91}, "contact_policy.cool_downs.0", "at most 90 after"),
        (
            {"after": "ordered", "days": 3, "actions": ["a-0", "a-9"]},
            "contact_policy.cool_downs.0.actions.1",
            "a-9 is no action",
        ),
    ],
)
def test_a_cool_down_that_cannot_be_kept_is_refused(
    cool_down: dict[str, Any], path: str, words: str
) -> None:
    """By its path."""
    with pytest.raises(BadInput) as refusal:
        policy_of(cool_down)

    assert any(e.field == path and words in e.problem for e in refusal.value.errors)


@pytest.mark.parametrize(("silent_days", "waits"), [(0, True), (6, True), (7, False), (8, False)])
def test_an_order_keeps_actions_away(silent_days: int, waits: bool) -> None:
    """For so many days from the order on, at the checkout and by mail."""
    policy = policy_of({"after": "ordered", "days": 7})
    facts = buyer(silent_days=silent_days)
    expected = ("contact_policy", "cool_down_after_order")

    for situation in (checkout(facts=facts), mailing(facts=facts)):
        assert (became_of(decided(situation, policy), "a-1") == expected) is waits


def test_a_cool_down_names_its_actions() -> None:
    """The others go on; without orders there is nothing to wait for."""
    policy = policy_of({"after": "ordered", "days": 30, "actions": ["a-1"]})

    assert decided(checkout(facts=buyer(silent_days=3)), policy).chosen == ("a-0",)
    assert decided(checkout(facts=None), policy).chosen == ("a-0", "a-1")


def test_the_use_of_a_code_keeps_actions_away() -> None:
    """By the moment of its use, whatever was ordered."""
    policy = policy_of({"after": "redeemed", "days": 14})
    used = decided(checkout(redeemed_at=NOW - 14 * DAY_SECONDS + 1), policy)
    past = decided(checkout(redeemed_at=NOW - 14 * DAY_SECONDS), policy)

    assert became_of(used) == ("contact_policy", "cool_down_after_redemption")
    assert past.chosen == decided(checkout(), policy).chosen == ("a-0", "a-1")


def test_a_transactional_mail_waits_for_nothing() -> None:
    """A customer waits for it; neither cool-down nor cap is about it."""
    policy = policy_of({"after": "ordered", "days": 30}, purpose="transactional")
    situation = mailing(facts=buyer(silent_days=1), mails_left=0)

    assert decided(situation, policy).chosen == ("a-1",)


@pytest.mark.parametrize("placement", ["mail", "batch"])
def test_what_the_cap_leaves_is_asked_before_a_mail_is_planned(placement: str) -> None:
    """So no code is issued for a mail that will not be sent, and the record says why."""
    policy = policy_of()

    full = decided(mailing(placement=placement, mails_left=0), policy)
    room = decided(mailing(placement=placement, mails_left=1), policy)

    assert became_of(full, "a-1") == ("contact_policy", "frequency_cap")
    assert room.chosen == ("a-1",)


def test_the_cap_is_no_matter_where_somebody_asks() -> None:
    """At a checkout nobody is mailed."""
    assert decided(checkout(mails_left=0), policy_of()).chosen == ("a-0", "a-1")


@given(
    at=st.lists(st.integers(NOW - 20 * DAY_SECONDS, NOW), max_size=8),
    most=st.integers(1, 6),
    days=st.integers(1, 20),
)
def test_the_cap_leaves_what_sending_will_find(at: list[int], most: int, days: int) -> None:
    """A mail is planned where the cap leaves one, exactly when it could be sent now."""
    policy = ContactPolicy(max_marketing_mails=most, window_days=days)
    mailed = Mailed({f"e-{n}": moment for n, moment in enumerate(at)})

    left = mails_left(mailed, policy=policy, now=NOW)

    assert 0 <= left <= most
    assert (left == 0) is is_capped(mailed, "another", policy=policy, now=NOW)
    assert mails_left(None, policy=policy, now=NOW) == most


@given(
    days=st.integers(1, 90),
    ordered=st.none() | st.integers(NOW - 100 * DAY_SECONDS, NOW + DAY_SECONDS),
    redeemed=st.none() | st.integers(NOW - 100 * DAY_SECONDS, NOW + DAY_SECONDS),
    later=st.integers(0, 100 * DAY_SECONDS),
)
def test_time_only_ends_a_cool_down(
    days: int, ordered: int | None, redeemed: int | None, later: int
) -> None:
    """Whoever need not wait now need not wait later, without another outcome."""
    cool_downs = (CoolDown(after="ordered", days=days), CoolDown(after="redeemed", days=days))

    def waits(as_of: int) -> bool:
        known = {"ordered_at": ordered, "redeemed_at": redeemed}
        return cooling(cool_downs, "a", **known, as_of=as_of) is not None

    assert waits(NOW) or not waits(NOW + later)
    latest = max((at for at in (ordered, redeemed) if at is not None), default=None)
    assert waits(NOW) is (latest is not None and NOW - latest < days * DAY_SECONDS)
