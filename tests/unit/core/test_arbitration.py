"""Exploration within stacking rules and control groups: an exact choice, and what stands by it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from math import fsum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.combination import Contender, convene
from chalicelib.core.decide import Decision
from chalicelib.core.exploration import NOTHING
from chalicelib.core.learning import publish
from chalicelib.core.outcomes import trial_of
from chalicelib.core.policy import Policy
from chalicelib.core.record import build_record
from chalicelib.core.replay import differences
from chalicelib.core.situation import Situation
from chalicelib.core.stacking import StackingRules
from chalicelib.core.subject import customer
from tests.unit.core.learnt import document, estimate, learned
from tests.unit.core.offering import policy_with
from tests.unit.core.situations import buyer, checkout
from tests.unit.core.test_combination import NAMES, some_rules
from tests.unit.core.test_engagement_conditions import became_of, decided, rules_of

# a-0 is exclusive; a-1 and a-2 may stand together. Each is worth 1000 if accepted.
GROUPS: tuple[dict[str, Any], ...] = (
    {"exclusion_groups": ["x", "y"]},
    {"exclusion_groups": ["x"]},
    {"exclusion_groups": ["y"]},
)
# a-0 is worth most alone under every sample, and less than both others under the last two.
SAMPLES = {
    "a-0": [0.30, 0.30, 0.30, 0.30],
    "a-1": [0.10, 0.10, 0.20, 0.25],
    "a-2": [0.10, 0.15, 0.25, 0.20],
}
SHARES = st.sampled_from([Fraction(0), Fraction(1, 10), Fraction(2, 5)])


def exploring(*actions: dict[str, Any], most: int = 2, **changes: Any) -> Policy:
    """A policy that explores, with these actions."""
    return policy_with(
        *actions, exploration={}, offers_per_decision=most, price_tiers=[], **changes
    )


def told(decision: Decision) -> dict[str, float]:
    """The probability of every finalist."""
    assert decision.choice is not None
    return {each.action: each.action_probability for each in decision.choice.finalists}


def anybody(n: int, **changes: Any) -> Situation:
    """Somebody at the checkout, of whose segment something was learned."""
    who = customer(f"c-{n}")
    facts = buyer(silent_days=100, subject=who)
    return checkout(**{"subject": who, "facts": facts, "learned": learned(SAMPLES), **changes})


def record_of(situation: Situation, policy: Policy) -> dict[str, Any]:
    """The record of a decision."""
    rules = rules_of(policy)
    return build_record(
        situation,
        decided(situation, policy),
        policy=policy,
        jurisdictions_hash=rules.jurisdictions_hash,
        scorer=rules.scorer,
        correlation_id="r-1",
    )


def test_the_first_place_goes_to_the_best_allowed_set_of_a_sample() -> None:
    """By itself a-0 would always win; together the others are worth more under two of four."""
    policy = exploring(*GROUPS)
    counted: Counter[tuple[str, ...]] = Counter()
    for n in range(400):
        decision = decided(anybody(n), policy)
        assert told(decision) == {"a-0": 0.5, "a-2": 0.25, "a-1": 0.25}
        assert decision.choice is not None
        assert decision.choice.action == decision.chosen[0]
        assert decision.choice.action_probability == told(decision)[decision.chosen[0]]
        counted[decision.chosen] += 1

    assert set(counted) == {("a-0",), ("a-2", "a-1"), ("a-1", "a-2")}
    assert abs(counted[("a-0",)] / 400 - 0.5) < 3 * (0.25 / 400) ** 0.5


def test_without_exploration_the_expected_best_set_is_chosen() -> None:
    """Surely, and the record says why nothing was explored."""
    policy = policy_with(
        {**GROUPS[0], "value_minor": 1500},
        {**GROUPS[1], "value_minor": 800},
        {**GROUPS[2], "value_minor": 900},
        offers_per_decision=2,
    )

    decision = decided(checkout(), policy)

    assert decision.chosen == ("a-2", "a-1")
    assert decision.choice is not None
    assert (decision.choice.action, decision.choice.deterministic) == ("a-2", "off")
    assert told(decision) == {"a-2": 1.0}
    assert became_of(decision) == ("arbitration", "excluded_by:a-2")


def test_whoever_was_drawn_is_told_apart() -> None:
    """What the expected best would not have put first was explored."""
    policy = exploring(*GROUPS)
    reasons = {
        (decision.chosen[0], became_of(decision, decision.chosen[0])[1])
        for decision in (decided(anybody(n), policy) for n in range(60))
    }

    # Expected: 300 alone against 162.5 + 175 together, so a-2 is expected first.
    assert reasons == {("a-0", "explored"), ("a-1", "explored"), ("a-2", "best_combination")}


@pytest.mark.parametrize("most", [1, 2, 3])
def test_records_of_explored_combinations_decide_again_to_the_same(most: int) -> None:
    """With precedence, a cap and groups, from what the record keeps of the samples."""
    offer = {"kind": "percent_off", "value": 10, "valid_days": 7}
    policy = exploring(
        {"exclusion_groups": ["x"], "offer": offer},
        {"exclusion_groups": ["x"], "before": ["a-2"]},
        {"offer": offer, "control_share_percent": 30},
        {"value_minor": 10},
        most=most,
        stacking={"max_discount_percent": 15},
    )
    for n in range(30):
        record = record_of(anybody(n), policy)
        assert differences(record, rules=rules_of(policy)) == ()


def test_a_control_group_is_kept_from_what_won() -> None:
    """The choice says what would have been and that it was not; the others follow in its place."""
    policy = exploring({"control_share_percent": 40}, {}, {}, most=1)
    seen = set()
    for n in range(200):
        situation = anybody(n)
        decision = decided(situation, policy)
        trial = trial_of(record_of(situation, policy))
        assert decision.choice is not None
        assert trial is not None
        won, kept = decision.choice.action, became_of(decision)[1] == "control"
        assert trial.withheld is (decision.choice.withheld == "control") is (won == "a-0" and kept)
        assert (decision.chosen == (won,)) is not trial.withheld
        assert not kept or "a-0" not in decision.chosen
        seen.add((won, trial.withheld, decision.chosen))

    assert ("a-0", True, ("a-2",)) in seen
    assert ("a-0", False, ("a-0",)) in seen


def test_a_control_group_is_kept_from_combinations_as_well() -> None:
    """Others that may stand together take the place of what was withheld."""
    policy = exploring({**GROUPS[0], "control_share_percent": 50}, *GROUPS[1:])
    outcomes = set()
    for n in range(200):
        decision = decided(anybody(n), policy)
        assert decision.choice is not None
        outcomes.add((decision.choice.action, decision.choice.withheld, decision.chosen))

    assert ("a-0", "control", ("a-2", "a-1")) in outcomes
    assert ("a-0", None, ("a-0",)) in outcomes
    assert not any(why == "control" and "a-0" in chosen for _, why, chosen in outcomes)


def test_what_no_sample_is_worth_is_not_done() -> None:
    """Where every set costs more than it is worth under a sample, nothing is the choice."""
    poor = {"value_minor": 100, "cost_minor": 200}
    policy = exploring({**GROUPS[0], **poor}, {**GROUPS[1], **poor})

    decision = decided(anybody(1), policy)

    assert decision.choice is not None
    assert (decision.choice.action, decision.chosen) == (NOTHING, ())
    assert {became_of(decision, name)[1] for name in ("a-0", "a-1")} == {"costs_too_much"}


def test_where_no_discount_fits_no_choice_is_made() -> None:
    """All of them are too deep beside the personal price: nobody is a finalist."""
    offer = {"kind": "percent_off", "value": 12, "valid_days": 7}
    policy = policy_with(
        {"offer": offer}, {"offer": offer}, exploration={}, stacking={"max_discount_percent": 14}
    )
    situation = anybody(1)

    decision = decided(situation, policy)

    assert (decision.chosen, decision.choice) == ((), None)
    assert became_of(decision) == ("arbitration", "combined_discount_cap")
    trial = trial_of(record_of(situation, policy))
    assert trial is not None
    assert trial.action == NOTHING


def test_the_holdout_is_told_what_would_have_been_first() -> None:
    """By the same sets, so that lift over them can be told."""
    everyone = {"share_percent": 50, "salt": "s"}
    policy = exploring(*GROUPS, holdout=everyone)
    held = [d for d in (decided(anybody(n), policy) for n in range(60)) if d.holdout]

    assert {d.choice.withheld for d in held if d.choice} == {"global_holdout"}
    assert {d.choice.action for d in held if d.choice} == {"a-0", "a-1", "a-2"}


GivenCourt = tuple[list[Contender], StackingRules, int, dict[str, Fraction]]


@st.composite
def courts(draw: st.DrawFn) -> GivenCourt:
    """Up to five contenders, rules, and how many may be chosen."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=5))
    values = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 3.0])
    contenders = [Contender(name, place, draw(values)) for place, name in enumerate(names)]
    shares = {name: draw(SHARES) for name in names}
    return contenders, draw(some_rules()), draw(st.integers(1, 4)), shares


