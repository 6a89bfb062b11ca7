"""Every action as a candidate, and the layer that removed it: engagement policy in its order.

Eligibility (may they ever have it), applicability (is it relevant now), suitability (is it right
for them), contact policy (was it said too often), limits (is any left). What survives competes
(``core.arbitration``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from chalicelib.core.actions import REACHED_AT, Action
from chalicelib.core.assignment import NO_CHANGES, Changes
from chalicelib.core.baskets import Basket, misses
from chalicelib.core.conditions import Values
from chalicelib.core.cool_downs import cooling
from chalicelib.core.effects import TRANSACTIONAL
from chalicelib.core.features import Features, describe
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

    Where a policy asks no condition, ``values`` is empty: nobody would look. ``changes`` is what
    the arms of experiments say, ``basket`` the priced cart where some offer asks what is in it.
    """

    situation: Situation
    scores: Scores
    values: Mapping[str, Any]
    changes: Changes = NO_CHANGES
    basket: Basket | None = None


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
    for layer, ask, ask_also in _LAYERS:
        reason = ask(action, seen.situation, seen.scores)
        if reason is None and (asked := policy.conditions.asked.get(layer)):
            reason = _unmet(asked.get(action.id, ()), seen.values)
        if reason is None and ask_also is not None:
            reason = ask_also(action, seen, policy)
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


def _misses_cart(action: Action, seen: Seen, policy: Policy) -> str | None:
    if action.offer is None:
        return None
    currency, as_of = policy.default_currency, seen.situation.as_of
    return misses(action.offer, seen.basket, currency=currency, as_of=as_of)


def _has_to_wait(action: Action, seen: Seen, policy: Policy) -> str | None:
    """What holds over all actions and channels; never for a mail that the customer waits for."""
    situation = seen.situation
    if situation.mails_left is None and not policy.cools_down:
        return None
    if action.mail is not None and situation.placement in REACHED_AT:
        if action.mail.purpose == TRANSACTIONAL:
            return None
        if situation.mails_left is not None and situation.mails_left < 1:
            return "frequency_cap"
    return cooling(
        policy.contact_policy.cool_downs,
        action.id,
        ordered_at=None if situation.facts is None else situation.facts.last_order_at,
        redeemed_at=situation.redeemed_at,
        as_of=situation.as_of,
    )


_Ask = Callable[[Action, Situation, Scores], str | None]
_AskAlso = Callable[[Action, Seen, Policy], str | None]
# Each layer with what it asks before the conditions of the policy, and after them.
_LAYERS: tuple[tuple[Layer, _Ask, _AskAlso | None], ...] = (
    ("eligibility", _ineligible, None),
    ("applicability", _inapplicable, _misses_cart),
    ("suitability", _unsuitable, None),
    ("contact_policy", _over_contacted, _has_to_wait),
    ("limits", _over_limit, None),
)


def _unmet(asked: Iterable[Asked], values: Values) -> str | None:
    for each in asked:
        reason = each.failed(values)
        if reason is not None:
            return reason
    return None
