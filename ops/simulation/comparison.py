"""Two policies over the same situations: who changes, and what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from chalicelib.core.policy import Policy
from chalicelib.core.rules import Rules
from chalicelib.core.situation import Situation
from ops.simulation.outcomes import Outcome, outcome_of

NOTHING = "(nothing)"


@dataclass(slots=True)
class Side:
    """What one policy does to a segment, or to everybody."""

    actions: Counter[str] = field(default_factory=Counter)
    tiers: Counter[str] = field(default_factory=Counter)
    discount_minor: int = 0
    expected_discount_minor: float = 0.0
    mails: int = 0
    capped: Counter[str] = field(default_factory=Counter)
    guardrails: Counter[str] = field(default_factory=Counter)
    law: Counter[str] = field(default_factory=Counter)
    budgets_minor: Counter[str] = field(default_factory=Counter)
    discount_shares: list[float] = field(default_factory=list)

    def add(self, outcome: Outcome, policy: Policy) -> None:
        """Count one outcome."""
        self.actions.update(outcome.actions or (NOTHING,))
        self.tiers[outcome.tier] += 1
        self.discount_minor += outcome.discount_minor
        self.expected_discount_minor += outcome.price_discount_minor
        for action_id, worth in outcome.offers_minor.items():
            action = policy.action(action_id)
            expected = worth * (0.0 if action is None else action.propensity)
            self.expected_discount_minor += expected
            if policy.limits_of(action_id).budget_minor is not None:
                self.budgets_minor[action_id] += worth
        self.mails += outcome.mails
        self.capped.update(outcome.capped)
        self.guardrails.update(outcome.guardrails)
        self.law[f"{outcome.mode or 'unknown place'}, {outcome.price_reason}"] += 1
        if outcome.discount_share is not None:
            self.discount_shares.append(outcome.discount_share)

    def figures(self, policy: Policy) -> dict[str, Any]:
        """As JSON."""
        return {
            "actions": dict(self.actions.most_common()),
            "tiers": dict(self.tiers.most_common()),
            "discount_minor": self.discount_minor,
            "expected_discount_minor": round(self.expected_discount_minor),
            "mails": self.mails,
            "capped": dict(self.capped.most_common()),
            "guardrails": dict(self.guardrails.most_common()),
            "law": dict(self.law.most_common()),
            "budgets": {
                action_id: {
                    "if_all_are_used_minor": burnt,
                    "budget_minor": policy.limits_of(action_id).budget_minor,
                }
                for action_id, burnt in self.budgets_minor.items()
            },
            "discount_deciles": deciles(self.discount_shares),
        }


@dataclass(slots=True)
class Segment:
    """One segment under both policies."""

    before: Side = field(default_factory=Side)
    after: Side = field(default_factory=Side)
    cases: int = 0
    changed: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was simulated.

    Attributes:
        before: the policy that decides now, with its rules.
        after: the one that is tried.
        segments: both by segment, as the scorer names it.
        everybody: both over all.
        outcomes: each situation under both.
    """

    before: Rules
    after: Rules
    segments: dict[str, Segment]
    everybody: Segment
    outcomes: tuple[tuple[Outcome, Outcome], ...]

    def figures(self) -> dict[str, Any]:
        """As JSON, for whoever activates the policy and for the record of the simulation."""
        return {
            "policy": self.after.policy.hash,
            "against": self.before.policy.hash,
            "cases": self.everybody.cases,
            "changed": self.everybody.changed,
            "before": self.everybody.before.figures(self.before.policy),
            "after": self.everybody.after.figures(self.after.policy),
            "segments": {
                name: {"cases": each.cases, "changed": each.changed}
                for name, each in sorted(self.segments.items())
            },
        }


def compare(situations: Iterable[Situation], *, before: Rules, after: Rules) -> Comparison:
    """Decide every situation by both policies."""
    segments: dict[str, Segment] = {}
    everybody = Segment()
    outcomes = []
    for situation in situations:
        old, new = outcome_of(situation, before), outcome_of(situation, after)
        outcomes.append((old, new))
        for each in (segments.setdefault(old.segment, Segment()), everybody):
            each.before.add(old, before.policy)
            each.after.add(new, after.policy)
            each.cases += 1
            each.changed += old.noticed != new.noticed
    return Comparison(before, after, segments, everybody, tuple(outcomes))


def deciles(shares: list[float]) -> list[float]:
    """Least, nine deciles and most of what is taken off, as shares of the published price."""
    if not shares:
        return []
    if len(shares) == 1:
        return [round(shares[0], 6)] * 11
    inner = quantiles(shares, n=10, method="inclusive")
    return [round(each, 6) for each in (min(shares), *inner, max(shares))]