@given(courts(), st.data())
def test_whoever_is_first_is_in_the_best_set_of_those_priorities(
    given_court: tuple[list[Contender], StackingRules, int, dict[str, Fraction]],
    data: st.DataObject,
) -> None:
    """Under any sample, the first is of the set that the same priorities would choose."""
    contenders, stacking, most, shares = given_court
    court = convene(contenders, most=most, rules=stacking, share_off=shares.__getitem__)
    order = court.in_document_order
    row = [data.draw(st.sampled_from([-2.0, 0.0, 0.25, 1.0, 2.0])) for _ in order]

    first = court.first(row)

    sampled = [
        Contender(each.action_id, each.place, priority)
        for each, priority in zip(order, row, strict=True)
    ]
    expected = convene(sampled, most=most, rules=stacking, share_off=shares.__getitem__).combine(
        {each.action_id: each.priority for each in sampled}, first=None
    )
    if first is None:
        assert expected.chosen == ()
    else:
        among = {each.action_id: each.priority for each in expected.chosen}
        assert order[first].action_id in among
        assert row[first] == max(among.values()) >= 0


@given(courts(), st.data())
def test_whoever_has_the_first_place_keeps_it_and_the_rest_is_the_best(
    given_court: tuple[list[Contender], StackingRules, int, dict[str, Fraction]],
    data: st.DataObject,
) -> None:
    """No allowed set with it in it is worth more by expectation; nothing excluded stands by it."""
    contenders, stacking, most, shares = given_court
    court = convene(contenders, most=most, rules=stacking, share_off=shares.__getitem__)
    worth = {each.action_id: each.priority for each in contenders}
    if not court.finalists:
        assert court.combine(worth, first=None).chosen == ()
        return
    first = data.draw(st.sampled_from([each.action_id for each in court.finalists]))

    found = court.combine(worth, first=first)

    assert found.chosen[0].action_id == first
    assert len(found.chosen) <= most
    for one in found.chosen:
        assert one.action_id == first or worth[one.action_id] >= 0
        assert not any(stacking.excluded(one.action_id, o.action_id) for o in found.chosen)
    assert stacking.fits_cap(Fraction(0), *[shares[each.action_id] for each in found.chosen])
    alone = court.combine(worth, first=None)
    if worth[first] >= 0 and any(each.action_id == first for each in alone.chosen):
        total = fsum(worth[each.action_id] for each in found.chosen)
        assert total == fsum(worth[each.action_id] for each in alone.chosen)


