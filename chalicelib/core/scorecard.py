"""RFM rules from the policy: what serves when the model document was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.core.features import Features
from chalicelib.core.scores import Scores

if TYPE_CHECKING:
    from chalicelib.core.policy import Policy, ScorecardRule


class Scorecard:
    """Scores by the policy's rules; it knows no propensity, so it states none."""

    name = "scorecard"

    def __init__(self, policy: Policy) -> None:
        self._rules = policy.scorecard
        self.hash = policy.hash
        self.currency = policy.default_currency
        self.segments = tuple(dict.fromkeys(rule.segment for rule in policy.scorecard))

    def score(self, features: Features) -> Scores:
        """Name the segment of the first rule that holds."""
        segment = next(rule.segment for rule in self._rules if _holds(rule, features))
        return Scores(segment, None, None, self.name, fallback=True)


def _holds(rule: ScorecardRule, features: Features) -> bool:
    """A bound on a missing feature does not hold."""
    return (
        _at_most(features.recency_days, rule.max_recency_days)
        and _at_least(features.recency_days, rule.min_recency_days)
        and _at_least(features.frequency, rule.min_frequency)
        and _at_least(features.monetary_minor, rule.min_monetary_minor)
        and _at_most(features.tenure_days, rule.max_tenure_days)
    )


def _at_least(value: float | None, bound: float | None) -> bool:
    return bound is None or (value is not None and value >= bound)


def _at_most(value: float | None, bound: float | None) -> bool:
    return bound is None or (value is not None and value <= bound)
