"""Reaching out without being asked: a triggered or batch decision, and what it writes.

Both begin with a customer whose facts were just brought up to date, and differ only in what set
them off. The caller gathers ``reach_keys`` first, unless ``could_reach`` says that it is no use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.core.absence import Stood
from chalicelib.core.actions import Action, Placement, Trigger
from chalicelib.core.address import address_hash
from chalicelib.core.candidates import removed, see_freely
from chalicelib.core.contact import PURPOSES, Contact
from chalicelib.core.control import Switches
from chalicelib.core.decide import Decision, decide
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import ADDRESS, CONTACTED, LEARNING_KEY, LIVE_OFFER
from chalicelib.core.limits import limit_keys, weigh
from chalicelib.core.observed import supplied_of
from chalicelib.core.offers import coupon_code
from chalicelib.core.plan import decision_writes
from chalicelib.core.record import build_record
from chalicelib.core.rules import Rules
from chalicelib.core.scores import Scores
from chalicelib.core.seal import sealed
from chalicelib.core.situation import Context, Permissions, Situation, permissions_of, place_of
from chalicelib.core.storage import Found, Key, Write
from chalicelib.core.tokens import SigningKeys


@dataclass(frozen=True, slots=True)
class Occasion:
    """What sets a decision off that nobody asked for.

    Attributes:
        decision_id: derived from the occasion, so that its repetition is the same decision.
        placement: ``mail`` for a trigger, ``batch`` for a drop.
        trigger: what happened; None for a drop.
        as_of: the moment at which the customer is described.
        correlation_id: ties effects to the message, file or schedule that began it.
    """

    decision_id: str
    placement: Placement
    trigger: Trigger | None
    as_of: int
    correlation_id: str


def could_reach(
    facts: Facts,
    contact: Contact | None,
    scores: Scores,
    *,
    occasion: Occasion,
    rules: Rules,
) -> bool:
    """Whether some action would want this customer, contact policy and holdout aside."""
    return bool(_wanting(facts, contact, scores, occasion=occasion, rules=rules))


def newly_reachable(
    facts: Facts,
    contact: Contact | None,
    scores: Scores,
    stood: Stood,
    *,
    occasion: Occasion,
    rules: Rules,
) -> bool:
    """Whether some action of the occasion wants this customer now and did not as they stood.

    A customer may enter a segment before they are what an action asks for; without this the action
    would be lost on everybody who lapses in that order.
    """
    before = replace(occasion, as_of=stood.at)
    now = _wanting(facts, contact, scores, occasion=occasion, rules=rules)
    return not now <= _wanting(facts, contact, stood.scores, occasion=before, rules=rules)


def _wanting(
    facts: Facts,
    contact: Contact | None,
    scores: Scores,
    *,
    occasion: Occasion,
    rules: Rules,
) -> set[str]:
    """The actions that would want this customer, contact policy and holdout aside."""
    policy = rules.policy
    situation = _situation(
        facts,
        contact,
        occasion,
        permissions=permissions_of(contact),
        supplied=supplied_of(contact, policy.supplied_types),
    )
    seen = see_freely(situation, scores, policy=policy, currency=rules.scorer.currency)
    actions = policy.actions_at(occasion.placement)
    return {action.id for action in actions if removed(action, seen, policy) is None}


def reach_keys(
    facts: Facts,
    contact: Contact | None,
    *,
    occasion: Occasion,
    rules: Rules,
    keys: SigningKeys,
) -> tuple[Key[Any], ...]:
    """What must be known before deciding: codes, limits, recent contacts, withdrawn consent."""
    actions = rules.policy.actions_at(occasion.placement)
    wanted: list[Key[Any]] = [
        LIVE_OFFER.key(facts.subject.key, action.id) for action in actions if action.offer
    ]
    wanted += limit_keys(actions, facts.subject.key, whole=True)
    if rules.policy.exploration is not None:
        wanted.append(LEARNING_KEY)
    named = _address_hash(contact, keys)
    if named is not None:
        wanted += [CONTACTED.key(named, action.id) for action in actions if action.mail]
        wanted.append(ADDRESS.key(named))
    return tuple(wanted)


def reach_out(
    facts: Facts,
    contact: Contact | None,
    found: Found,
    *,
    occasion: Occasion,
    switches: Switches,
    rules: Rules,
    keys: SigningKeys,
    now: int,
) -> tuple[Decision, tuple[Write, ...]]:
    """Decide, and say what to write; the record alone when nothing was chosen."""
    actions = rules.policy.actions_at(occasion.placement)
    named = _address_hash(contact, keys)
    limits = weigh(actions, facts.subject.key, found, now=now, whole=True)
    situation = _situation(
        facts,
        contact,
        occasion,
        limited=limits.refused,
        permissions=_permissions(contact, named, found),
        switches=switches,
        live_offers=_live_offers(facts, actions, found),
        supplied=supplied_of(contact, rules.policy.supplied_types),
        learned=None if rules.policy.exploration is None else found.value(LEARNING_KEY),
        contacted=frozenset(
            action.id
            for action in actions
            if action.mail is not None
            and named is not None
            and found.stored(CONTACTED.key(named, action.id)) is not None
        ),
    )
    decision = decide(
        situation,
        policy=rules.policy,
        jurisdictions=rules.jurisdictions,
        scorer=rules.scorer,
        code_for=lambda effect: coupon_code(keys.coupon_secret, effect_id=effect),
    )
    record = build_record(
        situation,
        decision,
        policy=rules.policy,
        jurisdictions_hash=rules.jurisdictions_hash,
        scorer=rules.scorer,
        correlation_id=occasion.correlation_id,
    )
    writes = decision_writes(
        situation,
        decision,
        sealed(record, keys),
        policy=rules.policy,
        correlation_id=occasion.correlation_id,
        now=now,
        limits=limits,
        address_hash=named,
    )
    return decision, writes


def _live_offers(facts: Facts, actions: tuple[Action, ...], found: Found) -> Mapping[str, Any]:
    keys = {action.id: LIVE_OFFER.key(facts.subject.key, action.id) for action in actions}
    live = {action_id: found.value(key) for action_id, key in keys.items()}
    return {action_id: offer for action_id, offer in live.items() if offer is not None}


def _permissions(contact: Contact | None, named: str | None, found: Found) -> Permissions:
    """What the customer agreed to, less what the owner of the address said no to since."""
    said = permissions_of(contact)
    address = None if named is None else found.value(ADDRESS.key(named))
    if contact is None or address is None:
        return said
    forbidden = [
        purpose
        for purpose in PURPOSES
        if address.forbids(
            purpose,
            subject_key=contact.subject.key,
            agreed_at=contact.agreed_at(purpose),
        )
    ]
    return replace(said, consents={**said.consents, **dict.fromkeys(forbidden, False)})


def _address_hash(contact: Contact | None, keys: SigningKeys) -> str | None:
    email = None if contact is None else contact.text("email")
    return None if email is None else address_hash(email, secret=keys.address_secret)


def _situation(
    facts: Facts, contact: Contact | None, occasion: Occasion, **gathered: Any
) -> Situation:
    return Situation(
        decision_id=occasion.decision_id,
        subject=facts.subject,
        placement=occasion.placement,
        trigger=occasion.trigger,
        as_of=occasion.as_of,
        context=place_of(Context(), contact),
        facts=facts,
        **gathered,
    )
