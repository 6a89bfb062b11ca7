"""What no single part of a policy can see: names that lead nowhere, or stand twice.

Each check yields the path of what is wrong, as the document spells it, and the fix.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from chalicelib.core.actions import REACHED_AT, Action, Placement
from chalicelib.core.cool_downs import CoolDown
from chalicelib.core.price_tiers import BASE_TIER, PriceTier


class Misfit(NamedTuple):
    """One thing that is wrong: where, and what to do about it."""

    path: str
    problem: str


class Misfits(ValueError):
    """Everything that is wrong between the parts of a policy."""

    def __init__(self, found: Sequence[Misfit]) -> None:
        self.found = tuple(found)
        super().__init__("; ".join(f"{each.path}: {each.problem}" for each in found))


def names_stand_once(path: str, names: Iterable[str]) -> Iterator[Misfit]:
    """Every name of a list stands there once."""
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            yield Misfit(path.format(number), f"{name} stands twice; give it another name")
        seen.add(name)


def tiers_are_not_base(tiers: Sequence[PriceTier]) -> Iterator[Misfit]:
    """The published price is no tier of the document."""
    for number, tier in enumerate(tiers):
        if tier.name == BASE_TIER:
            yield Misfit(f"price_tiers.{number}.name", f"{BASE_TIER} is the published price")


def offers_to_strangers_end(actions: Sequence[Action], *, unknown_segment: str) -> Iterator[Misfit]:
    """Whoever is unknown may ask again under another name, so such an offer needs an end."""
    for number, action in enumerate(actions):
        open_to_strangers = not action.segments or unknown_segment in action.segments
        asked = any(placement not in REACHED_AT for placement in action.placements)
        if action.offer is None or not asked or not open_to_strangers:
            continue
        limits = action.offer.limits
        if limits.codes is limits.budget_minor is None:
            yield Misfit(
                f"actions.{number}.offer.limits",
                f"an offer to the segment {unknown_segment} needs codes or budget_minor; or name "
                "the segments that it is for",
            )


def fallbacks_stand(
    actions: Sequence[Action], fallbacks: Mapping[Placement, str]
) -> Iterator[Misfit]:
    """Every placement in use falls back to something that has no conditions."""
    ids = {action.id for action in actions}
    used: dict[Placement, None] = dict.fromkeys(("checkout", "mail", "batch"))
    used |= dict.fromkeys(placement for action in actions for placement in action.placements)
    for placement in used:
        if placement not in fallbacks:
            yield Misfit(f"fallbacks.{placement}", "every placement needs a fallback action")
    for placement, action_id in fallbacks.items():
        if action_id in ids:
            yield Misfit(
                f"fallbacks.{placement}.action",
                "is already an action with conditions; name another",
            )


def cool_downs_name_actions(
    cool_downs: Sequence[CoolDown], actions: Sequence[Action]
) -> Iterator[Misfit]:
    """A cool-down waits with actions that there are."""
    ids = {action.id for action in actions}
    for number, each in enumerate(cool_downs):
        for place, name in enumerate(each.actions):
            if name not in ids:
                path = f"contact_policy.cool_downs.{number}.actions.{place}"
                yield Misfit(path, f"{name} is no action")


def segments_that_nobody_is_in(
    actions: Sequence[Action], tiers: Sequence[PriceTier], *, known: Collection[str]
) -> Iterator[Misfit]:
    """Segments that neither the model nor the scorecard names: nobody would ever be asked."""
    named = [(f"actions.{n}.segments", each.segments) for n, each in enumerate(actions)]
    named += [(f"price_tiers.{n}.segments", each.segments) for n, each in enumerate(tiers)]
    for path, segments in named:
        for segment in segments:
            if segment not in known:
                yield Misfit(path, f"{segment} is no segment; there are {', '.join(sorted(known))}")
