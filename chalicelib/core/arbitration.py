"""Arbitration: what survives competes, and the best of it that may stand together is chosen.

Priority = propensity × context weights × value × lever. The first place is explored where the
policy says so; the others follow by expected priority. Where the policy has stacking rules, whoever
has the first place is first in the best combination that they allow, and the others complete it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from chalicelib.core.actions import Action
from chalicelib.core.assignment import in_control
from chalicelib.core.baskets import Basket, share_already_off, share_taken_off
from chalicelib.core.candidates import Candidate, Seen, removed
from chalicelib.core.combination import FINALISTS, NOTHING_OFF, Contender, Court, convene
from chalicelib.core.exploration import (
    NOTHING,
    Arm,
    Choice,
    arm_of,
    by_priority,
    choose,
    in_order,
)
from chalicelib.core.learning import Estimate
from chalicelib.core.policy import Policy

# Weights multiply without end; beyond this nothing is told apart by them any more.
LARGEST_FACTOR = 1e12


class Arbitrated(NamedTuple):
    """What won, what became of every action, and how the first place was given."""

    chosen: tuple[Action, ...]
    candidates: tuple[Candidate, ...]
    choice: Choice | None


def arbitrate(policy: Policy, seen: Seen, *, holdout: bool) -> Arbitrated:
    """Let what survives compete and keep the best; ties go to the earlier in the document.

    What costs more than it is worth is never chosen. In the global holdout, and in the control
    group of what won, what would have been is found out for comparison, and is not done.
    """
    arms: list[Arm] = []
    candidates: list[Candidate] = []
    estimates = _estimates(policy, seen)
    for action in policy.actions_at(seen.situation.placement):
        if (gone := removed(action, seen, policy)) is not None:
            candidates.append(gone)
        elif action.id in seen.changes.off:
            candidates.append(Candidate(action.id, "rejected", "experiment", "switched_off"))
        else:
            arms.append(_arm(action, seen, policy, estimates))
    court = _court(arms, seen, policy)
    ranked = by_priority(arms) if court is None else _as_ruled(arms, court)
    choice = _choose(arms, ranked, policy, seen, court)
    if holdout:
        return _held_out(policy.actions_at(seen.situation.placement), choice)
    kept = _in_control(arms, seen, policy)
    if choice is not None and choice.action in kept:
        choice = replace(choice, withheld="control")
    candidates += [Candidate(name, "rejected", "experiment", "control") for name in kept]
    if kept:
        ranked = [arm for arm in ranked if arm.action.id not in kept]
    if court is None:
        chosen, told = _by_rank(ranked, policy, choice)
    else:
        chosen, told = _together(ranked, court, choice)
    return Arbitrated(chosen, (*candidates, *told), choice)


def expected_priority(action: Action, seen: Seen, policy: Policy) -> float:
    """What an action is expected to be worth to somebody, in minor units."""
    return _arm(action, seen, policy, _estimates(policy, seen)).priority


def withheld(action: Action, seen: Seen) -> bool:
    """Whether an experiment keeps back an action that would compete."""
    return action.id in seen.changes.off or in_control(action, seen.situation.subject.key)


def factor_of(action: Action, seen: Seen, policy: Policy) -> float:
    """Context weights × lever: what of a priority no outcome teaches.

    A weight whose condition does not hold is 1; an arm of an experiment may bring another lever.
    """
    factor = seen.changes.levers.get(action.id, action.lever)
    for condition, weight in policy.conditions.weights.get(action.id, ()):
        if condition.test(seen.values) is True:
            factor = min(factor * weight, LARGEST_FACTOR)
    return factor


def _arm(action: Action, seen: Seen, policy: Policy, estimates: Mapping[str, Estimate]) -> Arm:
    return arm_of(action, estimates[action.id], factor=factor_of(action, seen, policy))


def _estimates(policy: Policy, seen: Seen) -> Mapping[str, Estimate]:
    """What is believed of each action in the customer's segment."""
    learned = seen.situation.learned
    if learned is None:
        return policy.stated
    return {**policy.stated, **learned.of(seen.scores.segment)}


