"""Arms at work in a decision: what they change, and of which experiments a decision is evidence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.answer import build_answer
from chalicelib.core.decide import Decision
from chalicelib.core.offers import Offer
from chalicelib.core.policy import Policy
from chalicelib.core.record import (
    build_record,
    decision_from_json,
    decision_to_json,
    situation_from_json,
    situation_to_json,
)
from chalicelib.core.replay import differences
from chalicelib.core.situation import Context, Held, Situation
from chalicelib.core.subject import Subject, customer
from tests.unit.core.offering import policy_with
from tests.unit.core.situations import KEYS, NOW, buyer, checkout
from tests.unit.core.test_engagement_conditions import SHIPPED, became_of, decided, rules_of
from tests.unit.core.test_experiments import arms, experiment

TIERS = [
    {"name": "winback", "segments": ["at_risk"], "discount_basis_points": 500},
    {
        "name": "deep",
        "segments": ["at_risk"],
        "discount_basis_points": 900,
        "only_in_experiments": True,
    },
]
DEEPER = experiment("e-t", arms=arms(price_tiers=["deep"]))


def who(policy: Policy, *, within: str, arm: str) -> Subject:
    """The first customer in an arm."""
    one = next(each for each in policy.experiments if each.id == within)
    for n in range(1000):
        subject = customer(f"c-{n}")
        decision = decided(checkout(subject=subject), policy)
        if decision.arms.get(one.id) == arm:
            return subject
    raise AssertionError("nobody is in that arm")


def at(subject: Subject, **changes: Any) -> Situation:
    """Somebody at the checkout, at risk."""
    facts = buyer(silent_days=100, subject=subject)
    return checkout(**{"subject": subject, "facts": facts, **changes})


def both(policy: Policy, within: str, **changes: Any) -> tuple[Decision, Decision]:
    """The decisions on somebody in each arm."""
    first, second = (
        decided(at(who(policy, within=within, arm=arm), **changes), policy)
        for arm in ("as-ever", "new")
    )
    return first, second


def shop(*experiments: dict[str, Any], **changes: Any) -> Policy:
    """Two actions at the checkout, two tiers, and experiments."""
    return policy_with(
        {"value_minor": 2000},
        {"value_minor": 1000, **changes.pop("second", {})},
        price_tiers=TIERS,
        experiments=list(experiments),
        **changes,
    )


def test_an_arm_switches_an_action_off() -> None:
    """The next one is chosen, the reason is told, and both arms are evidence."""
    policy = shop(experiment(arms=arms(off=["a-0"])))

    as_ever, new = both(policy, "e-0")

    assert (as_ever.chosen, new.chosen) == (("a-0",), ("a-1",))
    assert became_of(new) == ("experiment", "switched_off")
    assert as_ever.exposures == new.exposures == ("e-0",)
    assert new.exposed_arms == {"e-0": "new"}


def test_an_arm_changes_a_lever() -> None:
    """The action of less value wins where it is pushed three times as hard."""
    as_ever, new = both(shop(experiment(arms=arms(levers={"a-1": 3.0}))), "e-0")

    assert (as_ever.chosen, new.chosen) == (("a-0",), ("a-1",))


def test_an_arm_takes_other_tiers() -> None:
    """A tier for experiments is taken by nobody else; no tiers are the base price."""
    as_ever, new = both(shop(DEEPER), "e-t")
    none = both(shop(experiment("e-t", arms=arms(price_tiers=[]))), "e-t")[1]

    assert (as_ever.tier, new.tier, none.tier) == ("winback", "deep", "base")
    assert as_ever.exposures == new.exposures == none.exposures == ("e-t",)
    assert none.price_reason == "no_tier_fits"


def test_a_session_keeps_the_tier_that_it_was_shown() -> None:
    """Even where the experiment that gave it has ended, and then it is evidence of none."""
    held = Held("deep", ())
    over = shop({**DEEPER, "until": "2026-01-01"})

    decision = decided(at(customer("c-1"), held=held), over)

    assert (decision.tier, decision.price_reason) == ("deep", "session_kept")
    assert (decision.arms, decision.exposures) == ({}, ())


def test_only_what_could_have_been_otherwise_is_evidence() -> None:
    """An assignment alone is none: not where the action would not have competed in any arm."""
    never = {"second": {"eligibility": ["cart_minor < 0"]}}
    policy = shop(experiment(arms=arms(off=["a-1"])), DEEPER, **never)

    as_ever, new = both(policy, "e-0")
    champions = decided(at(customer("c-1"), facts=buyer(silent_days=10)), policy)
    pageless = decided(at(customer("c-1"), lines=()), policy)

    assert as_ever.exposures == new.exposures == ("e-t",)
    assert (set(champions.arms), champions.exposures) == ({"e-0", "e-t"}, ())
    assert pageless.exposures == ()


def test_what_another_experiment_switched_off_is_no_evidence() -> None:
    """Whatever the lever's arm, the action would not have been chosen."""
    policy = shop(
        experiment("e-0", arms=arms(levers={"a-0": 0.5})),
        experiment("e-1", arms=arms(off=["a-0"])),
    )
    for n in range(200):
        decision = decided(at(customer(f"c-{n}")), policy)
        if decision.arms["e-1"] == "new":
            assert decision.exposures == ("e-1",)
        else:
            assert decision.exposures == ("e-0", "e-1")


