"""A decision never fails because of a model."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.features import Features
from chalicelib.core.scorecard import Scorecard
from chalicelib.core.scores import Scores
from chalicelib.scoring.guarded import GuardedScorer
from tests.unit.core.situations import RecencyScorer, default_policy

RULES = Scorecard(default_policy())
SOMEBODY = Features(10.0, 8.0, 3000.0, 300.0, 30.0)


class Moody(RecencyScorer):
    """Answers what it is told, or raises it."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def score(self, features: Features) -> Scores:
        """Answer."""
        if isinstance(self.answer, Exception):
            raise self.answer
        scores: Scores = self.answer
        return scores


def guarded(answer: Any) -> tuple[GuardedScorer, list[str]]:
    """A moody model behind its guard, and what the guard reports."""
    told: list[str] = []
    return GuardedScorer(Moody(answer), RULES, report=told.append), told


def test_a_model_that_works_is_let_alone() -> None:
    """To everybody else the guard is the model."""
    right = Scores("champions", 0.1, 2.0, "recency-1.0.0")
    scorer, told = guarded(right)

    assert (scorer.score(SOMEBODY), told) == (right, [])
    assert (scorer.name, scorer.hash, scorer.currency, scorer.segments) == (
        RecencyScorer.name,
        RecencyScorer.hash,
        RecencyScorer.currency,
        RecencyScorer.segments,
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ZeroDivisionError("3 / 0"), "ZeroDivisionError"),
        (KeyError("a name"), "KeyError"),
        (RecursionError(), "RecursionError"),
        (Scores("martians", 0.1, 2.0, "m"), "nonsense"),
        (Scores("champions", nan, 2.0, "m"), "nonsense"),
        (Scores("champions", 1.1, 2.0, "m"), "nonsense"),
        (Scores("champions", 0.1, inf, "m"), "nonsense"),
        (Scores("champions", 0.1, -1.0, "m"), "nonsense"),
    ],
)
def test_where_it_fails_the_rules_serve_and_an_alarm_rings(answer: Any, reason: str) -> None:
    """Marked as fallback, and told by the name of the error, never by its words."""
    scorer, told = guarded(answer)

    assert scorer.score(SOMEBODY) == Scores("champions", None, None, "scorecard", fallback=True)
    assert told == [reason]


def test_other_rules_can_stand_beside_the_same_model() -> None:
    """When another policy is activated."""
    scorer, told = guarded(ValueError())
    policy = default_policy()
    last = policy.scorecard[-1].model_copy(update={"segment": "everyone"})
    other = scorer.with_rules(Scorecard(policy.model_copy(update={"scorecard": (last,)})))

    assert other.score(SOMEBODY).segment == "everyone"
    assert told == ["ValueError"]


@given(
    churn=st.none() | st.floats(),
    orders=st.none() | st.floats(),
    segment=st.sampled_from(["champions", "at_risk", "nobody"]),
)
def test_whatever_a_model_says_the_scores_make_sense(
    churn: float | None, orders: float | None, segment: str
) -> None:
    """A probability between nought and one, a finite number of orders, and a known segment."""
    scorer, _ = guarded(Scores(segment, churn, orders, "m"))
    scores = scorer.score(SOMEBODY)

    assert scores.churn is None or 0 <= scores.churn <= 1
    assert scores.expected_orders is None or 0 <= scores.expected_orders < inf
    assert scores.segment in {*RecencyScorer.segments, *RULES.segments}
