"""From a decision to the writes that make it true: one commit, or nothing happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.core.actions import REACHED_AT, Action, MailTreatment
from chalicelib.core.decide import Decision
from chalicelib.core.effects import Effect, EffectKind, effect_id
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import (
    CONTACTED,
    COUPON,
    EFFECT,
    EFFECT_WINDOW_SECONDS,
    LIVE_OFFER,
    RECORD,
    RECORD_WINDOW_SECONDS,
)
from chalicelib.core.limits import NO_LIMITS, Limits
from chalicelib.core.offers import Coupon, Offer, offer_to_json
from chalicelib.core.policy import Policy
from chalicelib.core.pricing import total_minor
from chalicelib.core.situation import Situation
from chalicelib.core.storage import AtVersion, Put, Write

# A code is remembered this long after it expired, so that a late use gets a true answer.
COUPON_MEMORY_SECONDS = 90 * DAY_SECONDS


def decision_writes(
    situation: Situation,
    decision: Decision,
    record: Mapping[str, Any],
    *,
    policy: Policy,
    correlation_id: str,
    now: int,
    limits: Limits = NO_LIMITS,
    address_hash: str | None = None,
) -> tuple[Write, ...]:
    """The record, and everything that the decision sets in motion.

    ``limits`` says what issuing a code takes; ``address_hash`` names the customer's address,
    without which no mail is planned.
    """
    writes: list[Write] = [
        Put(
            RECORD.key(situation.decision_id),
            record,
            expires_at=now + RECORD_WINDOW_SECONDS,
        )
    ]
    offers = {offer.action: offer for offer in decision.offers}
    for action_id in decision.issued:
        standing = AtVersion(limits.over.get(action_id, 0))
        writes += _issue(situation, offers[action_id], standing, policy, correlation_id, now)
        writes += limits.takes.get(action_id, ())
    writes += limits.marks
    if decision.price_reason == "tier_fits":
        payload = {
            "tier": decision.tier,
            "currency": situation.context.currency,
            "total_minor": total_minor(decision.lines),
            "mode": decision.mode,
        }
        planned = _effect(situation, "price_tier", decision.tier, payload, correlation_id, now)
        writes.append(put_effect(planned, now=now))
    if situation.placement in REACHED_AT and address_hash is not None:
        for action_id in decision.chosen:
            action = policy.action(action_id)
            if action is not None and action.mail is not None:
                offer = offers.get(action_id)
                writes += _mail(
                    situation,
                    decision,
                    action,
                    action.mail,
                    offer,
                    correlation_id,
                    now,
                    address_hash,
                )
    return tuple(writes)


def marketing_mails(writes: Iterable[Write]) -> int:
    """How many marketing mails these writes plan."""
    values = [write.value for write in writes if isinstance(write, Put)]
    return sum(
        isinstance(each, Effect) and each.kind == "mail" and not each.is_transactional
        for each in values
    )


def put_effect(effect: Effect, *, now: int) -> Put[Effect]:
    """Create an effect where absent."""
    return Put(EFFECT.key(effect.effect_id), effect, expires_at=now + EFFECT_WINDOW_SECONDS)


def _effect(
    situation: Situation,
    kind: EffectKind,
    action: str,
    payload: Mapping[str, Any],
    correlation_id: str,
    now: int,
) -> Effect:
    return Effect(
        effect_id=effect_id(kind, situation.decision_id, action),
        kind=kind,
        action=action,
        subject_key=situation.subject.key,
        decision_id=situation.decision_id,
        correlation_id=correlation_id,
        planned_at=now,
        payload=payload,
    )


def _issue(
    situation: Situation,
    offer: Offer,
    standing: AtVersion,
    policy: Policy,
    correlation_id: str,
    now: int,
) -> list[Write]:
    """Store a new code as the customer's one live code, and announce it."""
    subject_key = situation.subject.key
    terms = policy.limits_of(offer.action)
    coupon = Coupon(
        offer,
        subject_key,
        situation.decision_id,
        issued_at=now,
        redemptions=terms.redemptions_per_code,
        lock_seconds=terms.lock_minutes * 60,
    )
    payload = {"offer": offer_to_json(offer)}
    effect = _effect(situation, "offer", offer.action, payload, correlation_id, now)
    return [
        Put(
            COUPON.key(offer.code),
            coupon,
            expires_at=offer.expires_at + COUPON_MEMORY_SECONDS,
        ),
        Put(
            LIVE_OFFER.key(subject_key, offer.action),
            offer,
            standing,
            expires_at=offer.expires_at,
        ),
        put_effect(effect, now=now),
    ]


def _mail(
    situation: Situation,
    decision: Decision,
    action: Action,
    mail: MailTreatment,
    offer: Offer | None,
    correlation_id: str,
    now: int,
    address_hash: str,
) -> list[Write]:
    """Plan a mail, and mark the address as contacted for this action."""
    payload: dict[str, Any] = {
        "template": mail.template,
        "purpose": mail.purpose,
        "segment": decision.scores.segment,
        "disclosures": list(decision.disclosures),
        "mode": decision.mode,
    }
    if offer is not None:
        payload["offer"] = offer_to_json(offer)
    if decision.exposures:
        payload["exposures"] = dict(decision.exposed_arms)
    facts = situation.facts
    if facts is not None and facts.last_product is not None:
        payload["sku"] = facts.last_product[1]
    effect = _effect(situation, "mail", action.id, payload, correlation_id, now)
    return [
        put_effect(effect, now=now),
        Put(
            CONTACTED.key(address_hash, action.id),
            {"effect_id": effect.effect_id},
            expires_at=now + mail.repeat_after_days * DAY_SECONDS,
        ),
    ]
