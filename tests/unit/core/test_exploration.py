"""Exploration: one choice, its exact probability, and a record that repeats it."""

from __future__ import annotations

import copy
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.canonical import canonical_json
from chalicelib.core.counterfactual import counterfactuals
from chalicelib.core.decide import Decision
from chalicelib.core.errors import BadInput
from chalicelib.core.exploration import NOTHING, Choice, choice_from_json, choice_to_json
from chalicelib.core.learning import Learning, learning_from_json, publish
from chalicelib.core.plain_words import explain_to_customer
from chalicelib.core.policy import Policy
from chalicelib.core.record import build_record, situation_from_json
from chalicelib.core.replay import differences, reexecute
from chalicelib.core.situation import Context, Held, Situation
from chalicelib.core.subject import customer
from tests.unit.core.learnt import document, estimate, learned
from tests.unit.core.situations import NOW, checkout
from tests.unit.core.test_engagement_conditions import decided, policy_with, rules_of

ACTIONS: tuple[dict[str, Any], ...] = ({}, {}, {})


def exploring(*actions: dict[str, Any], **settings: Any) -> Policy:
    """A policy with exploration and three actions, unless told otherwise."""
    return policy_with(*(actions or ACTIONS), exploration=settings)


def chosen(decision: Decision) -> Choice:
    """The choice that a decision made."""
    assert decision.choice is not None
    return decision.choice


def told(choice: Choice) -> dict[str, float]:
    """The probability of every finalist."""
    return {each.action: each.action_probability for each in choice.finalists}


def recorded(situation: Situation, policy: Policy) -> dict[str, Any]:
    """The record of a decision, as storage gives it back."""
    rules = rules_of(policy)
    record = build_record(
        situation,
        decided(situation, policy),
        policy=policy,
        jurisdictions_hash=rules.jurisdictions_hash,
        scorer=rules.scorer,
        correlation_id="r-1",
    )
    stored: dict[str, Any] = json.loads(canonical_json(record))
    return stored


def test_the_probability_is_the_share_of_samples_that_an_action_wins() -> None:
    """Three of four samples are a-0's and one is a-1's; a-2 never wins with its stated 0.1."""
    choice = chosen(decided(checkout(learned=learned()), exploring()))

    assert told(choice) == {"a-0": 0.75, "a-1": 0.25, "a-2": 0.0}
    assert choice.action_probability == told(choice)[choice.action]
    assert choice.samples == 4
    assert choice.learning == learned().hash


def test_the_sample_is_picked_by_the_ids_and_by_nothing_else() -> None:
    """The same customer, placement and session meet the same sample, whatever else differs."""
    policy = exploring()
    first = checkout(learned=learned())
    again = replace(first, decision_id="d_2", as_of=NOW + 60, lines=())
    samples = {
        chosen(decided(replace(first, subject=customer(f"c-{n}")), policy)).sample
        for n in range(40)
    }

    assert chosen(decided(first, policy)).sample == chosen(decided(again, policy)).sample
    assert samples == {0, 1, 2, 3}


def test_without_a_session_every_decision_is_a_choice_of_its_own() -> None:
    """Nothing sticky is known, so the decision's own id is hashed."""
    nowhere = checkout(learned=learned(), context=Context(country="US", region="TX"))
    samples = {
        chosen(decided(replace(nowhere, decision_id=f"d_{n}"), exploring())).sample
        for n in range(40)
    }

    assert samples == {0, 1, 2, 3}


def test_choices_come_out_as_often_as_was_recorded() -> None:
    """Over four thousand customers the shares are the recorded ones within three errors."""
    situation, policy = checkout(learned=learned()), exploring()
    counted = Counter(
        chosen(decided(replace(situation, subject=customer(f"c-{n}")), policy)).action
        for n in range(4000)
    )

    assert abs(counted["a-0"] / 4000 - 0.75) <= 3 * (0.75 * 0.25 / 4000) ** 0.5
    assert counted["a-2"] == 0


@pytest.mark.parametrize(
    ("policy", "learning", "why"),
    [
        (policy_with(*ACTIONS), learned(), "off"),
        (exploring(), None, "nothing_learned"),
        (exploring(), Learning("sha256:x", 0, {}, refused="altered"), "learning_refused"),
    ],
)
def test_where_nothing_is_explored_the_best_wins_surely_and_the_record_says_why(
    policy: Policy, learning: Learning | None, why: str
) -> None:
    """The first of equals in the document wins with probability 1."""
    situation = checkout(learned=learning)
    choice = chosen(decided(situation, policy))

    assert (choice.action, choice.action_probability, choice.deterministic) == ("a-0", 1.0, why)
    assert choice.sample is None
    assert differences(recorded(situation, policy), rules=rules_of(policy)) == ()


