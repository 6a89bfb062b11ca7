"""A model beside the rules that serve where it fails: a decision never fails because of a model."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from chalicelib.core.features import Features
from chalicelib.core.scores import Scorer, Scores


class GuardedScorer:
    """Scores by the model; by the rules, marked as fallback, where it raises or answers nonsense.

    Attributes:
        name: of the model, and so on: to everybody else it is the model.
        rules: what serves in its place.
    """

    def __init__(self, model: Scorer, rules: Scorer, *, report: Callable[[str], None]) -> None:
        """Stand before a model; ``report`` is told, by name, why it did not serve."""
        self.name, self.hash, self.currency = model.name, model.hash, model.currency
        self.segments = model.segments
        self.model, self.rules = model, rules
        self._known = frozenset(model.segments)
        self._report = report

    def score(self, features: Features) -> Scores:
        """Score one customer."""
        try:
            scores = self.model.score(features)
        except Exception as error:  # whatever a model may raise, somebody waits for a price
            self._report(type(error).__name__)
            return self.rules.score(features)
        if self._makes_sense(scores):
            return scores
        self._report("nonsense")
        return self.rules.score(features)

    def with_rules(self, rules: Scorer) -> GuardedScorer:
        """The same model beside the rules of another policy."""
        return GuardedScorer(self.model, rules, report=self._report)

    def _makes_sense(self, scores: Scores) -> bool:
        """A segment of its own, a probability, and a number of orders; NaN is none of them."""
        churn, orders = scores.churn, scores.expected_orders
        return (
            scores.segment in self._known
            and (churn is None or 0 <= churn <= 1)
            and (orders is None or 0 <= orders < inf)
        )
