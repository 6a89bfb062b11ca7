"""What a session was shown, and what of it still stands: tier, codes, prices, or the whole answer.

A named session keeps them for a while after its last decision; without a name, a customer does for
the life of a quote. An objection, a kill switch, a ban or an erasure ends that, and under another
policy prices are made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.core.decide import Decision
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.kinds import SHOWN
from chalicelib.core.offers import Offer
from chalicelib.core.price_tiers import BASE_TIER
from chalicelib.core.pricing import personal_prices
from chalicelib.core.record import situation_hash
from chalicelib.core.rules import Rules
from chalicelib.core.sessions import Session
from chalicelib.core.shown_prices import REMEMBERED_SECONDS, show
from chalicelib.core.situation import Held, KeptPrice, Situation
from chalicelib.core.storage import AtVersion, Put, Write
from chalicelib.flows.gather import CheckoutCall, Gathered

# How long a named session keeps its tier and codes after the last decision in it: the half hour
# of inactivity after which web analytics commonly ends a session.
SESSION_SECONDS = 1800


def shown_again(gathered: Gathered, rules: Rules, *, now: int) -> Mapping[str, Any] | None:
    """The answer that the session was given, where nothing has changed that it depends on."""
    stored = gathered.session
    if stored is None or stored.value.situation_hash != _shown_hash(gathered.situation, rules):
        return None
    # The quote in the answer must still be good. ISO 8601 in UTC sorts by time.
    expires_at: str = stored.value.answer["expires_at"]
    if expires_at <= format_instant(now) or len(_unspent(gathered)) < len(stored.value.offers):
        return None
    return stored.value.answer


def held_by(gathered: Gathered, rules: Rules) -> Held | None:
    """What the session was shown; nothing once the profile that it was made from is gone."""
    if gathered.session is None:
        return None
    shown = gathered.session.value
    if shown.known and gathered.situation.facts is None:
        return None
    return Held(shown.tier, _unspent(gathered), _kept_prices(gathered.situation, shown, rules))


def _kept_prices(situation: Situation, shown: Session, rules: Rules) -> Mapping[str, KeptPrice]:
    """What the session was quoted for the articles in the cart, under the policy that decides."""
    price = shown.answer["price"]
    if price is None or shown.answer["policy"] != rules.policy.hash:
        return {}
    if shown.tier is None or price["currency"] != situation.context.currency:
        return {}
    wanted = {line.sku for line in situation.lines}
    return {
        line["sku"]: KeptPrice(line["base_unit_price"], line["unit_price"])
        for line in price["lines"]
        if line["sku"] in wanted
    }


def remember_prices(gathered: Gathered, decision: Decision, rules: Rules) -> tuple[Write, ...]:
    """What this customer is quoted now, where the policy limits how far a day's prices move."""
    situation, standing = gathered.situation, gathered.shown
    quoted = personal_prices(decision.lines) if decision.tier != BASE_TIER else []
    if rules.policy.pricing.max_step_basis_points_per_day is None or not quoted:
        return ()
    now = situation.as_of
    shown = show({} if standing is None else standing.value, quoted, as_of=now)
    version = 0 if standing is None else standing.version
    key = SHOWN.key(situation.subject.key)
    return (Put(key, shown, AtVersion(version), expires_at=now + REMEMBERED_SECONDS),)


def keep_session(
    call: CheckoutCall,
    gathered: Gathered,
    decision: Decision,
    answer: Mapping[str, Any],
    rules: Rules,
) -> Write:
    """What was shown, kept; without a session of the shop's own, as long as its quote holds."""
    situation, standing = gathered.situation, gathered.session
    expires_at = decision.quote_expires_at
    if call.context.session_id is not None:
        expires_at = max(expires_at, situation.as_of + SESSION_SECONDS)
    shown = Session(
        decision_id=situation.decision_id,
        situation_hash=_shown_hash(situation, rules),
        tier=None if decision.tier == BASE_TIER else decision.tier,
        offers=decision.offers,
        answer=answer,
        known=situation.facts is not None,
    )
    version = 0 if standing is None else standing.version
    return Put(gathered.session_key, shown, AtVersion(version), expires_at=expires_at)


def _shown_hash(situation: Situation, rules: Rules) -> str:
    """Everything that a session's answer depends on, new orders aside.

    Those leave a session as it is on purpose. The day stands in it because law is dated, and
    whether anything is known, so that erasure ends what a session was shown.
    """
    known = "unknown" if situation.facts is None else "known"
    day = situation.as_of // DAY_SECONDS
    documents = f"{rules.policy.hash}/{rules.jurisdictions_hash}"
    return f"{situation_hash(situation)}/{documents}/{day}/{known}"


def _unspent(gathered: Gathered) -> tuple[Offer, ...]:
    """What the session was shown, less the codes that are used, taken back or expired by now."""
    if gathered.session is None:
        return ()
    situation = gathered.situation
    return tuple(
        offer
        for offer in gathered.session.value.offers
        if _still_stands(offer, situation.live_offers.get(offer.action), now=situation.as_of)
    )


def _still_stands(offer: Offer, live: Offer | None, *, now: int) -> bool:
    """Whether an offer that was shown may be shown again."""
    if live is not None and (live.spent or live.code != offer.code):
        return False
    return now < offer.expires_at