def test_what_a_session_was_shown_is_no_new_evidence() -> None:
    """It is kept in every arm."""
    offer = {"kind": "percent_off", "value": 10, "valid_days": 7}
    policy = shop(experiment(arms=arms(off=["a-1"])), second={"offer": offer})
    held = Held(None, (Offer("a-1", "CODE", "percent_off", 10, NOW + 99),))

    decision = decided(at(customer("c-1"), held=held), policy)

    assert (decision.chosen, decision.exposures) == (("a-1",), ())


@pytest.mark.parametrize("signal", ["pricing_opt_out", "gpc"])
def test_whoever_opted_out_is_in_no_arm(signal: str) -> None:
    """Nothing is personalised for them that could be compared."""
    policy = shop(experiment(arms=arms(off=["a-0"])), DEEPER)
    signals: dict[str, Any] = {signal: True}
    opted = Context(country="US", region="TX", currency="USD", **signals)

    decision = decided(at(customer("c-1"), context=opted), policy)

    assert (decision.arms, decision.exposures) == ({}, ())


def test_whoever_is_held_out_is_in_no_arm() -> None:
    """The holdout stands above all experiments."""
    everyone = {"share_percent": 50, "salt": "s"}
    policy = shop(experiment(arms=arms(off=["a-0"])), holdout=everyone)
    decisions = [decided(at(customer(f"c-{n}")), policy) for n in range(50)]

    assert {bool(d.arms) for d in decisions if d.holdout} == {False}
    assert {bool(d.arms) for d in decisions if not d.holdout} == {True}


def test_the_control_group_of_an_action_is_told() -> None:
    """It competes for the others; for them the reason is told where it would have competed."""
    policy = shop(second={"control_share_percent": 50, "value_minor": 9000})
    out = shop(
        second={"control_share_percent": 50, "value_minor": 9000, "eligibility": ["churn > 2"]}
    )
    outcomes: dict[tuple[str, str], set[tuple[str, ...]]] = {}
    for n in range(100):
        decision = decided(at(customer(f"c-{n}")), policy)
        outcomes.setdefault(became_of(decision, "a-1"), set()).add(decision.chosen)
        assert decision.is_evidence is (became_of(decision, "a-1")[1] == "control")
        assert became_of(decided(at(customer(f"c-{n}")), out), "a-1")[0] == "eligibility"

    assert outcomes == {
        ("experiment", "control"): {("a-0",)},
        ("arbitration", "highest_priority"): {("a-1",)},
    }


def test_answer_and_record_name_the_arms() -> None:
    """The answer every assignment, the record also what the decision is evidence of."""
    policy = shop(experiment(arms=arms(off=["a-0"])), DEEPER)
    situation = at(customer("c-1"))
    decision = decided(situation, policy)

    answer = build_answer(situation, decision, policy_hash=policy.hash, keys=KEYS)
    stored = decision_to_json(decision)

    assert answer["experiment"] == {"holdout": False, "arms": dict(decision.arms)}
    assert set(decision.arms) == {"e-0", "e-t"}
    assert (stored["arms"], stored["exposures"]) == (dict(decision.arms), ["e-0", "e-t"])
    assert decision_from_json(stored) == decision


def test_a_record_from_before_is_read_back() -> None:
    """Without arms, without what is known of mails and codes."""
    plain = policy_with({})
    decision, situation = decided(checkout(), plain), checkout()

    assert {"arms", "exposures", "not_running"}.isdisjoint(decision_to_json(decision))
    assert {"redeemed_at", "mails_left"}.isdisjoint(situation_to_json(situation))
    told = at(customer("c-1"), redeemed_at=NOW - 5, mails_left=2)
    assert situation_from_json(situation_to_json(told)) == told


@given(n=st.integers(0, 10**6), silent_days=st.integers(0, 400))
def test_decisions_of_experiments_decide_again_to_the_same(n: int, silent_days: int) -> None:
    """Arms follow from the customer and the policy, so nothing of them need be stored."""
    policy = shop(
        experiment("e-0", arms=arms(off=["a-0"]), when="churn > 0.5"),
        experiment("e-1", arms=arms(levers={"a-1": 3.0}), layer="l", to_percent=60),
        DEEPER,
        second={"control_share_percent": 20},
    )
    subject = customer(f"c-{n}")
    situation = at(subject, facts=buyer(silent_days=silent_days, subject=subject))
    decision = decided(situation, policy)
    record = build_record(
        situation,
        decision,
        policy=policy,
        jurisdictions_hash=SHIPPED.jurisdictions_hash,
        scorer=SHIPPED.scorer,
        correlation_id="r-1",
    )

    assert differences(record, rules=rules_of(policy)) == ()
    assert set(decision.exposures) <= set(decision.arms)
