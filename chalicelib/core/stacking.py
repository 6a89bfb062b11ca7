"""Which actions may stand beside each other in one decision, as a policy states it.

Three rules, all of them about the actions that survive: exclusion (an exclusive offer stands beside
no other offer, and of an exclusion group one action at the most is chosen), precedence (``before``
names actions that come only after this one), and a cap on what all discounts together take off the
published price, the personal price's part included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pydantic import Field

from chalicelib.core.actions import Action
from chalicelib.core.baskets import share_taken_off
from chalicelib.core.parts import Part
from chalicelib.core.policy_checks import Misfit
from chalicelib.core.price_tiers import PriceTier

_NONE: frozenset[str] = frozenset()


class Stacking(Part):
    """What holds of all discounts of a decision together.

    Attributes:
        max_discount_percent: of the published price; without it there is no cap.
    """

    max_discount_percent: int | None = Field(default=None, ge=1, le=100)

    @property
    def cap(self) -> Fraction | None:
        """The same as a share."""
        percent = self.max_discount_percent
        return None if percent is None else Fraction(percent, 100)


@dataclass(frozen=True, slots=True)
class StackingRules:
    """What a policy's actions say of each other, by action.

    Attributes:
        excludes: what cannot be chosen beside it.
        after: what comes before it, and what comes before that.
        cap: which part of the published price all discounts may take off; None for no cap.
    """

    excludes: Mapping[str, frozenset[str]]
    after: Mapping[str, frozenset[str]]
    cap: Fraction | None

    def excluded(self, one: str, other: str) -> bool:
        """Whether two actions cannot be chosen together."""
        return other in self.excludes.get(one, _NONE)

    def before(self, action_id: str) -> frozenset[str]:
        """Everything that comes before an action."""
        return self.after.get(action_id, _NONE)

    def fits_cap(self, already_off: Fraction, *shares_off: Fraction) -> bool:
        """Whether discounts take off no more than they may; what takes nothing off always fits."""
        off = sum(shares_off, Fraction(0))
        return self.cap is None or not off or already_off + off <= self.cap


def stacking_rules(actions: Sequence[Action], stacking: Stacking) -> StackingRules | None:
    """The rules of a policy whose ``stacking_misfits`` are none; None where it states no rule."""
    excludes = {
        one.id: others
        for one in actions
        if (others := frozenset(o.id for o in actions if o is not one and _exclude(one, o)))
    }
    after = {
        action.id: found
        for action in actions
        if (found := frozenset(_all_before(action.id, _direct(actions))))
    }
    if not excludes and not after and stacking.cap is None:
        return None
    return StackingRules(excludes, after, stacking.cap)


def stacking_misfits(
    actions: Sequence[Action], tiers: Sequence[PriceTier], stacking: Stacking
) -> Iterator[Misfit]:
    """What cannot hold: precedence that loops or names nobody, a discount beyond the cap."""
    yield from _precedence_misfits(actions)
    cap = stacking.cap
    if cap is None:
        return
    said = f"stacking.max_discount_percent is {stacking.max_discount_percent}"
    for number, action in enumerate(actions):
        if action.offer is None or share_taken_off(action.offer, None) <= cap:
            continue
        if action.offer.kind == "percent_off":
            yield Misfit(f"actions.{number}.offer.value", f"takes off more: {said}")
        else:
            least_minor = -(-action.offer.value * cap.denominator // cap.numerator)
            yield Misfit(
                f"actions.{number}.offer.min_spend_minor",
                f"must be at least {least_minor}, or it takes off more of a small cart: {said}",
            )
    for number, tier in enumerate(tiers):
        if Fraction(tier.discount_basis_points, 10_000) > cap:
            path = f"price_tiers.{number}.discount_basis_points"
            yield Misfit(path, f"takes off more: {said}")


def _exclude(one: Action, other: Action) -> bool:
    if not set(one.exclusion_groups).isdisjoint(other.exclusion_groups):
        return True
    if one.offer is None or other.offer is None:
        return False
    return "exclusive" in (one.offer.stacking, other.offer.stacking)


def _direct(actions: Iterable[Action]) -> Mapping[str, tuple[str, ...]]:
    """What each action names as coming before it, turned round: by the later one."""
    earlier: dict[str, tuple[str, ...]] = {}
    for action in actions:
        for later in action.before:
            earlier[later] = (*earlier.get(later, ()), action.id)
    return earlier


def _all_before(action_id: str, earlier: Mapping[str, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    open_ends = list(earlier.get(action_id, ()))
    while open_ends:
        each = open_ends.pop()
        if each not in found:
            found.add(each)
            open_ends += earlier.get(each, ())
    return found


def _precedence_misfits(actions: Sequence[Action]) -> Iterator[Misfit]:
    ids = {action.id for action in actions}
    for number, action in enumerate(actions):
        for place, later in enumerate(action.before):
            if later not in ids:
                yield Misfit(f"actions.{number}.before.{place}", f"{later} is no action")
    loop = _loop(actions)
    if loop:
        number = next(n for n, action in enumerate(actions) if action.id == loop[0])
        place = actions[number].before.index(loop[1])
        way = " before ".join(loop)
        yield Misfit(f"actions.{number}.before.{place}", f"is a loop: {way}; take one out")


def _loop(actions: Sequence[Action]) -> list[str]:
    """The first loop of precedence from an action back to itself, empty where there is none."""
    later = {action.id: action.before for action in actions}
    done: set[str] = set()
    for action in actions:
        # Depth first, with the way to where we are; what was left without a loop has none.
        way: list[str] = [action.id]
        ends = [iter(later[action.id])]
        while way:
            following = next(ends[-1], None)
            if following is None:
                done.add(way.pop())
                ends.pop()
            elif following in way:
                return [*way[way.index(following) :], following]
            elif following in later and following not in done:
                way.append(following)
                ends.append(iter(later[following]))
    return []
