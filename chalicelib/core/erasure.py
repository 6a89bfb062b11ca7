"""What erasing a person makes of each stored thing; every function may be applied again.

What has to stay (that a decision was made, by which rules; that a mail went out) stays under a
pseudonym and without anything that the person did, said or was shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib.core.effects import Effect, State, move
from chalicelib.core.offers import Coupon
from chalicelib.core.sessions import sticky_key
from chalicelib.core.tombstones import PSEUDONYM_PREFIX, Tombstone, is_pseudonym

ERASED = "erased"
# Where an open effect ends. One that is just being sent is left to whoever sends it.
_ENDS: Mapping[State, State] = {
    "PLANNED": "SUPPRESSED",
    "CLAIMED": "SUPPRESSED",
    "IN_DOUBT": "ABANDONED",
}
# What a record still says: how it was decided, not about whom or from what.
_KEPT = (
    "segment",
    "model",
    "fallback",
    "tier",
    "price_reason",
    "mode",
    "disclosures",
    "chosen",
    "candidates",
    "holdout",
    "quote_expires_at",
    "arms",
    "exposures",
)


def erased_record(record: Mapping[str, Any], *, pseudonym: str, at: int) -> dict[str, Any]:
    """A decision record without the person."""
    situation, decision = record["situation"], record["decision"]
    return {
        **{name: record[name] for name in ("schema", "decision_id", "decided_at")},
        **{name: record[name] for name in ("policy", "jurisdictions", "model")},
        "subject": pseudonym,
        "correlation_id": ERASED,
        "request_hash": None,
        "erased_at": at,
        "situation": {"placement": situation["placement"], "trigger": situation["trigger"]},
        "decision": {name: decision[name] for name in _KEPT if name in decision},
    }


def is_erased(record: Mapping[str, Any]) -> bool:
    """Whether a record is one without its person."""
    return record.get("erased_at") is not None


def as_erased(record: Mapping[str, Any], tombstone: Tombstone | None) -> Mapping[str, Any]:
    """A record as it may be shown: without the person once they are erased.

    A checkout that was under way during the erasure may have stored its record after it.
    """
    if is_erased(record) or tombstone is None or record["decided_at"] > tombstone.at:
        return record
    return erased_record(record, pseudonym=ERASED, at=tombstone.at)


def session_of(record: Mapping[str, Any]) -> str:
    """The name under which what this decision showed may still be kept for a refresh."""
    situation = record["situation"]
    return sticky_key(
        record["subject"],
        placement=situation["placement"],
        session_id=situation["context"]["session_id"],
    )


def erased_effect(effect: Effect, *, pseudonym: str, now: int) -> Effect:
    """An effect without the person; an open one ends here."""
    end = _ENDS.get(effect.state)
    if end is not None:
        effect = move(effect, end, now=now, reason=ERASED)
    return replace(
        effect, subject_key=pseudonym, correlation_id=ERASED, payload={}, provider_id=None
    )


def left_over(effect: Effect, *, now: int) -> Effect:
    """An open effect that an erasure did not find, ended without the person.

    The key of their pseudonym is dead by now, so it stands under a name of its own; one that was
    just being sent, and so was stripped and left open, keeps the pseudonym that it has.
    """
    named = effect.subject_key
    if not is_pseudonym(named):
        named = f"{PSEUDONYM_PREFIX}{effect.effect_id}"
    return erased_effect(effect, pseudonym=named, now=now)


def erased_coupon(coupon: Coupon, *, pseudonym: str) -> Coupon:
    """A coupon without the person; what its uses took of a budget still counts.

    Nor with the words for which it was revoked, which may speak of them.
    """
    uses = tuple(replace(use, order_id=f"{ERASED}-{n}") for n, use in enumerate(coupon.uses, 1))
    return replace(
        coupon,
        subject_key=pseudonym,
        uses=uses,
        revoked_for=None if coupon.revoked_for is None else ERASED,
    )