def _court(arms: Sequence[Arm], seen: Seen, policy: Policy) -> Court | None:
    """The finalists under the stacking rules; None where the policy has none."""
    rules = policy.stacking_rules
    if rules is None:
        return None
    actions = {arm.action.id: arm.action for arm in arms}
    return convene(
        [Contender(arm.action.id, place, arm.priority) for place, arm in enumerate(arms)],
        most=policy.offers_per_decision,
        rules=rules,
        share_off=lambda name: _share_off(actions[name], seen.basket),
        already_off=NOTHING_OFF if rules.cap is None else share_already_off(seen.basket),
        finalists=FINALISTS if policy.exploration is None else policy.exploration.finalists,
    )


def _share_off(action: Action, basket: Basket | None) -> Fraction:
    return NOTHING_OFF if action.offer is None else share_taken_off(action.offer, basket)


def _as_ruled(arms: Sequence[Arm], court: Court) -> list[Arm]:
    """The finalists, whoever is expected to be first before the others, and the rest."""
    by_id = {arm.action.id: arm for arm in arms}
    first = court.first([each.priority for each in court.in_document_order])
    expected = () if first is None else (court.in_document_order[first],)
    order = dict.fromkeys(each.action_id for each in (*expected, *court.finalists, *court.ranked))
    return [by_id[name] for name in order]


def _choose(
    arms: Sequence[Arm], ranked: Sequence[Arm], policy: Policy, seen: Seen, court: Court | None
) -> Choice | None:
    """Give the first place, the same one for as long as a session lasts."""
    situation = seen.situation
    if not arms or not policy.offers_per_decision or (court is not None and not court.finalists):
        return None
    occasion = situation.context.session_id or situation.decision_id
    unit = (situation.subject.key, situation.placement, occasion)
    settings, learning = policy.exploration, situation.learned
    if court is None:
        return choose(arms, ranked, settings=settings, learning=learning, unit=unit)
    finalists = ranked[: len(court.finalists)]
    return choose(
        arms, finalists, settings=settings, learning=learning, unit=unit, winner=court.first
    )


def _in_control(arms: Iterable[Arm], seen: Seen, policy: Policy) -> Collection[str]:
    """The actions that are kept from somebody who would otherwise compete for them."""
    if not policy.has_controls:
        return ()
    key = seen.situation.subject.key
    return [arm.action.id for arm in arms if in_control(arm.action, key)]


_Told = tuple[tuple[Action, ...], list[Candidate]]


def _by_rank(ranked: Sequence[Arm], policy: Policy, choice: Choice | None) -> _Told:
    winners, too_dear = in_order(ranked, choice)
    chosen = tuple(winners[: policy.offers_per_decision])
    told = [Candidate(a.id, "rejected", "arbitration", "costs_too_much") for a in too_dear]
    told += [
        Candidate(a.id, "chosen", "arbitration", _why(a, choice, "highest_priority"))
        for a in chosen
    ]
    told += [
        Candidate(a.id, "rejected", "arbitration", "lower_priority")
        for a in winners[policy.offers_per_decision :]
    ]
    return chosen, told


def _together(ranked: Sequence[Arm], court: Court, choice: Choice | None) -> _Told:
    """The best combination with whoever has the first place in it."""
    first = None if choice is None or choice.withheld is not None else choice.action
    worth = {arm.action.id: arm.priority for arm in ranked}
    possible = () if first == NOTHING else worth
    found = court.combine({name: worth[name] for name in possible}, first=first)
    among = {each.action_id for each in found.chosen}
    by_id = {arm.action.id: arm.action for arm in ranked}
    chosen = tuple([by_id[each.action_id] for each in found.chosen])
    reason = "best_combination" if found.ruled else "highest_priority"
    told = [Candidate(a.id, "chosen", "arbitration", _why(a, choice, reason)) for a in chosen]
    told += [
        Candidate(arm.action.id, "rejected", "arbitration", found.why_not[arm.action.id])
        for arm in ranked
        if arm.action.id not in among
    ]
    return chosen, told


def _why(action: Action, choice: Choice | None, otherwise: str) -> str:
    explored = choice is not None and choice.action == action.id != choice.finalists[0].action
    return "explored" if explored else otherwise


def _held_out(actions: Iterable[Action], choice: Choice | None) -> Arbitrated:
    reason = "global_holdout"
    if choice is not None:
        choice = replace(choice, withheld=reason)
    return Arbitrated(
        (), tuple([Candidate(a.id, "rejected", "experiment", reason) for a in actions]), choice
    )
