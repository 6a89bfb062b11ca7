"""Silence as an event: when nothing happening would by itself change something.

``review_at`` is the first moment after now at which the segment differs, a threshold of the policy
is crossed, or an open checkout counts as abandoned. It is searched on a weekly grid over
two years and then bisected to the hour; a change that comes and goes within one week is not seen.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from chalicelib.core.facts import Facts
from chalicelib.core.features import describe
from chalicelib.core.instants import DAY_SECONDS, Instant
from chalicelib.core.policy import Policy
from chalicelib.core.scores import Scorer, Scores

GRID_SECONDS = 7 * DAY_SECONDS
HORIZON_SECONDS = 104 * GRID_SECONDS
RESOLUTION_SECONDS = 3_600
# Looking two years ahead is enough: a year and more of silence has run through every segment.

# A checkout noticed later than this, as in imported history, is nothing to remind anyone of.
REMEMBERED_SECONDS = 7 * DAY_SECONDS

# What silence can change: the segment, and how many of its thresholds each feature has reached.
_State = tuple[str, tuple[int, ...]]
_Thresholds = Mapping[str, tuple[float, ...]]


class Stood(NamedTuple):
    """Who a customer was just before the review that came due."""

    at: int
    scores: Scores


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
        scores: at ``as_of``; None without a counted order, or when nobody may look.
        transition: the segment change, None when it stayed.
        abandoned_checkout_at: the checkout that has just become abandoned, else None.
        stood: who they were just before silence crossed a threshold while the segment stayed.
    """

    facts: Facts
    scores: Scores | None
    transition: Transition | None
    abandoned_checkout_at: int | None
    stood: Stood | None = None


def settle(
    facts: Facts, *, as_of: int, scorer: Scorer, policy: Policy, may_profile: bool = True
) -> Settled:
    """Bring the announced segment, the abandoned checkout and ``review_at`` up to ``as_of``.

    A customer who objects to profiling (``may_profile`` False) is not scored and has no segment;
    a checkout left alone is a fact, not a profile.
    """
    scores = score_at(facts, as_of, scorer) if may_profile else None
    stood = _stood(facts, scores, as_of=as_of, scorer=scorer, policy=policy)
    facts, transition = _name_segment(facts, scores, as_of=as_of, policy=policy)
    abandoned = abandoned_checkout(facts, as_of=as_of, policy=policy)
    if abandoned is not None:
        facts = replace(facts, abandoned_checkout_at=Instant(abandoned))
    due = next_review(facts, as_of=as_of, scorer=scorer, policy=policy, may_profile=may_profile)
    return Settled(
        facts=replace(facts, review_at=due),
        scores=scores,
        transition=transition,
        abandoned_checkout_at=abandoned,
        stood=stood if transition is None else None,
    )


def score_at(facts: Facts, as_of: int, scorer: Scorer) -> Scores | None:
    """Score a subject at a moment; None before the first counted order."""
    features = describe(facts, as_of=as_of, currency=scorer.currency)
    return scorer.score(features) if features.frequency else None


def abandoned_checkout(facts: Facts, *, as_of: int, policy: Policy) -> int | None:
    """The open checkout that has been left alone long enough and was not announced yet."""
    started = facts.open_checkout_at
    if started is None or started == facts.abandoned_checkout_at:
        return None
    left_alone_seconds = as_of - started - policy.cart_abandoned_after_seconds
    return started if 0 <= left_alone_seconds <= REMEMBERED_SECONDS else None


def next_review(
    facts: Facts, *, as_of: int, scorer: Scorer, policy: Policy, may_profile: bool = True
) -> Instant | None:
    """When silence alone would next change something; None when it never will."""
    moments = []
    started = facts.open_checkout_at
    if started is not None and started != facts.abandoned_checkout_at:
        abandoned_at = started + policy.cart_abandoned_after_seconds
        if abandoned_at + REMEMBERED_SECONDS >= as_of:
            moments.append(abandoned_at)
    drift = _next_change(facts, as_of, scorer, policy.silence_thresholds) if may_profile else None
    if drift is not None:
        moments.append(drift)
    return Instant(max(as_of + 1, min(moments))) if moments else None


def _name_segment(
    facts: Facts, scores: Scores | None, *, as_of: int, policy: Policy
) -> tuple[Facts, Transition | None]:
    """Store the segment; whoever has no counted order any more has none, and is unknown again."""
    segment = None if scores is None else scores.segment
    if segment == facts.segment:
        return facts, None
    transition = Transition(facts.segment, segment or policy.unknown_segment, as_of)
    model, since = (None, None) if scores is None else (scores.model, Instant(as_of))
    named = replace(facts, segment=segment, segment_model=model, segment_at=since)
    return named, transition


def _stood(
    facts: Facts, scores: Scores | None, *, as_of: int, scorer: Scorer, policy: Policy
) -> Stood | None:
    """Who they were just before the review that has come due, if a threshold lies between."""
    due = facts.review_at
    if due is None or due > as_of or scores is None:
        return None
    at = due - RESOLUTION_SECONDS
    before = score_at(facts, at, scorer)
    if before is None:
        return None
    thresholds = policy.silence_thresholds
    same = _state(facts, at, scorer, thresholds)[1] == _state(facts, as_of, scorer, thresholds)[1]
    return None if same else Stood(at, before)


def _state(facts: Facts, as_of: int, scorer: Scorer, thresholds: _Thresholds) -> _State:
    """What silence has made of somebody who had ordered by then."""
    features = describe(facts, as_of=as_of, currency=scorer.currency)
    scores = scorer.score(features)
    values = {
        "churn": scores.churn,
        "expected_orders": scores.expected_orders,
        "recency_days": features.recency_days,
        "tenure_days": features.tenure_days,
    }
    reached = [_reached(values[name], steps) for name, steps in thresholds.items()]
    return scores.segment, tuple(reached)


def _reached(value: float | None, steps: tuple[float, ...]) -> int:
    return -1 if value is None else bisect_right(steps, value)


def _next_change(facts: Facts, as_of: int, scorer: Scorer, thresholds: _Thresholds) -> int | None:
    last_at = facts.last_order_at
    if last_at is None:
        return None
    if last_at > as_of:  # the clock of a shop may run ahead of ours; the order counts by then
        return last_at
    before, now_state = as_of, _state(facts, as_of, scorer, thresholds)
    for after in range(as_of + GRID_SECONDS, as_of + HORIZON_SECONDS + 1, GRID_SECONDS):
        if _state(facts, after, scorer, thresholds) != now_state:
            return _bisect(facts, before, after, now_state, scorer, thresholds)
        before = after
    return None


def _bisect(
    facts: Facts,
    before: int,
    after: int,
    state: _State,
    scorer: Scorer,
    thresholds: _Thresholds,
) -> int:
    """The end of the last hour in which ``state`` still held at its beginning."""
    while after - before > RESOLUTION_SECONDS:
        middle = (before + after) // 2
        if _state(facts, middle, scorer, thresholds) == state:
            before = middle
        else:
            after = middle
    return after
