"""Every action as a candidate, and the layer that removed it: engagement policy in its order.

Eligibility (may they ever have it), applicability (is it relevant now), suitability (is it right
for them), contact policy (was it said too often), limits (is any left), arbitration (what is worth
most).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from chalicelib.core.actions import REACHED_AT, Action
from chalicelib.core.conditions import Values
from chalicelib.core.exploration import Arm, Choice, arm_of, by_priority, choose, in_order
from chalicelib.core.features import Features, describe
from chalicelib.core.learning import Estimate
from chalicelib.core.observed import observe
from chalicelib.core.policy import Policy
from chalicelib.core.policy_conditions import Asked
from chalicelib.core.scores import Scores
from chalicelib.core.situation import Situation

Layer = Literal[
    "experiment",
    "eligibility",
    "applicability",
    "suitability",
    "contact_policy",
    "limits",
    "arbitration",
    "session",
    "fallback",
]


class Candidate(NamedTuple):
    """What became of one action, in which layer and why."""

    action: str
    outcome: Literal["chosen", "rejected"]
    layer: Layer
    reason: str


class Seen(NamedTuple):
    """A situation, what the scorer says of it, and a value for each feature that is known.

    Where a policy asks no condition, ``values`` is empty: nobody would look.
    """

    situation: Situation
    scores: Scores
    values: Mapping[str, Any]


def see(situation: Situation, scores: Scores, *, policy: Policy, features: Features | None) -> Seen:
    """Lay out what actions are asked about; ``features`` is None where nothing may be read."""
    values = observe(situation, scores, features) if policy.conditions else {}
    return Seen(situation, scores, values)


def see_freely(situation: Situation, scores: Scores, *, policy: Policy, currency: str) -> Seen:
    """Lay out what actions would be asked about, of somebody who may be read."""
    facts, features = situation.facts, None
    if facts is not None and policy.conditions and not situation.opted_out:
        features = describe(facts, as_of=situation.as_of, currency=currency)
    return see(situation, scores, policy=policy, features=features)


def removed(action: Action, seen: Seen, policy: Policy) -> Candidate | None:
    """The first layer that says no; None when the action survives to arbitration."""
    for layer, ask in _LAYERS:
        reason = ask(action, seen.situation, seen.scores)
        if reason is None and (asked := policy.conditions.asked.get(layer)):
            reason = _unmet(asked.get(action.id, ()), seen.values)
        if reason is not None:
            return Candidate(action.id, "rejected", layer, reason)
    return None


def _ineligible(action: Action, situation: Situation, scores: Scores) -> str | None:
    if situation.opted_out:
        return "opted_out"
    if action.segments and scores.segment not in action.segments:
        return "segment_not_allowed"
    if action.offer is not None and not situation.switches.offers:
        return "offers_switched_off"
    if (
        "mail" in action.placements
        and action.mail is not None
        and situation.placement in REACHED_AT
    ):
        return _unmailable(action, situation)
    return None


def _unmailable(action: Action, situation: Situation) -> str | None:
    if action.mail is None or action.mail.purpose == "transactional":
        return None if situation.permissions.has_address else "no_address"
    if not situation.permissions.has_address:
        return "no_address"
    return None if situation.permissions.agrees_to(action.mail.purpose) else "no_consent"


def _inapplicable(action: Action, situation: Situation, _: Scores) -> str | None:
    if situation.trigger is not None and situation.trigger not in action.triggers:
        return "not_triggered"
    if action.min_cart_minor:
        cart_minor = sum(line.quantity * line.unit_price_minor for line in situation.lines)
        if cart_minor < action.min_cart_minor:
            return "cart_below_minimum"
    return None


def _unsuitable(action: Action, _: Situation, scores: Scores) -> str | None:
    if action.min_churn is not None:
        if scores.churn is None:
            return "no_propensity"
        if scores.churn < action.min_churn:
            return "churn_below_threshold"
    if action.max_expected_orders is not None:
        if scores.expected_orders is None:
            return "no_propensity"
        if scores.expected_orders > action.max_expected_orders:
            return "would_buy_anyway"
    return None


def _over_contacted(action: Action, situation: Situation, _: Scores) -> str | None:
    return "contacted_recently" if action.id in situation.contacted else None


def _over_limit(action: Action, situation: Situation, _: Scores) -> str | None:
    """No second code in place of one that was used, and none that a limit does not leave."""
    if action.offer is None:
        return None
    live = situation.live_offers.get(action.id)
    if live is not None and live.spent:
        return "code_revoked" if live.revoked else "code_used"
    if live is not None:
        return None
    return situation.limited.get(action.id)


_LAYERS: tuple[tuple[Layer, Callable[[Action, Situation, Scores], str | None]], ...] = (
    ("eligibility", _ineligible),
    ("applicability", _inapplicable),
    ("suitability", _unsuitable),
    ("contact_policy", _over_contacted),
    ("limits", _over_limit),
)


def _unmet(asked: Iterable[Asked], values: Values) -> str | None:
    for each in asked:
        reason = each.failed(values)
        if reason is not None:
            return reason
    return None


# Weights multiply without end; beyond this nothing is told apart by them any more.
LARGEST_FACTOR = 1e12


def factor_of(action: Action, seen: Seen, policy: Policy) -> float:
    """Context weights × lever: what of a priority no outcome teaches.

    A weight whose condition does not hold is 1.
    """
    factor = action.lever
    for condition, weight in policy.conditions.weights.get(action.id, ()):
        if condition.test(seen.values) is True:
            factor = min(factor * weight, LARGEST_FACTOR)
    return factor


class Arbitrated(NamedTuple):
    """What won, what became of every action, and how the first place was given."""

    chosen: tuple[Action, ...]
    candidates: tuple[Candidate, ...]
    choice: Choice | None


def arbitrate(policy: Policy, seen: Seen, *, holdout: bool) -> Arbitrated:
    """Let what survives compete and keep the best; ties go to the earlier in the document.

    The first place is explored where the policy says so; the others go by expected priority. What
    costs more than it is worth is never chosen. In the global holdout nothing is chosen, but what
    would have been is found out, for comparison.
    """
    arms: list[Arm] = []
    candidates: list[Candidate] = []
    estimates = _estimates(policy, seen)
    for action in policy.actions_at(seen.situation.placement):
        if (gone := removed(action, seen, policy)) is not None:
            candidates.append(gone)
        else:
            factor = factor_of(action, seen, policy)
            arms.append(arm_of(action, estimates[action.id], factor=factor))
    ranked = by_priority(arms)
    choice = _choose(arms, ranked, policy, seen.situation)
    if holdout:
        return _held_out(policy.actions_at(seen.situation.placement), choice)
    winners, too_dear = in_order(ranked, choice)
    chosen = tuple(winners[: policy.offers_per_decision])
    candidates += [Candidate(a.id, "rejected", "arbitration", "costs_too_much") for a in too_dear]
    candidates += [Candidate(a.id, "chosen", "arbitration", _why(a, choice)) for a in chosen]
    candidates += [
        Candidate(a.id, "rejected", "arbitration", "lower_priority")
        for a in winners[policy.offers_per_decision :]
    ]
    return Arbitrated(chosen, tuple(candidates), choice)


def _estimates(policy: Policy, seen: Seen) -> Mapping[str, Estimate]:
    """What is believed of each action in the customer's segment."""
    learned = seen.situation.learned
    if learned is None:
        return policy.stated
    return {**policy.stated, **learned.of(seen.scores.segment)}


def _choose(
    arms: Sequence[Arm], ranked: Sequence[Arm], policy: Policy, situation: Situation
) -> Choice | None:
    """Give the first place, the same one for as long as a session lasts."""
    if not arms or not policy.offers_per_decision:
        return None
    occasion = situation.context.session_id or situation.decision_id
    unit = (situation.subject.key, situation.placement, occasion)
    return choose(arms, ranked, settings=policy.exploration, learning=situation.learned, unit=unit)


def _why(action: Action, choice: Choice | None) -> str:
    explored = choice is not None and choice.action == action.id != choice.finalists[0].action
    return "explored" if explored else "highest_priority"


def _held_out(actions: Iterable[Action], choice: Choice | None) -> Arbitrated:
    reason = "global_holdout"
    if choice is not None:
        choice = replace(choice, withheld=reason)
    return Arbitrated(
        (), tuple([Candidate(a.id, "rejected", "experiment", reason) for a in actions]), choice
    )
