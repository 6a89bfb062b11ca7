"""Silence as an event: when nothing happening would by itself change something.

``review_at`` is the first moment after now at which the segment differs, a churn threshold of the
policy is crossed, or an open checkout counts as abandoned. It is searched on a weekly grid over
two years and then bisected to the hour; a change that comes and goes within one week is not seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.core.facts import Facts
from chalicelib.core.features import describe
from chalicelib.core.instants import DAY_SECONDS, Instant
from chalicelib.core.policy import Policy
from chalicelib.core.scores import Scorer, Scores

GRID_SECONDS = 7 * DAY_SECONDS
HORIZON_SECONDS = 104 * GRID_SECONDS
RESOLUTION_SECONDS = 3_600
# Looking two years ahead is enough: a year and more of silence has run through every segment.


@dataclass(frozen=True, slots=True)
class Transition:
    """A segment change that was just stored: from, to, and when it counts."""

    before: str | None
    after: str
    at: int


@dataclass(frozen=True, slots=True)
class Settled:
    """Facts with segment and ``review_at`` brought up to date, and what changed by it.

    Attributes:
        facts: ready to be saved.
        scores: at ``as_of``; None for a subject without a counted order.
        transition: the segment change, None when it stayed.
        abandoned_checkout_at: the checkout that has just become abandoned, else None.
    """

    facts: Facts
    scores: Scores | None
    transition: Transition | None
    abandoned_checkout_at: int | None


def settle(facts: Facts, *, as_of: int, scorer: Scorer, policy: Policy) -> Settled:
    """Bring the announced segment, the abandoned checkout and ``review_at`` up to ``as_of``."""
    scores = score_at(facts, as_of, scorer)
    transition = None
    if scores is not None and scores.segment != facts.segment:
        transition = Transition(facts.segment, scores.segment, as_of)
        facts = replace(facts, segment=scores.segment, segment_model=scores.model)
    abandoned = abandoned_checkout(facts, as_of=as_of, policy=policy)
    if abandoned is not None:
        facts = replace(facts, abandoned_checkout_at=Instant(abandoned))
    due = next_review(facts, as_of=as_of, scorer=scorer, policy=policy)
    return Settled(replace(facts, review_at=due), scores, transition, abandoned)


def score_at(facts: Facts, as_of: int, scorer: Scorer) -> Scores | None:
    """Score a subject at a moment; None before the first counted order."""
    features = describe(facts, as_of=as_of, currency=scorer.currency)
    return scorer.score(features) if features.frequency else None


def abandoned_checkout(facts: Facts, *, as_of: int, policy: Policy) -> int | None:
    """The open checkout that has been left alone long enough and was not announced yet."""
    started = facts.open_checkout_at
    if started is None or started == facts.abandoned_checkout_at:
        return None
    return started if started + policy.cart_abandoned_after_seconds <= as_of else None


def next_review(
    facts: Facts, *, as_of: int, scorer: Scorer, policy: Policy
) -> Instant | None:
    """When silence alone would next change something; None when it never will."""
    moments = []
    started = facts.open_checkout_at
    if started is not None and started != facts.abandoned_checkout_at:
        moments.append(started + policy.cart_abandoned_after_seconds)
    drift = _next_change(facts, as_of, scorer, policy)
    if drift is not None:
        moments.append(drift)
    return Instant(max(as_of + 1, min(moments))) if moments else None


def _next_change(
    facts: Facts, as_of: int, scorer: Scorer, policy: Policy
) -> int | None:
    thresholds = policy.churn_thresholds

    def state(moment: int) -> tuple[str, int] | None:
        scores = score_at(facts, moment, scorer)
        if scores is None:
            return None
        churn = -1.0 if scores.churn is None else scores.churn
        return scores.segment, sum(churn >= threshold for threshold in thresholds)

    now_state = state(as_of)
    if now_state is None:
        # Orders dated ahead of as_of begin to count later; without any there is nothing to see.
        first = facts.first_order_at
        return first if first is not None and first > as_of else None
    last_at = facts.last_order_at
    if last_at is not None and last_at > as_of:
        return last_at
    before = as_of
    for after in range(as_of + GRID_SECONDS, as_of + HORIZON_SECONDS + 1, GRID_SECONDS):
        if state(after) != now_state:
            while after - before > RESOLUTION_SECONDS:
                middle = (before + after) // 2
                if state(middle) == now_state:
                    before = middle
                else:
                    after = middle
            return after
        before = after
    return None
