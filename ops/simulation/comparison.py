"""Two policies over the same situations: what was counted, and each situation under both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from chalicelib.core.comparison import Segment, Tallied, tallied_of
from chalicelib.core.rules import Rules
from chalicelib.core.situation import Situation
from chalicelib.core.trial import Outcome, outcome_of


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was simulated.

    Attributes:
        before: the policy that decides now, with its rules.
        after: the one that is tried.
        tallied: what was counted, by segment.
        everybody: the same over all.
        outcomes: each situation under both.
    """

    before: Rules
    after: Rules
    tallied: Tallied
    everybody: Segment
    outcomes: tuple[tuple[Outcome, Outcome], ...]

    @property
    def segments(self) -> dict[str, Segment]:
        """Both policies by segment, as the scorer names it."""
        return self.tallied.segments

    def figures(self) -> dict[str, Any]:
        """As JSON, for whoever activates the policy and for the record of the simulation."""
        return self.tallied.figures(before=self.before.policy, after=self.after.policy)


def compare(situations: Iterable[Situation], *, before: Rules, after: Rules) -> Comparison:
    """Decide every situation by both policies."""
    outcomes = tuple((outcome_of(each, before), outcome_of(each, after)) for each in situations)
    tallied = tallied_of(outcomes, before=before.policy, after=after.policy)
    return Comparison(before, after, tallied, tallied.everybody, outcomes)
