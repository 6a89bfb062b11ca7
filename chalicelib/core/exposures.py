"""Which experiments a decision is evidence of: those another arm of which could have changed it.

Being in an arm is an assignment; only where it could have made a difference is it an exposure, and
that must not depend on which arm it is. So it is asked of all arms alike: an action that some arm
treats otherwise would have competed here, arms that try other price tiers come to different ones,
or another document decides in some arm. What a session was shown before is kept in every arm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from chalicelib.core.assignment import Arms, Changes
from chalicelib.core.candidates import Candidate, Seen
from chalicelib.core.policy import Policy
from chalicelib.core.pricing import choose_tier


def exposures(
    seen: Seen,
    candidates: Iterable[Candidate],
    *,
    policy: Policy,
    arms: Arms,
    scored: bool,
    tier_asked: bool,
) -> tuple[str, ...]:
    """The experiments that could have changed a decision, sorted.

    Args:
        seen: what it was made from, with what the arms change.
        candidates: what became of every action.
        policy: the one that decided.
        arms: those between whole documents.
        scored: whether the scorer was asked.
        tier_asked: whether a price tier was looked for.
    """
    changes = seen.changes
    if not changes.arms and not arms.by_experiment:
        return ()
    found = {*_treating(candidates, changes)}
    if tier_asked:
        found |= {name for name in changes.treating_tiers if _tiers_differ(name, seen, policy)}
    if not any(each.layer == "session" for each in candidates):
        found |= _replacing(arms, opted_out=seen.situation.opted_out, scored=scored)
    return tuple(sorted(found))


def arms_of(changes: Changes, arms: Arms) -> Mapping[str, str]:
    """Every arm that a subject is in, by experiment."""
    return {**arms.by_experiment, **changes.arms} if changes.arms else arms.by_experiment


def _treating(candidates: Iterable[Candidate], changes: Changes) -> Iterator[str]:
    """Experiments that treat an action which would have competed but for themselves."""
    for each in candidates:
        competed = each.layer == "arbitration" or each.reason == "switched_off"
        if not competed or each.action not in changes.treating:
            continue
        off_by = changes.off.get(each.action, frozenset())
        yield from (name for name in changes.treating[each.action] if off_by <= {name})


def _tiers_differ(name: str, seen: Seen, policy: Policy) -> bool:
    experiment = next(each for each in policy.experiments if each.id == name)
    tried = {arm.price_tiers for arm in experiment.arms}
    chosen = (
        choose_tier(policy, seen._replace(changes=seen.changes._replace(tiers=names)))
        for names in tried
    )
    return len({None if tier is None else tier.name for tier in chosen}) > 1


def _replacing(arms: Arms, *, opted_out: bool, scored: bool) -> set[str]:
    if opted_out:
        return set()
    return {name for name in arms.by_experiment if scored or name in arms.policies}
