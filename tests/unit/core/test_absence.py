"""Silence: what it changes, when, and that the moment is found in advance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.absence import (
    GRID_SECONDS,
    HORIZON_SECONDS,
    REMEMBERED_SECONDS,
    RESOLUTION_SECONDS,
    Settled,
    Transition,
    next_review,
    score_at,
    settle,
)
from chalicelib.core.actions import Requirement
from chalicelib.core.facts import Facts
from chalicelib.core.features import Features
from chalicelib.core.instants import Instant
from chalicelib.core.scorecard import Scorecard
from chalicelib.core.scores import Scorer, Scores
from chalicelib.core.subject import customer
from tests.makers import (
    DAY_SECONDS,
    HOUR_SECONDS,
    NOW,
    SilenceScorer,
    facts_with_orders,
    rules_with,
)

POLICY = rules_with().policy
CHURN = POLICY.silence_thresholds["churn"]
NOBODY = Facts(customer("c-1"))
BUYER = facts_with_orders(last_at=NOW)


def settled(facts: Facts, *, after: int = 0, scorer: Scorer | None = None, **how: bool) -> Settled:
    """The facts settled so many seconds after NOW."""
    return settle(facts, as_of=NOW + after, scorer=scorer or SilenceScorer(), policy=POLICY, **how)


# --- segments -----------------------------------------------------------------------------------


def test_the_first_segment_is_a_transition_from_nothing() -> None:
    """A new buyer is named, with the model that named them."""
    first = settled(BUYER)

    assert first.transition == Transition(None, "loyal", NOW)
    assert (first.facts.segment, first.facts.segment_model) == ("loyal", "silence-1.0.0")
    assert first.facts.segment_at == NOW
    assert first.scores == score_at(BUYER, NOW, SilenceScorer())


def test_settling_again_changes_nothing() -> None:
    """What was announced is not announced again."""
    first = settled(BUYER)

    again = settled(first.facts)

    assert again == replace(first, transition=None)


def test_nobody_without_an_order_has_a_segment() -> None:
    """There is nothing to score, to announce or to wait for."""
    assert settled(NOBODY) == Settled(NOBODY, None, None, None)


def test_whoever_loses_their_only_order_is_unknown_again() -> None:
    """The segment goes, and the transition says to what the policy calls nobody."""
    named = replace(NOBODY, segment="loyal", segment_model="silence-1.0.0")

    gone = settled(named)

    assert gone.facts == NOBODY
    assert gone.transition == Transition("loyal", "unknown", NOW)


def test_who_objects_to_profiling_is_not_scored() -> None:
    """No scorer sees them; an open checkout is still a fact."""

    class Forbidden(SilenceScorer):
        """A scorer that must not be asked."""

        def score(self, features: Features) -> Scores:
            """Fail."""
            raise AssertionError(features)

    facts = replace(BUYER, segment="loyal", last_checkout_at=Instant(NOW + 1))

    quiet = settled(facts, after=2, scorer=Forbidden(), may_profile=False)

    assert (quiet.scores, quiet.facts.segment) == (None, None)
    assert quiet.facts.review_at == NOW + 1 + POLICY.cart_abandoned_after_seconds


def test_silence_lapses_a_customer_at_the_moment_that_was_found() -> None:
    """Before review_at the segment stays, at review_at it differs."""
    facts = settled(BUYER).facts
    while facts.review_at is not None and facts.segment == "loyal":
        due = facts.review_at
        assert score_at(facts, due - RESOLUTION_SECONDS, SilenceScorer()).segment == "loyal"  # type: ignore[union-attr]
        facts = settled(facts, after=due - NOW).facts

    assert facts.segment == "at_risk"
    assert 0 <= due - (NOW + 60 * DAY_SECONDS) <= RESOLUTION_SECONDS


# --- review_at ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class StepScorer:
    """A segment for each step of silence, and a churn that follows it or is unknown.

    Attributes:
        steps: the days at which the segment changes, ascending.
        knows_churn: whether the scorer states a propensity.
    """

    steps: tuple[float, ...]
    knows_churn: bool = True
    name: str = "steps-1.0.0"
    hash: str = "sha256:steps"
    currency: str = "USD"
    segments: tuple[str, ...] = ()

    def score(self, features: Features) -> Scores:
        """Count the steps."""
        days = features.recency_days or 0.0
        passed = sum(days >= step for step in self.steps)
        churn = days / 1000 if self.knows_churn else None
        return Scores(f"s{passed}", churn, None, self.name)


@settings(max_examples=100)
@given(
    st.lists(st.floats(8, 700), max_size=3).map(sorted),
    st.booleans(),
    st.integers(0, 400),
)
def test_review_at_is_the_first_change_of_segment_or_threshold(
    steps: list[float], knows_churn: bool, silent_days: int
) -> None:
    """The moment is within an hour after the first step or threshold that lies ahead."""
    scorer = StepScorer(tuple(steps), knows_churn)
    facts = facts_with_orders(last_at=NOW - silent_days * DAY_SECONDS)

    due = next_review(facts, as_of=NOW, scorer=scorer, policy=POLICY)

    crossed = [threshold * 1000 for threshold in CHURN] if knows_churn else []
    ahead = [d - silent_days for d in (*steps, *crossed) if d > silent_days]
    first = min((d * DAY_SECONDS for d in ahead), default=None)
    if first is None or first > HORIZON_SECONDS:
        assert due is None
    else:
        assert due is not None
        assert 0 <= due - NOW - first <= RESOLUTION_SECONDS + 1


def test_nothing_changes_within_two_years_is_never() -> None:
    """What silence cannot change is not looked at again."""
    facts = facts_with_orders(last_at=NOW - 1000 * DAY_SECONDS)

    assert next_review(facts, as_of=NOW, scorer=SilenceScorer(), policy=POLICY) is None
    assert next_review(NOBODY, as_of=NOW, scorer=SilenceScorer(), policy=POLICY) is None


def test_a_change_within_a_week_that_goes_again_is_not_seen() -> None:
    """The grid is weekly: that is its documented limit."""

    class Blink(SilenceScorer):
        """Another segment on the second day of silence only."""

        def score(self, features: Features) -> Scores:
            """Blink."""
            return Scores(f"{int(features.recency_days or 0) == 2}", None, None, self.name)

    facts = facts_with_orders(last_at=NOW)

    assert next_review(facts, as_of=NOW, scorer=Blink(), policy=POLICY) is None
    assert GRID_SECONDS == 7 * DAY_SECONDS


def test_the_scorecard_is_reviewed_as_well() -> None:
    """A scorer without propensities is followed by its segments alone."""
    facts = settle(BUYER, as_of=NOW, scorer=Scorecard(POLICY), policy=POLICY).facts

    assert facts.segment == "loyal"
    assert facts.review_at is not None
    assert 0 <= facts.review_at - (NOW + 120 * DAY_SECONDS) <= 2 * RESOLUTION_SECONDS


def test_an_order_ahead_of_our_clock_counts_when_its_moment_comes() -> None:
    """A shop's clock may run ahead; the order is neither lost nor counted early."""
    facts = facts_with_orders(last_at=NOW + 200, count=1)

    early = settled(facts)

    assert (early.scores, early.facts.review_at) == (None, NOW + 200)
    assert settled(early.facts, after=200).transition == Transition(None, "loyal", NOW + 200)


