"""The history that lapses: asked of the very model and policy that serve."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.core.absence import settle
from chalicelib.core.facts import CountedOrder, Facts
from chalicelib.core.instants import Instant
from chalicelib.core.rules import Rules
from chalicelib.core.subject import customer
from ops.panel.lapsing import AMOUNT_MINOR, ORDERS, Lapse, find_lapse
from ops.panel.words import PressFailed
from ops.stage_rules import packaged_rules
from tests.unit.core.situations import NOW


@pytest.fixture(scope="module")
def rules() -> Rules:
    """The policy and the model that ship."""
    return packaged_rules()


def facts_of(lapse: Lapse, *, lapses_at: int, left_at: int) -> Facts:
    """Their profile as events make it."""
    orders = tuple(
        CountedOrder(at, str(at), AMOUNT_MINOR, "USD") for at in lapse.ordered_at(lapses_at)
    )
    assert len(orders) == ORDERS
    checkout = Instant(left_at)
    return Facts(customer("c-1"), recent=orders, last_checkout_at=checkout, last_seen_at=checkout)


def test_they_lapse_to_the_second(rules: Rules) -> None:
    """A second before they are still who they were; then the policy has a mail for them."""
    lapse = find_lapse(rules)
    facts = facts_of(lapse, lapses_at=NOW, left_at=NOW - 10)

    def segment(as_of: int) -> str | None:
        found = settle(facts, as_of=as_of, scorer=rules.scorer, policy=rules.policy)
        return found.facts.segment

    assert segment(NOW - 1) == lapse.before
    assert segment(NOW) == lapse.after
    mailed = [
        action
        for action in rules.policy.actions
        if "segment_changed" in action.triggers and lapse.after in action.segments
    ]
    assert mailed


def test_the_checkout_left_alone_is_what_is_due(rules: Rules) -> None:
    """Stored in time, they are due at the very second, and whoever looks finds both."""
    lapse, due_at = find_lapse(rules), NOW + 9
    left_at = due_at - rules.policy.cart_abandoned_after_seconds
    facts = facts_of(lapse, lapses_at=NOW + 8, left_at=left_at)
    stored = settle(facts, as_of=NOW, scorer=rules.scorer, policy=rules.policy)

    assert stored.facts.segment == lapse.before
    assert stored.facts.review_at == due_at
    found = settle(stored.facts, as_of=due_at, scorer=rules.scorer, policy=rules.policy)
    assert found.transition is not None
    assert (found.transition.before, found.transition.after) == (lapse.before, lapse.after)
    assert found.abandoned_checkout_at == left_at


def test_a_policy_without_such_a_mail_is_named(rules: Rules) -> None:
    """Where silence sets off no offer by mail, the button says so."""
    mute = rules.policy.model_copy(
        update={"actions": tuple(each for each in rules.policy.actions if not each.mail)}
    )

    with pytest.raises(PressFailed, match="no mail"):
        find_lapse(replace(rules, policy=mute))
