"""What a customer was shown, kept so that a refresh shows the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core.canonical import short_hash
from chalicelib.core.offers import Offer, offer_from_json, offer_to_json


@dataclass(frozen=True, slots=True)
class Session:
    """The last decision of a customer at a placement, within a session or a quote's life.

    Attributes:
        decision_id: the decision that was shown.
        situation_hash: hash of all that the customer could change: cart, context, opt-outs.
        tier: the price tier that stands.
        offers: the offers that stand.
        answer: what was answered, word for word.
        known: whether it was made from a profile.
    """

    decision_id: str
    situation_hash: str
    tier: str | None
    offers: tuple[Offer, ...]
    answer: Mapping[str, Any]
    known: bool


def sticky_key(subject_key: str, *, placement: str, session_id: str | None) -> str:
    """What sticks together: customer, placement and session, or the life of the quote."""
    return short_hash(subject_key, placement, session_id or "")


def session_to_json(session: Session) -> dict[str, Any]:
    """The stored form."""
    return {
        "decision_id": session.decision_id,
        "situation_hash": session.situation_hash,
        "tier": session.tier,
        "offers": [offer_to_json(offer) for offer in session.offers],
        "answer": dict(session.answer),
        "known": session.known,
    }


def session_from_json(stored: Mapping[str, Any]) -> Session:
    """Undo ``session_to_json``."""
    return Session(
        decision_id=stored["decision_id"],
        situation_hash=stored["situation_hash"],
        tier=stored["tier"],
        offers=tuple(offer_from_json(offer) for offer in stored["offers"]),
        answer=stored["answer"],
        known=stored["known"],
    )