def test_ties_go_to_the_earlier_in_the_document() -> None:
    """Under every sample, among the finalists, and where the best is known."""
    same = learned({name: [0.2, 0.3] for name in ("a-0", "a-1", "a-2")})

    assert told(chosen(decided(checkout(learned=same), exploring()))) == {
        "a-0": 1.0,
        "a-1": 0.0,
        "a-2": 0.0,
    }
    two = chosen(decided(checkout(learned=same), exploring(finalists=2)))
    assert list(told(two)) == ["a-0", "a-1"]


def test_a_tie_under_one_sample_goes_to_the_earlier_of_the_document() -> None:
    """Also where the later one is expected to be worth more, and stands first among finalists."""
    choice = chosen(
        decided(
            checkout(learned=learned({"a-0": [0.2, 0.0], "a-1": [0.2, 0.3]})), exploring({}, {})
        )
    )

    assert [each.action for each in choice.finalists] == ["a-1", "a-0"]
    assert told(choice) == {"a-1": 0.5, "a-0": 0.5}


def test_only_the_best_by_expected_priority_compete() -> None:
    """What is expected to be worth least is no finalist, though it would win under one sample."""
    surprising = learned({"a-0": [0.2, 0.2], "a-1": [0.2, 0.1], "a-2": [0.0, 0.25]})
    policy = exploring(finalists=2)
    situation = checkout(learned=surprising)

    assert list(told(chosen(decided(situation, policy)))) == ["a-0", "a-1"]
    outcomes = {c.action: c.reason for c in decided(situation, policy).candidates}
    assert outcomes["a-2"] == "lower_priority"


def test_weights_levers_and_values_count_under_every_sample() -> None:
    """With a lever of 2.5 a propensity of 0.1 wins against 0.2, and not against 0.3."""
    policy = exploring({}, {"lever": 2.5}, {"weights": [{"when": "churn > 0", "weight": 0}]})

    assert told(chosen(decided(checkout(learned=learned()), policy)))["a-1"] == 0.5


def test_weights_without_end_stay_numbers() -> None:
    """Two hundred weights of a thousand do not make a priority that no record can hold."""
    weights = [{"when": "churn > 0", "weight": 1000}] * 200 + [{"when": "churn > 0", "weight": 0}]
    policy = exploring({"weights": weights[:-1]}, {"weights": weights})

    recorded(checkout(), policy)
    assert chosen(decided(checkout(), policy)).action == "a-0"


def test_further_places_follow_by_expected_priority() -> None:
    """Only the first place is explored."""
    policy = policy_with(*ACTIONS, exploration={}, offers_per_decision=2)
    others = learned({"a-0": [0.1, 0.5], "a-1": [0.2, 0.1], "a-2": [0.1, 0.4]})
    situations = (checkout(learned=others, subject=customer(f"c-{n}")) for n in range(20))
    seen = {decided(each, policy).chosen for each in situations}

    assert seen == {("a-0", "a-2"), ("a-1", "a-0")}


def test_what_was_tried_is_told_from_what_is_best() -> None:
    """A winner that is not the best by expectation is chosen to learn from."""
    policy = exploring()
    reasons = {
        (c.action, c.reason)
        for n in range(40)
        for c in decided(checkout(learned=learned(), subject=customer(f"c-{n}")), policy).candidates
        if c.outcome == "chosen"
    }

    assert reasons == {("a-0", "highest_priority"), ("a-1", "explored")}


def lifted(mean: float, *samples: float, spend_minor: float) -> dict[str, Any]:
    """An estimate over a control group."""
    return estimate(*samples, basis="lift", mean=mean, spend_minor=spend_minor)


def test_a_lift_is_worth_what_it_adds_less_what_it_gives_away() -> None:
    """Those who would buy anyway are worth nothing: a higher response loses to a higher lift."""
    told_of = {
        "a-0": lifted(0.05, 0.05, 0.05, spend_minor=10.0),
        "a-1": lifted(0.06, 0.06, 0.06, spend_minor=30.0),
    }
    learning = publish(document({"at_risk": told_of}))
    choice = chosen(decided(checkout(learned=learning), exploring({}, {})))

    assert [(f.action, f.basis) for f in choice.finalists] == [("a-0", "lift"), ("a-1", "lift")]
    assert [f.priority for f in choice.finalists] == pytest.approx([40.0, 30.0])
    assert choice.action == "a-0"


