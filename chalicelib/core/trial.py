"""What one policy does in one situation, as far as money, mail and law are concerned.

Nothing is decided for good: it is asked what a policy would do, for a simulation.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.actions import REACHED_AT
from chalicelib.core.baskets import discount_minor
from chalicelib.core.decide import Decision, decide_by
from chalicelib.core.offers import Offer
from chalicelib.core.pricing import basket_of
from chalicelib.core.rules import Rules
from chalicelib.core.situation import Situation

# Layers that say no although somebody was wanted: too often, or none is left.
CAPPED = ("contact_policy", "limits")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a customer, and the shop's purse, would notice.

    Attributes:
        customer: whom it is about, by subject key.
        segment: what the scorer calls them.
        actions: the actions that won.
        tier: the price tier.
        base_minor: what the cart costs at published prices.
        price_discount_minor: what the tier takes off.
        offers_minor: what the chosen offers take off if they are used, by action.
        mails: how many mails are planned.
        capped: reasons of the contact policy and of limits, each with its action.
        guardrails: why lines were priced otherwise than wished.
        price_reason: why the tier is what it is.
        mode: what the law permits.
        disclosures: how many texts must be shown.
    """

    customer: str
    segment: str
    actions: tuple[str, ...]
    tier: str
    base_minor: int
    price_discount_minor: int
    offers_minor: dict[str, int]
    mails: int
    capped: tuple[str, ...]
    guardrails: tuple[str, ...]
    price_reason: str
    mode: str | None
    disclosures: int

    @property
    def discount_minor(self) -> int:
        """Everything that is taken off."""
        return self.price_discount_minor + sum(self.offers_minor.values())

    @property
    def discount_share(self) -> float | None:
        """How much of the published price the tier takes off; None without a cart."""
        return self.price_discount_minor / self.base_minor if self.base_minor else None

    @property
    def noticed(self) -> tuple[str, tuple[str, ...], int]:
        """What makes two outcomes the same to a customer."""
        return self.tier, self.actions, self.price_discount_minor


def outcome_of(situation: Situation, rules: Rules) -> Outcome:
    """Decide by a policy; codes are made up, since none is issued."""
    rules = rules.under(situation.subject.key, as_of=situation.as_of)
    decision = decide_by(rules, situation)
    lines = decision.lines
    base = sum(line.quantity * line.base_unit_price_minor for line in lines)
    total = sum(line.quantity * line.unit_price_minor for line in lines)
    return Outcome(
        customer=situation.subject.key,
        segment=decision.scores.segment,
        actions=decision.chosen,
        tier=decision.tier,
        base_minor=base,
        price_discount_minor=base - total,
        offers_minor={
            offer.action: _worth(offer, situation, decision) for offer in decision.offers
        },
        mails=_mails(situation, decision, rules),
        capped=tuple(f"{c.action}: {c.reason}" for c in decision.candidates if c.layer in CAPPED),
        guardrails=tuple(line.reason for line in lines if line.reason is not None),
        price_reason=decision.price_reason,
        mode=decision.mode,
        disclosures=len(decision.disclosures),
    )


def _worth(offer: Offer, situation: Situation, decision: Decision) -> int:
    """What an offer takes off a cart, or off what the customer usually spends without one."""
    if situation.lines:
        currency = situation.context.currency
        return discount_minor(
            offer, basket_of(decision.lines, situation.products, currency=currency)
        )
    spent = 0
    if situation.facts is not None and situation.facts.recent:
        amounts = [order.amount_minor for order in situation.facts.recent]
        spent = sum(amounts) // len(amounts)
    if offer.kind == "percent_off":
        return spent * offer.value // 100
    return min(offer.value, spent) if offer.kind == "amount_off" else 0


def _mails(situation: Situation, decision: Decision, rules: Rules) -> int:
    if situation.placement not in REACHED_AT:
        return 0
    chosen = (rules.policy.action(action_id) for action_id in decision.chosen)
    return sum(action is not None and action.mail is not None for action in chosen)
