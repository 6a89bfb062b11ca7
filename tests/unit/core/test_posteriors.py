"""Learning: counts that no repetition changes, posteriors, and when a value is a lift."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.exploration import NOTHING, Exploration
from chalicelib.core.learning import Learning
from chalicelib.core.outcomes import Outcome
from chalicelib.core.posteriors import Beta, Observed, Tally, acceptance, count, learn, ordering
from tests.unit.core.learnt import outcome
from tests.unit.core.situations import NOW
from tests.unit.core.test_engagement_conditions import policy_with

SETTINGS = Exploration(min_control_decisions=30)
POLICY = policy_with({"propensity": 0.2, "cost_minor": 40}, {"segments": ["champions"]})


def learned_from(outcomes: list[Outcome], *, seed: int = 1, **settings: Any) -> Learning:
    """The document that these outcomes make."""
    return learn(
        count(Observed(), outcomes),
        policy=POLICY,
        settings=SETTINGS.model_copy(update=settings),
        segments=("at_risk", "champions"),
        draw=random.Random(seed).betavariate,  # noqa: S311
        now=NOW,
    )


OUTCOMES = st.lists(
    st.builds(
        outcome,
        st.sampled_from([f"d_{n}" for n in range(12)]),
        segment=st.sampled_from(["at_risk", "champions"]),
        action=st.sampled_from(["a-0", "a-1", NOTHING]),
    ),
    max_size=20,
)


@given(outcomes=OUTCOMES, cut=st.integers(0, 20), seed=st.integers(0, 99))
def test_a_decision_counts_once_however_often_and_in_whatever_parts_it_comes(
    outcomes: list[Outcome], cut: int, seed: int
) -> None:
    """Counting again changes nothing, nor does dividing, nor shuffling what says the same."""
    told = {each.trial.decision_id: each for each in outcomes}
    once = list(told.values())
    shuffled = random.Random(seed).sample(once, len(once))  # noqa: S311

    counted = count(Observed(), once)

    assert count(counted, once) == counted
    assert count(count(Observed(), shuffled[:cut]), shuffled[cut:]) == counted
    assert sum(tally.treated for tally in counted.tallies.values()) == len(counted.counted)


def test_counts_tell_shown_from_treated_and_both_from_control() -> None:
    """A mail that bounced was meant to be seen; what was withheld was not."""
    observed = count(
        Observed(),
        [
            outcome("d_1", accepted=True, ordered=True, discount_minor=150),
            outcome("d_2", shown=False, ordered=True),
            outcome("d_3", withheld=True, ordered=True),
            outcome("d_4", withheld=True),
            outcome("d_5", action=NOTHING, ordered=True),
        ],
    )

    assert observed.tallies == {("at_risk", "a-0"): Tally(1, 1, 2, 2, 150, 2, 1)}


def test_the_prior_is_what_the_policy_states() -> None:
    """Its mean is the propensity, and it weighs as many decisions as its strength."""
    action = POLICY.actions[0]

    assert acceptance(action, Tally(), strength=20) == Beta(4, 16)
    assert acceptance(action, Tally(shown=20, accepted=10), strength=20) == Beta(14, 26)
    assert acceptance(action, Tally(shown=20, accepted=10), strength=20).mean == 0.35


def test_a_stated_certainty_can_be_unlearned() -> None:
    """A propensity of 1 is a strong belief, not one beyond all evidence."""
    sure = policy_with({"propensity": 1.0}).actions[0]

    assert acceptance(sure, Tally(shown=1000), strength=20).mean < 0.02


def test_every_action_has_an_estimate_in_every_segment_that_may_have_it() -> None:
    """Without outcomes it is the prior, so that a new action is explored at once."""
    learning = learned_from([])

    assert {segment: sorted(each) for segment, each in learning.estimates.items()} == {
        "at_risk": ["a-0"],
        "champions": ["a-0", "a-1"],
    }
    assert learning.of("at_risk")["a-0"].mean == 0.2
    assert len(set(learning.of("at_risk")["a-0"].samples)) == SETTINGS.samples


def test_the_same_outcomes_and_seed_make_the_same_document() -> None:
    """And another seed another one, over the same means."""
    outcomes = [outcome("d_1", accepted=True, ordered=True)]

    assert learned_from(outcomes).hash == learned_from(outcomes).hash
    assert learned_from(outcomes, seed=2).hash != learned_from(outcomes).hash


def of_both(treated: int, ordered: int, withheld: int, anyway: int) -> list[Outcome]:
    """So many treated and withheld decisions, of whom so many ordered, with a discount of 100."""
    return [
        outcome(f"t_{n}", accepted=n < ordered, ordered=n < ordered,
                discount_minor=100 * (n < ordered))
        for n in range(treated)
    ] + [outcome(f"w_{n}", withheld=True, ordered=n < anyway) for n in range(withheld)]  # fmt: skip


@pytest.mark.parametrize(
    ("treated", "withheld", "basis"),
    [(30, 30, "lift"), (29, 30, "response"), (30, 29, "response"), (500, 0, "response")],
)
def test_a_value_is_a_lift_only_over_enough_of_a_control_group(
    treated: int, withheld: int, basis: str
) -> None:
    """Until then it is a response, and called that."""
    learning = learned_from(of_both(treated, 5, withheld, 2))

    assert learning.of("at_risk")["a-0"].basis == basis
    assert learning.document["estimates"]["at_risk"]["a-0"]["basis"] == basis


def test_a_lift_is_the_difference_of_two_posteriors_net_of_what_was_given_away() -> None:
    """By Jeffreys' prior on both sides; discounts and costs by decision."""
    told = learned_from(of_both(100, 30, 50, 10)).of("at_risk")["a-0"]

    lift = ordering(30, 100).mean - ordering(10, 50).mean
    assert told.mean == pytest.approx(lift, abs=1e-6)
    assert told.spend_minor == (30 * 100 + 30 * 40) / 100
    assert sum(told.samples) / len(told.samples) == pytest.approx(lift, abs=0.05)


def test_offers_that_go_to_those_who_would_buy_anyway_have_no_lift() -> None:
    """However many accept: half of them order with it, and half without."""
    told = learned_from(of_both(1000, 500, 1000, 500)).of("at_risk")["a-0"]

    assert abs(told.mean) < 1e-3
    assert told.mean * 1000 < told.spend_minor


@pytest.mark.parametrize(("accepted", "shown"), [(0, 400), (40, 400), (400, 400)])
def test_the_samples_are_those_of_the_posterior(accepted: int, shown: int) -> None:
    """Over many seeds their mean and spread are the distribution's own."""
    posterior = acceptance(
        POLICY.actions[0], Tally(shown=shown, accepted=accepted), strength=SETTINGS.prior_strength
    )
    outcomes = [outcome(f"d_{n}", accepted=n < accepted) for n in range(shown)]
    drawn = [s for seed in range(40)
             for s in learned_from(outcomes, seed=seed).of("at_risk")["a-0"].samples]  # fmt: skip
    mean = sum(drawn) / len(drawn)
    alpha, beta = posterior
    variance = posterior.mean * (1 - posterior.mean) / (alpha + beta + 1)

    assert abs(mean - posterior.mean) <= 4 * (variance / len(drawn)) ** 0.5
    spread = sum((each - mean) ** 2 for each in drawn) / (len(drawn) - 1)
    assert 0.8 < spread / variance < 1.25
