"""Reaching out without being asked: a triggered or batch decision, and what it writes.

Both begin with a customer whose facts were just brought up to date, and differ only in what set
them off. The caller gathers ``reach_keys`` first, unless ``could_reach`` says that it is no use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chalicelib.core.absence import Stood, score_at
from chalicelib.core.arbitration import expected_priority, withheld
from chalicelib.core.candidates import Seen, removed, see_freely
from chalicelib.core.contact import Contact
from chalicelib.core.control import Switches
from chalicelib.core.decide import Decision, decide_by
from chalicelib.core.facts import Facts
from chalicelib.core.occasions import Approach, approach
from chalicelib.core.occasions import Occasion as Occasion
from chalicelib.core.offers import coupon_code
from chalicelib.core.plan import decision_writes
from chalicelib.core.record import build_record
from chalicelib.core.rules import Rules
from chalicelib.core.scores import Scores
from chalicelib.core.seal import sealed
from chalicelib.core.situation import Situation
from chalicelib.core.storage import Found, Key, Write
from chalicelib.core.tokens import SigningKeys


def could_reach(
    facts: Facts,
    contact: Contact | None,
    scores: Scores,
    *,
    occasion: Occasion,
    rules: Rules,
) -> bool:
    """Whether some action would want this customer; recent mails, limits and groups aside."""
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
    """The actions that would want this customer; recent mails, limits and groups aside."""
    about = approach(facts, contact, occasion=occasion, rules=rules)
    seen, policy = _seen(about, about.alone(), scores), about.rules.policy
    return {action.id for action in about.actions if removed(action, seen, policy) is None}


def reach_keys(
    facts: Facts,
    contact: Contact | None,
    *,
    occasion: Occasion,
    rules: Rules,
    keys: SigningKeys,
) -> tuple[Key[Any], ...]:
    """What must be known before deciding: codes, limits, recent contacts, withdrawn consent."""
    return approach(facts, contact, occasion=occasion, rules=rules, keys=keys).keys()


def most_valuable_first(
    occasions: Sequence[Occasion],
    facts: Facts,
    contact: Contact | None,
    scores: Scores,
    found: Found,
    *,
    switches: Switches,
    rules: Rules,
    keys: SigningKeys,
    now: int,
) -> Sequence[Occasion]:
    """Occasions of one customer at one moment, by what the best action is worth on each.

    Decided in this order, what the cap leaves of mails goes to what is worth most.
    """
    if len(occasions) < 2:
        return occasions

    def worth(occasion: Occasion) -> float:
        about = approach(facts, contact, occasion=occasion, rules=rules, keys=keys)
        limits = about.limits(found, now=now)
        situation = about.situation(found, limits, switches, now=now, planned=0)
        seen, policy = _seen(about, situation, scores), about.rules.policy
        possible = [
            expected_priority(action, seen, policy)
            for action in about.actions
            if removed(action, seen, policy) is None and not withheld(action, seen)
        ]
        return max(possible, default=-1.0)

    return sorted(occasions, key=worth, reverse=True)


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
    planned: int = 0,
) -> tuple[Decision, tuple[Write, ...]]:
    """Decide, and say what to write; the record alone when nothing was chosen.

    ``planned`` is how many marketing mails the same write plans for them already.
    """
    about = approach(facts, contact, occasion=occasion, rules=rules, keys=keys)
    rules = about.rules
    limits = about.limits(found, now=now)
    situation = about.situation(found, limits, switches, now=now, planned=planned)
    decision = decide_by(
        rules,
        situation,
        code_for=lambda effect: coupon_code(keys.coupon_secret, effect_id=effect),
    )
    record = build_record(
        situation,
        decision,
        policy=rules.policy,
        jurisdictions_hash=rules.jurisdictions_hash,
        scorer=rules.scorer,
        correlation_id=occasion.correlation_id,
        champion_hash=rules.champion_hash,
    )
    writes = decision_writes(
        situation,
        decision,
        sealed(record, keys),
        policy=rules.policy,
        correlation_id=occasion.correlation_id,
        now=now,
        limits=limits,
        address_hash=about.address,
    )
    return decision, writes


def _seen(about: Approach, situation: Situation, scores: Scores) -> Seen:
    """What the actions are asked about; ``scores`` are the champion's."""
    rules = about.rules
    if rules.arms.by_experiment:
        scores = score_at(about.facts, about.occasion.as_of, rules.scorer) or scores
    return see_freely(situation, scores, policy=rules.policy, currency=rules.scorer.currency)