def test_where_a_lift_may_be_negative_nothing_wins_as_often_as_that() -> None:
    """Under the samples in which it costs more than it adds, nothing is chosen at all."""
    told_of = {"a-0": lifted(0.02, -0.03, 0.07, 0.07, -0.01, spend_minor=5.0)}
    learning = publish(document({"at_risk": told_of}))
    policy = exploring({})
    decisions = [
        decided(checkout(learned=learning, subject=customer(f"c-{n}")), policy) for n in range(40)
    ]
    made = {chosen(each).action: each for each in decisions}

    assert set(made) == {"a-0", NOTHING}
    assert told(chosen(made[NOTHING])) == {"a-0": 0.5}
    assert chosen(made[NOTHING]).action_probability == 0.5
    assert made[NOTHING].chosen == ()
    assert made[NOTHING].candidates[0].reason == "costs_too_much"


def test_what_is_learned_holds_in_its_own_segment() -> None:
    """Elsewhere the policy's own propensity stands, and there is nothing to explore."""
    elsewhere = chosen(decided(checkout(learned=learned(segment="champions")), exploring()))

    assert told(elsewhere) == {"a-0": 1.0, "a-1": 0.0, "a-2": 0.0}


def test_the_holdout_is_told_what_would_have_been_chosen_and_gets_nothing() -> None:
    """So that those who were treated can be compared with the like."""
    policy = policy_with(*ACTIONS, exploration={}, holdout={"share_percent": 50, "salt": "s"})
    for number in range(40):
        situation = checkout(learned=learned(), subject=customer(f"c-{number}"))
        held_out, treated = decided(situation, policy), decided(situation, exploring())
        if held_out.holdout:
            assert held_out.chosen == ()
            assert chosen(held_out) == replace(chosen(treated), withheld="global_holdout")
            assert {c.reason for c in held_out.candidates[:-1]} == {"global_holdout"}
            assert differences(recorded(situation, policy), rules=rules_of(policy)) == ()
            return
    pytest.fail("nobody of forty is in a holdout of half")


def test_a_session_that_keeps_its_offer_makes_no_choice() -> None:
    """What was shown before is no evidence of what would be chosen now."""
    offer = {"kind": "percent_off", "value": 5, "valid_days": 3}
    policy = exploring({"segments": ["at_risk"], "offer": offer})
    first = decided(checkout(learned=learned()), policy)
    again = decided(checkout(learned=learned(), held=Held(None, first.offers)), policy)

    assert chosen(first).action == "a-0"
    assert again.chosen == ("a-0",)
    assert again.choice is None


SHARES = st.floats(0, 1, allow_nan=False)


@given(
    samples=st.lists(st.lists(SHARES, min_size=4, max_size=4), min_size=1, max_size=9),
    finalists=st.integers(1, 5),
    values=st.lists(st.integers(0, 5000), min_size=9, max_size=9),
    who=st.text(min_size=1, max_size=12),
)
def test_probabilities_are_whole_shares_that_add_up_and_the_record_repeats_them(
    samples: list[list[float]], finalists: int, values: list[int], who: str
) -> None:
    """Whatever was learned: they sum to one, the winner's is its own, and replay agrees."""
    policy = exploring(*({"value_minor": v} for _, v in zip(samples, values, strict=False)),
                       finalists=finalists)  # fmt: skip
    learning = learned({f"a-{n}": each for n, each in enumerate(samples)})
    situation = checkout(learned=learning, subject=customer(who))
    choice = chosen(decided(situation, policy))
    shares = told(choice)

    assert len(shares) == min(finalists, len(samples))
    assert sum(shares.values()) == 1.0
    assert all((share * 4).is_integer() for share in shares.values())
    assert choice.action_probability == shares[choice.action] > 0
    assert choice_from_json(json.loads(canonical_json(choice_to_json(choice)))) == choice
    assert differences(recorded(situation, policy), rules=rules_of(policy)) == ()


def test_a_record_holds_the_samples_of_the_finalists_alone() -> None:
    """And means of whatever competed, by which the finalists are found again."""
    policy = exploring({}, {}, {"suitability": ["churn > 2"]}, {}, finalists=2)
    samples = {f"a-{n}": [0.1 * (n + 1)] * 2 for n in range(4)}
    record = recorded(checkout(learned=learned(samples)), policy)

    kept = record["situation"]["learned"]["estimates"]["at_risk"]
    assert {action: len(each[3]) for action, each in kept.items()} == {"a-0": 0, "a-1": 2, "a-3": 2}
    assert record["situation"]["learned"]["hash"] == learned(samples).hash
    assert situation_from_json(record["situation"]).learned is not None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("situation", "learned", "estimates", "at_risk", "a-0", 3, 0), 0.01),
        (("situation", "learned", "estimates", "at_risk", "a-1", 1), 0.9),
        (("situation", "learned", "hash"), "sha256:other"),
        (("decision", "choice", "action_probability"), 0.5),
        (("decision", "choice", "finalists", 0, 1), 0.5),
        (("decision", "choice", "sample"), 9),
    ],
)
def test_an_altered_choice_is_found(path: tuple[str | int, ...], value: object) -> None:
    """Whatever of the samples, their document or the probabilities is changed."""
    policy = exploring()
    record = copy.deepcopy(recorded(checkout(learned=learned()), policy))
    part: Any = record
    for step in path[:-1]:
        part = part[step]
    assert part[path[-1]] != value
    part[path[-1]] = value

    assert "choice" in differences(record, rules=rules_of(policy))


