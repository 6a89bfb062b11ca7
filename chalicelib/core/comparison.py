"""Two policies over the same situations: who changes, and what it costs.

Counts alone are kept, so that what was compared in portions adds up to what is compared at once,
and comes back from storage as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from chalicelib.core.policy import Policy
from chalicelib.core.trial import Outcome

NOTHING = "(nothing)"
_WHOLE = 10_000  # basis points
_COUNTERS = ("actions", "tiers", "capped", "guardrails", "law", "budgets_minor")
_STEPS = (1, 2, 5)


@dataclass(slots=True)
class Side:
    """What one policy does to a segment, or to everybody.

    Attributes:
        actions: how often each won, or nothing did.
        tiers: how often each price tier was given.
        discount_minor: what is taken off if everything is used.
        expected_discount_minor: the same by what each action's propensity says.
        mails: how many are planned.
        capped: what the contact policy and limits refused, by action and reason.
        guardrails: why lines were priced otherwise than wished.
        law: mode and reason of prices.
        budgets_minor: what would be spent of each budget if all codes were used.
        shares: carts by what is taken off the published price, in basis points.
    """

    actions: Counter[str] = field(default_factory=Counter)
    tiers: Counter[str] = field(default_factory=Counter)
    discount_minor: int = 0
    expected_discount_minor: float = 0.0
    mails: int = 0
    capped: Counter[str] = field(default_factory=Counter)
    guardrails: Counter[str] = field(default_factory=Counter)
    law: Counter[str] = field(default_factory=Counter)
    budgets_minor: Counter[str] = field(default_factory=Counter)
    shares: Counter[int] = field(default_factory=Counter)

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
            self.shares[round(outcome.discount_share * _WHOLE)] += 1

    def join(self, other: Side) -> None:
        """Count everything that another side has counted."""
        for name in (*_COUNTERS, "shares"):
            getattr(self, name).update(getattr(other, name))
        self.discount_minor += other.discount_minor
        self.expected_discount_minor += other.expected_discount_minor
        self.mails += other.mails

    def figures(self, policy: Policy) -> dict[str, Any]:
        """As JSON."""
        return {
            **self.short_figures(),
            "expected_discount_minor": round(self.expected_discount_minor),
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
            "discount_deciles": deciles(self.shares),
        }

    def short_figures(self) -> dict[str, Any]:
        """What is said of a segment: figures are kept with a policy, twenty times over."""
        return {
            "actions": dict(self.actions.most_common()),
            "tiers": dict(self.tiers.most_common()),
            "discount_minor": self.discount_minor,
            "mails": self.mails,
        }


@dataclass(slots=True)
class Segment:
    """One segment under both policies.

    Attributes:
        before: what the policy does that decides now.
        after: what the one does that is tried.
        cases: how many situations.
        changed: how many of them come out otherwise.
        moved: those by how much more is taken off, in steps of minor units (``step_of``).
    """

    before: Side = field(default_factory=Side)
    after: Side = field(default_factory=Side)
    cases: int = 0
    changed: int = 0
    moved: Counter[int] = field(default_factory=Counter)

    def join(self, other: Segment) -> None:
        """Count everything that another segment has counted."""
        self.before.join(other.before)
        self.after.join(other.after)
        self.cases += other.cases
        self.changed += other.changed
        self.moved.update(other.moved)


@dataclass(slots=True)
class Tallied:
    """Everything that was compared so far, by segment as the scorer names it."""

    segments: dict[str, Segment] = field(default_factory=dict)

    def add(self, old: Outcome, new: Outcome, *, before: Policy, after: Policy) -> None:
        """Count one situation under both policies, in the segment that it has now."""
        segment = self.segments.setdefault(old.segment, Segment())
        segment.before.add(old, before)
        segment.after.add(new, after)
        segment.cases += 1
        if old.noticed != new.noticed:
            segment.changed += 1
            segment.moved[step_of(new.discount_minor - old.discount_minor)] += 1

    @property
    def everybody(self) -> Segment:
        """All segments together."""
        everybody = Segment()
        for _, each in sorted(self.segments.items()):
            everybody.join(each)
        return everybody

    def figures(self, *, before: Policy, after: Policy) -> dict[str, Any]:
        """As JSON, for whoever activates the policy and for the record of the simulation."""
        everybody = self.everybody
        return {
            "policy": after.hash,
            "against": before.hash,
            "currency": after.default_currency,
            "cases": everybody.cases,
            "changed": everybody.changed,
            "before": everybody.before.figures(before),
            "after": everybody.after.figures(after),
            "moved_minor": {str(step): everybody.moved[step] for step in sorted(everybody.moved)},
            "segments": {
                name: {
                    "cases": each.cases,
                    "changed": each.changed,
                    "before": each.before.short_figures(),
                    "after": each.after.short_figures(),
                }
                for name, each in sorted(self.segments.items())
            },
        }


def step_of(minor: int) -> int:
    """The step of 1, 2, 5, 10, 20, 50 … that an amount has reached, away from zero."""
    if minor == 0:
        return 0
    ten: int = 10 ** (len(str(abs(minor))) - 1)
    step = max(each * ten for each in _STEPS if each * ten <= abs(minor))
    return step if minor > 0 else -step


def deciles(shares: Counter[int]) -> list[float]:
    """Least, nine deciles and most of what is taken off, as shares of the published price."""
    each = sorted(shares.elements())
    if not each:
        return []
    inner = quantiles(each, n=10, method="inclusive") if len(each) > 1 else each * 9
    return [round(share / _WHOLE, 6) for share in (each[0], *inner, each[-1])]


def tallied_to_json(tallied: Tallied) -> dict[str, Any]:
    """The stored form."""
    return {
        name: {
            "before": _side_to_json(each.before),
            "after": _side_to_json(each.after),
            "cases": each.cases,
            "changed": each.changed,
            "moved": _numbered(each.moved),
        }
        for name, each in tallied.segments.items()
    }


def tallied_from_json(stored: Mapping[str, Any]) -> Tallied:
    """Undo ``tallied_to_json``."""
    return Tallied(
        {
            name: Segment(
                _side_from_json(each["before"]),
                _side_from_json(each["after"]),
                each["cases"],
                each["changed"],
                _by_number(each["moved"]),
            )
            for name, each in stored.items()
        }
    )


def _side_to_json(side: Side) -> dict[str, Any]:
    return {
        **{name: dict(getattr(side, name)) for name in _COUNTERS},
        "discount_minor": side.discount_minor,
        "expected_discount_minor": side.expected_discount_minor,
        "mails": side.mails,
        "shares": _numbered(side.shares),
    }


def _side_from_json(stored: Mapping[str, Any]) -> Side:
    counters = {name: Counter(stored[name]) for name in _COUNTERS}
    return Side(
        **counters,
        discount_minor=stored["discount_minor"],
        expected_discount_minor=float(stored["expected_discount_minor"]),
        mails=stored["mails"],
        shares=_by_number(stored["shares"]),
    )


def _numbered(counts: Counter[int]) -> dict[str, int]:
    return {str(number): count for number, count in counts.items()}


def _by_number(stored: Mapping[str, int]) -> Counter[int]:
    return Counter({int(number): count for number, count in stored.items()})


def tallied_of(
    pairs: Iterable[tuple[Outcome, Outcome]], *, before: Policy, after: Policy
) -> Tallied:
    """Count situations, each under both policies."""
    tallied = Tallied()
    for old, new in pairs:
        tallied.add(old, new, before=before, after=after)
    return tallied