def test_a_drawn_action_stands_even_where_what_comes_before_it_was_not_drawn() -> None:
    """A sample under which the earlier one costs too much lets the later one be first."""
    policy = exploring({"before": ["a-1"]}, {}, most=1)
    first = estimate(-0.1, 0.4, basis="lift")
    drawn = publish(document({"at_risk": {"a-0": first, "a-1": estimate(0.2, 0.1)}}))
    outcomes = set()
    for n in range(40):
        decision = decided(replace(anybody(n), learned=drawn), policy)
        outcomes.add((decision.chosen, told(decision)["a-1"]))

    assert outcomes == {(("a-0",), 0.5), (("a-1",), 0.5)}


def test_what_does_not_fit_the_cap_takes_part_in_no_sample() -> None:
    """Beside a personal price of 5 %, 9.5 % more are too deep: the others are explored."""
    offer = {"kind": "percent_off", "value": 10, "valid_days": 7}
    policy = policy_with(
        {"offer": offer}, {}, {}, exploration={}, stacking={"max_discount_percent": 14}
    )

    for n in range(20):
        decision = decided(anybody(n), policy)
        assert told(decision) == {"a-1": 0.5, "a-2": 0.5}
        assert became_of(decision) == ("arbitration", "combined_discount_cap")
        assert differences(record_of(anybody(n), policy), rules=rules_of(policy)) == ()


def test_a_sample_under_which_nothing_is_worth_it_does_nothing() -> None:
    """Though both are expected to be worth something, and could stand together."""
    policy = exploring({"exclusion_groups": ["x"]}, {}, {"exclusion_groups": ["x"]}, most=2)
    unsure = estimate(-0.1, 0.4, basis="lift")
    drawn = publish(document({"at_risk": dict.fromkeys(("a-0", "a-1", "a-2"), unsure)}))
    outcomes = set()
    for n in range(40):
        decision = decided(replace(anybody(n), learned=drawn), policy)
        assert decision.choice is not None
        assert decision.choice.action_probability == 0.5
        outcomes.add((decision.choice.action, decision.chosen, became_of(decision, "a-2")[1]))

    assert outcomes == {
        (NOTHING, (), "costs_too_much"),
        ("a-0", ("a-0", "a-1"), "lower_priority"),
    }
