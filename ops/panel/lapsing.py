"""A history that lapses within seconds: found by asking the model that serves, not made up."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.absence import score_at
from chalicelib.core.facts import CountedOrder, Facts
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.rules import Rules
from chalicelib.core.scores import Scores
from chalicelib.core.subject import customer
from ops.panel.words import CURRENCY, PressFailed

ORDERS = 6
GAP_SECONDS = 30 * DAY_SECONDS
AMOUNT_MINOR = 3_490
_MOST_SILENT_DAYS = 600
_SOMEBODY = customer("somebody")


@dataclass(frozen=True, slots=True)
class Lapse:
    """Orders at even distances, and the silence after which their customer lapses.

    Attributes:
        silent_seconds: from the last order to the moment at which the segment changes.
        before: the segment until then.
        after: the segment from then on.
    """

    silent_seconds: int
    before: str
    after: str

    def ordered_at(self, lapses_at: int) -> tuple[int, ...]:
        """When the orders were placed, oldest first, of somebody who lapses at this moment."""
        last = lapses_at - self.silent_seconds
        return tuple(last - GAP_SECONDS * left for left in reversed(range(ORDERS)))


def find_lapse(rules: Rules) -> Lapse:
    """The first change of segment for which the policy has a mail; raises PressFailed.

    Looked for day by day over 600 days of silence, then bisected to the second.
    """
    wanted = _mailed_segments(rules)
    before = _scored(rules, 0).segment
    for day in range(1, _MOST_SILENT_DAYS):
        now = _scored(rules, day * DAY_SECONDS)
        if now.segment != before and (now.churn or 0.0) >= wanted.get(now.segment, 2.0):
            return Lapse(_bisect(rules, (day - 1) * DAY_SECONDS, before), before, now.segment)
        before = now.segment
    raise PressFailed("the policy has no mail for anybody who falls silent after six orders")


def _mailed_segments(rules: Rules) -> dict[str, float]:
    """Segments whose beginning sets off a mail with an offer, and the churn that it asks for."""
    return {
        segment: action.min_churn or 0.0
        for action in rules.policy.actions
        if "segment_changed" in action.triggers and action.mail and action.offer
        for segment in action.segments
    }


def _bisect(rules: Rules, low: int, before: str) -> int:
    """The first second of silence, of a day that begins at ``low``, that is not as ``before``."""
    high = low + DAY_SECONDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _scored(rules, middle).segment == before else (low, middle)
    return high


def _scored(rules: Rules, silent_seconds: int) -> Scores:
    times = Lapse(silent_seconds, "", "").ordered_at(GAP_SECONDS * ORDERS + silent_seconds)
    orders = tuple(CountedOrder(at, str(at), AMOUNT_MINOR, CURRENCY) for at in times)
    facts = Facts(_SOMEBODY, recent=orders)
    scores = score_at(facts, times[-1] + silent_seconds, rules.scorer)
    if scores is None:
        raise PressFailed("the model scores nobody with six orders")
    return scores