@pytest.mark.parametrize(
    ("condition", "days"),
    [
        ("recency_days >= 45", 45),
        ("recency_days < 45", 45),
        ("tenure_days > 400", 100),
        ("expected_orders < 0.5", 500),
        ("45 <= recency_days < 80", 45),
    ],
)
def test_a_threshold_in_a_condition_is_waited_for(condition: str, days: int) -> None:
    """Whatever silence moves is looked at again when it crosses what a condition names."""
    actions = [a.model_copy(update={"min_churn": None}) for a in POLICY.actions]
    asking = actions[0].model_copy(update={"suitability": (Requirement(when=condition),)})
    policy = POLICY.model_copy(update={"actions": (asking, *actions[1:]), "price_tiers": ()})
    facts = facts_with_orders(last_at=NOW, count=1)
    facts = replace(facts, older_first_at=Instant(NOW - 300 * DAY_SECONDS), older_count=1)

    due = next_review(facts, as_of=NOW, scorer=Fading(), policy=policy)

    assert due is not None
    assert 0 <= due - NOW - days * DAY_SECONDS <= RESOLUTION_SECONDS + 1


class Fading(StepScorer):
    """One segment; a thousand days of silence take every expected order away."""

    def __init__(self) -> None:
        super().__init__((), False)

    def score(self, features: Features) -> Scores:
        """Count the days."""
        return Scores("s0", None, 1 - (features.recency_days or 0.0) / 1000, self.name)


# --- churn that rises within a segment ----------------------------------------------------------


