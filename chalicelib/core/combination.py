"""The best combination of actions that the stacking rules allow, and why each other is not in it.

Of the finalists, the ``FINALISTS`` that rank highest, every set of at most so many is looked at,
so what is chosen is exactly the allowed set with the highest total priority. Of sets with the same
total the larger is taken, and then the one whose actions stand first in the document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from heapq import nsmallest
from itertools import combinations
from math import fsum
from typing import NamedTuple

from chalicelib.core.stacking import StackingRules

FINALISTS = 5
NOTHING_OFF = Fraction(0)


class Contender(NamedTuple):
    """One action that survived: what it is worth, and where it stands in the document."""

    action_id: str
    place: int
    priority: float


_Set = tuple[Contender, ...]


def _by_priority(each: Contender) -> tuple[float, int]:
    return -each.priority, each.place


class Combination(NamedTuple):
    """What is chosen together.

    Attributes:
        chosen: highest rank first; what has the first place before all others.
        why_not: the rule that keeps each other out, or that it is worth less, by action.
        ruled: whether it is another set than the highest priorities alone would be.
    """

    chosen: _Set
    why_not: Mapping[str, str]
    ruled: bool


def nothing_off(_: str) -> Fraction:
    """What an action takes off that is no offer."""
    return NOTHING_OFF


def convene(
    contenders: Sequence[Contender],
    *,
    most: int,
    rules: StackingRules,
    share_off: Callable[[str], Fraction] = nothing_off,
    already_off: Fraction = NOTHING_OFF,
    finalists: int = FINALISTS,
) -> Court:
    """Find the finalists.

    Args:
        contenders: all that survived, in any order.
        most: how many may be chosen.
        rules: which sets are allowed.
        share_off: which part of the published price an action takes off.
        already_off: which part is taken off already. What does not fit the cap by itself is no
            finalist.
        finalists: how many there are.
    """
    ranked = tuple(_ranked(contenders, rules))
    shares: dict[str, Fraction] = {}
    deep: set[str] = set()
    for each in ranked:
        share = share_off(each.action_id)
        if rules.fits_cap(already_off, share):
            shares[each.action_id] = share
        else:
            deep.add(each.action_id)
        if len(shares) == finalists:
            break
    among = tuple(each for each in ranked if each.action_id in shares)
    return Court(ranked, among, shares, frozenset(deep), most, rules, already_off)


def _ranked(contenders: Iterable[Contender], rules: StackingRules) -> list[Contender]:
    """By priority; whoever comes before another ranks no lower, as long as it is worth its cost."""
    if not rules.after:
        return sorted(contenders, key=_by_priority)
    standing = {each.action_id: each for each in contenders}
    rank = {action_id: each.priority for action_id, each in standing.items()}
    for action_id, each in standing.items():
        for earlier in rules.before(action_id) & standing.keys():
            if standing[earlier].priority >= 0:
                rank[earlier] = max(rank[earlier], each.priority)
    return sorted(
        standing.values(),
        key=lambda each: (
            -rank[each.action_id],
            len(rules.before(each.action_id) & standing.keys()),
            each.place,
        ),
    )


@dataclass(frozen=True, slots=True)
class Court:
    """The finalists, and which of their sets are allowed.

    Attributes:
        ranked: everybody who survived, highest rank first.
        finalists: those who could be chosen.
        shares: which part of the published price each of them takes off.
        deep: those who rank among them and do not fit the cap by themselves.
        most: how many may be chosen.
        rules: of the policy.
        already_off: which part of the published price is off already.
    """

    ranked: _Set
    finalists: _Set
    shares: Mapping[str, Fraction]
    deep: frozenset[str]
    most: int
    rules: StackingRules
    already_off: Fraction
    _sets: dict[_Set, tuple[_Set, ...]] = field(default_factory=dict, compare=False)

    @property
    def in_document_order(self) -> _Set:
        """The finalists as the policy has them."""
        return tuple(sorted(self.finalists, key=lambda each: each.place))

    def first(self, priorities: Sequence[float]) -> int | None:
        """Who is first in the best set, were these their priorities; None where nobody is.

        Of a set it is the one of the highest priority. Both count in document order; whoever is
        worth less than it costs is not there at all.
        """
        order = self.in_document_order
        if self.most == 1 and not self.rules.after:
            best = max(priorities, default=-1.0)
            return priorities.index(best) if best >= 0 else None
        worth = {each.action_id: p for each, p in zip(order, priorities, strict=True) if p >= 0}
        best_set = self._best(worth, first=None)
        if not best_set:
            return None
        winner = max(best_set, key=lambda each: (worth[each.action_id], -each.place))
        return order.index(winner)

    def combine(self, worth: Mapping[str, float], *, first: str | None) -> Combination:
        """The best set of those who have a worth, with ``first`` in it where one is named.

        Whoever costs more than they are worth is in no set, unless they are ``first``: they were
        drawn. No set may hold whom no rule allows beside ``first``.
        """
        possible = {name: each for name, each in worth.items() if each >= 0 or name == first}
        chosen = self._best(possible, first=first)
        if first is not None and first in possible and not chosen:
            chosen = tuple(each for each in self.finalists if each.action_id == first)
        worthy = [each for each in self.ranked if possible.get(each.action_id, -1.0) >= 0]
        highest = nsmallest(self.most, worthy, key=_by_priority)
        among = {each.action_id for each in chosen}
        return Combination(
            chosen=tuple(sorted(chosen, key=lambda each: each.action_id != first)),
            why_not={
                each.action_id: self._why_not(each, chosen, possible)
                for each in self.ranked
                if each.action_id not in among
            },
            ruled={each.action_id for each in highest} != among,
        )

    def _best(self, worth: Mapping[str, float], *, first: str | None) -> _Set:
        present = tuple(each for each in self.finalists if each.action_id in worth)
        sets = [
            each
            for each in self._allowed(present)
            if first is None or any(one.action_id == first for one in each)
        ]
        return max(sets, key=lambda each: _total(each, worth), default=())

    def _allowed(self, present: _Set) -> tuple[_Set, ...]:
        """Every allowed set of these, nothing at all among them."""
        if present not in self._sets:
            sizes = range(min(self.most, len(present)) + 1)
            sets = (s for size in sizes for s in combinations(present, size))
            self._sets[present] = tuple(s for s in sets if self._allows(s, present))
        return self._sets[present]

    def _allows(self, chosen: _Set, present: _Set) -> bool:
        return (
            not any(self._excluded_by(each, chosen) for each in chosen)
            and not any(self._comes_after(each, chosen, present) for each in chosen)
            and self._fits_cap(chosen)
        )

    def _excluded_by(self, one: Contender, chosen: Iterable[Contender]) -> str | None:
        """The first of these that cannot stand beside it."""
        return next(
            (o.action_id for o in chosen if self.rules.excluded(one.action_id, o.action_id)), None
        )

    def _comes_after(self, one: Contender, chosen: _Set, present: _Set) -> str | None:
        """The first that comes before it and is missing, though only it is in its way."""
        before, among = self.rules.before(one.action_id), {each.action_id for each in chosen}
        if not before:
            return None
        others = [each for each in chosen if each is not one]
        return next(
            (
                each.action_id
                for each in present
                if each.action_id in before
                and each.action_id not in among
                and not self._excluded_by(each, others)
            ),
            None,
        )

    def _fits_cap(self, chosen: Iterable[Contender]) -> bool:
        shares = [self.shares[each.action_id] for each in chosen]
        return self.rules.fits_cap(self.already_off, *shares)

    def _why_not(self, one: Contender, chosen: _Set, possible: Mapping[str, float]) -> str:
        """The rule that keeps a contender out, where it is not simply worth less."""
        if one.action_id in self.deep:
            return "combined_discount_cap"
        if possible.get(one.action_id, -1.0) < 0:
            return "costs_too_much"
        if one.action_id not in self.shares:
            return "lower_priority"
        beside = chosen
        if len(chosen) >= self.most:
            lowest = min(chosen, key=lambda each: (each.priority, -each.place), default=None)
            if lowest is None or (one.priority, -one.place) < (lowest.priority, -lowest.place):
                return "lower_priority"
            beside = tuple(each for each in chosen if each is not lowest)
        return self._rule_against(one, chosen, beside) or "lower_priority"

    def _rule_against(self, one: Contender, chosen: _Set, beside: _Set) -> str | None:
        if (other := self._excluded_by(one, chosen)) is not None:
            return f"excluded_by:{other}"
        if (earlier := self._comes_after(one, (*beside, one), self.finalists)) is not None:
            return f"comes_after:{earlier}"
        return None if self._fits_cap((*beside, one)) else "combined_discount_cap"


def _total(chosen: _Set, worth: Mapping[str, float]) -> tuple[float, int, list[int]]:
    # Exact sums, so that no order of addition decides; then more, then first in the document.
    places = sorted(each.place for each in chosen)
    total = fsum(worth[each.action_id] for each in chosen)
    return total, len(chosen), [-place for place in places]