def test_a_record_from_before_exploration_is_read() -> None:
    """It knows of no choice and of nothing learned."""
    record = recorded(checkout(), exploring())
    del record["situation"]["learned"], record["decision"]["choice"]

    assert situation_from_json(record["situation"]).learned is None


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"finalists": 6}, "exploration.finalists"),
        ({"samples": 33}, "exploration.samples"),
        ({"prior_strength": 0}, "exploration.prior_strength"),
        ({"reward_window_days": 91}, "exploration.reward_window_days"),
        ({"min_control_decisions": 1}, "exploration.min_control_decisions"),
        ({"finalist": 2}, "exploration.finalist"),
    ],
)
def test_settings_out_of_bounds_are_refused_by_path(settings: dict[str, Any], path: str) -> None:
    """Each bound names its field."""
    with pytest.raises(BadInput) as refused:
        exploring(**settings)

    assert [error.field for error in refused.value.errors] == [path]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": 2}, "unknown_schema"),
        ({"samples": 5}, "malformed"),
        ({"samples": 0}, "malformed"),
        ({"estimates": []}, "malformed"),
        ({"estimates": {"at_risk": {"a-0": estimate(0.1, 0.1, 0.1, 1.1)}}}, "malformed"),
        ({"estimates": {"at_risk": {"a-0": estimate(0.1, 0.1, 0.1, -0.1)}}}, "malformed"),
        ({"estimates": {"at_risk": {"a-0": estimate(1, 1, 1, 1, basis="uplift")}}}, "malformed"),
        ({"estimates": {"at_risk": {"a-0": estimate(1, 1, 1, 1, spend_minor=-1)}}}, "malformed"),
        ({"estimates": {"at_risk": {"a-0": {"basis": "response"}}}}, "malformed"),
    ],
)
def test_a_document_that_cannot_be_used_is_refused_and_not_published(
    change: dict[str, Any], reason: str
) -> None:
    """Read, it teaches nothing and says why; the learner does not publish it."""
    wrong = {**learned().document, **change}

    with pytest.raises(ValueError, match=reason):
        publish(wrong)


def test_an_altered_document_is_refused() -> None:
    """The hash names the content."""
    stored = {"hash": learned().hash, "document": {**learned().document, "learned_at": 1}}

    assert learning_from_json(stored).refused == "altered"
    assert learning_from_json({}).refused == "malformed"
    assert (
        learning_from_json({"hash": None, "document": {"a": float("nan")}}).refused == "malformed"
    )


def test_no_alternative_is_claimed_on_what_the_record_does_not_hold() -> None:
    """A record keeps what its own decision used: of another segment or place nothing is known."""
    policy = exploring(
        {"segments": ["at_risk"]}, {"segments": ["at_risk"]}, {"segments": ["champions"]}
    )
    rules = rules_of(policy)
    learning = publish(
        document({s: {f"a-{n}": estimate(0.1, 0.2) for n in range(3)}
                  for s in ("at_risk", "champions")})
    )  # fmt: skip
    record = recorded(checkout(learned=learning), policy)
    situation = situation_from_json(record["situation"])
    without = situation_from_json(recorded(checkout(), policy)["situation"])

    told = {each.had for each in counterfactuals(situation, reexecute(record, rules=rules),
                                                 rules=rules)}  # fmt: skip
    stated = {each.had for each in counterfactuals(without, decided(without, policy), rules=rules)}

    assert "had they opted out of personalisation" in told
    assert "had they ordered today, for as much as last time" in stated - told


def test_a_customer_is_told_that_chance_had_a_part() -> None:
    """Where something was explored for them, and nowhere else."""
    sentence = "Of what was possible, chance had a part in the choice, to learn what serves best."
    for policy, explored in ((exploring(), True), (policy_with(*ACTIONS), False)):
        record = recorded(checkout(learned=learned()), policy)
        told = explain_to_customer(record, rules=rules_of(policy))

        assert told is not None
        assert (sentence in told.procedure) is explored