def test_thresholds_that_silence_crosses_are_told_once() -> None:
    """Churn passes what actions ask for while the segment stays: told at that review only."""
    scorer = SilenceScorer(at_risk_after_days=500, hibernating_after_days=900)
    facts, told = settled(BUYER, scorer=scorer).facts, []
    while facts.review_at is not None and facts.review_at < NOW + 400 * DAY_SECONDS:
        now = settled(facts, after=facts.review_at - NOW, scorer=scorer)
        assert (now.transition, now.scores is None, now.stood is None) == (None, False, False)
        assert now.scores is not None
        assert now.stood is not None
        told.append(tuple(c for c in CHURN if _churn(now.stood.scores) < c <= _churn(now.scores)))
        facts = now.facts

    assert told == [(threshold,) for threshold in CHURN]


def _churn(scores: Scores) -> float:
    assert scores.churn is not None
    return scores.churn


def test_a_late_review_tells_every_threshold_at_once() -> None:
    """After an outage nothing that was crossed meanwhile is lost."""
    scorer = SilenceScorer(at_risk_after_days=500, hibernating_after_days=900)

    late = settled(settled(BUYER, scorer=scorer).facts, after=300 * DAY_SECONDS, scorer=scorer)

    assert late.scores is not None
    assert late.stood is not None
    assert _churn(late.stood.scores) < CHURN[0] < CHURN[-1] <= _churn(late.scores)


@pytest.mark.parametrize(
    ("facts", "scorer"),
    [
        (BUYER, SilenceScorer()),  # never reviewed before
        (replace(BUYER, review_at=Instant(NOW + 90 * DAY_SECONDS)), SilenceScorer()),  # not due
        (replace(BUYER, segment="s1", review_at=Instant(NOW)), StepScorer((1,), False)),
        (replace(BUYER, segment="loyal", review_at=Instant(NOW)), SilenceScorer()),  # new segment
        (replace(facts_with_orders(last_at=NOW, count=1), segment="at_risk",
                 review_at=Instant(NOW - 1)), SilenceScorer()),  # before the first order
    ],
)  # fmt: skip
def test_otherwise_no_threshold_is_told(facts: Facts, scorer: Scorer) -> None:
    """Only a review that was due, by silence, within one segment tells a threshold."""
    assert settled(facts, after=80 * DAY_SECONDS, scorer=scorer).stood is None


# --- checkouts ----------------------------------------------------------------------------------

CART = replace(NOBODY, last_checkout_at=Instant(NOW))


@pytest.mark.parametrize(
    ("after", "abandoned"),
    [
        (0, None),
        (HOUR_SECONDS - 1, None),
        (HOUR_SECONDS, NOW),
        (HOUR_SECONDS + REMEMBERED_SECONDS, NOW),
        (HOUR_SECONDS + REMEMBERED_SECONDS + 1, None),
    ],
)
def test_a_checkout_left_alone_is_abandoned_within_a_week(
    after: int, abandoned: int | None
) -> None:
    """Not before the policy says so, and not when it is too late to remind anyone."""
    cart = settled(CART, after=after)

    assert cart.abandoned_checkout_at == abandoned
    assert cart.facts.abandoned_checkout_at == abandoned
    assert cart.facts.review_at == (NOW + HOUR_SECONDS if after < HOUR_SECONDS else None)


def test_an_abandoned_checkout_is_told_once() -> None:
    """The next one is another checkout."""
    once = settled(CART, after=HOUR_SECONDS)
    again = settled(once.facts, after=2 * HOUR_SECONDS)
    later = replace(once.facts, last_checkout_at=Instant(NOW + DAY_SECONDS))

    assert again.abandoned_checkout_at is None
    assert settled(later, after=2 * DAY_SECONDS).abandoned_checkout_at == NOW + DAY_SECONDS


def test_the_nearer_of_cart_and_lapse_is_reviewed_first() -> None:
    """One index entry serves both."""
    both = replace(BUYER, last_checkout_at=Instant(NOW + 59 * DAY_SECONDS))

    due = next_review(both, as_of=NOW + 59 * DAY_SECONDS, scorer=SilenceScorer(), policy=POLICY)

    assert due == NOW + 59 * DAY_SECONDS + HOUR_SECONDS


def test_a_review_never_lies_in_the_past() -> None:
    """A checkout that is due but not settled yet comes up at once."""
    due = next_review(CART, as_of=NOW + 2 * HOUR_SECONDS, scorer=SilenceScorer(), policy=POLICY)

    assert due == NOW + 2 * HOUR_SECONDS + 1
