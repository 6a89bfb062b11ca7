"""The best combination of actions that the stacking rules allow, and why each other is not in it.

Of the finalists, the ``FINALISTS`` that rank highest, every set of at most so many is looked at,
so what is chosen is exactly the allowed set with the highest total priority. Of sets with the same
total the larger is taken, and then the one whose actions stand first in the document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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


class Left(NamedTuple):
    """A contender that was not chosen, and why."""

    action_id: str
    reason: str


class Combination(NamedTuple):
    """What is chosen, highest rank first, and why each other is not."""

    chosen: tuple[str, ...]
    left: tuple[Left, ...]
    ruled: bool


def nothing_off(_: str) -> Fraction:
    """What an action takes off that is no offer."""
    return NOTHING_OFF


def best_combination(
    contenders: Iterable[Contender],
    *,
    most: int,
    rules: StackingRules,
    share_off: Callable[[str], Fraction] = nothing_off,
    already_off: Fraction = NOTHING_OFF,
) -> Combination:
    """The allowed set of finalists with the highest total priority.

    Args:
        contenders: all that survived, in any order; no priority is less than 0.
        most: how many may be chosen.
        rules: which sets are allowed.
        share_off: which part of the published price an action takes off.
        already_off: which part is taken off already. What does not fit the cap by itself is no
            finalist.

    Returns:
        The set; ``ruled`` says whether it is another one than the highest priorities alone would
        be.
    """
    ranked = _ranked(contenders, rules)
    shares: dict[str, Fraction] = {}
    deep: set[str] = set()
    for each in ranked:
        share = share_off(each.action_id)
        if rules.fits_cap(already_off, share):
            shares[each.action_id] = share
        else:
            deep.add(each.action_id)
        if len(shares) == FINALISTS:
            break
    finalists = tuple(each for each in ranked if each.action_id in shares)
    court = _Court(finalists, shares, most, rules, already_off)
    chosen = court.best()
    among = {each.action_id for each in chosen}
    left = [
        Left(name, "combined_discount_cap" if name in deep else court.why_not(each, chosen))
        for each in ranked
        if (name := each.action_id) not in among
    ]
    highest = nsmallest(most, ranked, key=lambda each: (-each.priority, each.place))
    return Combination(
        tuple(each.action_id for each in chosen),
        tuple(left),
        ruled={each.action_id for each in highest} != among,
    )


def _ranked(contenders: Iterable[Contender], rules: StackingRules) -> list[Contender]:
    """By priority; whoever comes before another ranks no lower than it."""
    standing = {each.action_id: each for each in contenders}
    rank = {action_id: each.priority for action_id, each in standing.items()}
    for action_id, each in standing.items():
        for earlier in rules.before(action_id) & standing.keys():
            rank[earlier] = max(rank[earlier], each.priority)
    return sorted(
        standing.values(),
        key=lambda each: (
            -rank[each.action_id],
            len(rules.before(each.action_id) & standing.keys()),
            each.place,
        ),
    )


class _Court(NamedTuple):
    """The finalists, and what is allowed among them."""

    finalists: tuple[Contender, ...]
    shares: Mapping[str, Fraction]
    most: int
    rules: StackingRules
    already_off: Fraction

    def best(self) -> tuple[Contender, ...]:
        sizes = range(min(self.most, len(self.finalists)) + 1)
        sets = (s for size in sizes for s in combinations(self.finalists, size))
        return max((s for s in sets if self.allows(s)), key=_worth)

    def allows(self, chosen: Sequence[Contender]) -> bool:
        """Whether these may stand beside each other; nothing at all always may."""
        return (
            not any(self.excluded_by(each, chosen) for each in chosen)
            and not any(self.comes_after(each, chosen) for each in chosen)
            and self.fits_cap(chosen)
        )

    def excluded_by(self, one: Contender, chosen: Iterable[Contender]) -> str | None:
        """The first of these that cannot stand beside it."""
        return next(
            (o.action_id for o in chosen if self.rules.excluded(one.action_id, o.action_id)), None
        )

    def comes_after(self, one: Contender, chosen: Sequence[Contender]) -> str | None:
        """The first finalist that comes before it and is missing, though only it is in its way."""
        before, among = self.rules.before(one.action_id), {each.action_id for each in chosen}
        others = [each for each in chosen if each is not one]
        return next(
            (
                each.action_id
                for each in self.finalists
                if each.action_id in before
                and each.action_id not in among
                and not self.excluded_by(each, others)
            ),
            None,
        )

    def fits_cap(self, chosen: Iterable[Contender]) -> bool:
        """Whether together they take off no more than they may."""
        return self.rules.fits_cap(
            self.already_off, *[self.shares[each.action_id] for each in chosen]
        )

    def why_not(self, one: Contender, chosen: Sequence[Contender]) -> str:
        """The rule that keeps a contender out, where it is not simply worth less."""
        if one.action_id not in self.shares:
            return "lower_priority"
        beside, full = chosen, len(chosen) >= self.most
        if full:
            lowest = min(chosen, key=lambda each: (each.priority, -each.place), default=None)
            if lowest is None or (one.priority, -one.place) < (lowest.priority, -lowest.place):
                return "lower_priority"
            beside = [each for each in chosen if each is not lowest]
        if (other := self.excluded_by(one, chosen)) is not None:
            return f"excluded_by:{other}"
        if (earlier := self.comes_after(one, [*beside, one])) is not None:
            return f"comes_after:{earlier}"
        return "lower_priority" if self.fits_cap([*beside, one]) else "combined_discount_cap"


def _worth(chosen: Sequence[Contender]) -> tuple[float, int, list[int]]:
    # Exact sums, so that no order of addition decides; then more, then first in the document.
    places = sorted(each.place for each in chosen)
    return fsum(each.priority for each in chosen), len(chosen), [-place for place in places]
