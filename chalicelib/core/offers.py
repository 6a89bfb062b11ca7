"""Offers with a unique code: what a customer was promised, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chalicelib.core.canonical import keyed_digest

OfferKind = Literal["percent_off", "amount_off", "free_shipping"]
# Crockford's base 32: no I, L, O, U, so that a code survives being read aloud. 32 divides 256, so
# every letter is as likely as any other.
_LETTER_OF_BYTE = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ" * 8
CODE_LETTERS = 12  # 60 bits: a million codes collide with odds below one in two million


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer made to one customer.

    Attributes:
        action: the policy's action.
        code: unique, unguessable, stored before anyone sees it.
        kind: what it gives.
        value: percent for ``percent_off``, minor units for ``amount_off``, 0 otherwise.
        expires_at: the last moment at which it can be used.
    """

    action: str
    code: str
    kind: OfferKind
    value: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Coupon:
    """A code as storage keeps it."""

    offer: Offer
    subject_key: str
    decision_id: str
    issued_at: int
    state: Literal["live", "redeemed", "revoked"] = "live"


def coupon_code(secret: bytes, *, effect_id: str) -> str:
    """The code of one offer effect: an HMAC, so repeating a crashed issue repeats the code."""
    digest = keyed_digest(secret, b"coupon:" + effect_id.encode())
    return digest[:CODE_LETTERS].translate(_LETTER_OF_BYTE).decode()


def offer_to_json(offer: Offer) -> dict[str, Any]:
    """The stored form; spelt out because ``asdict`` costs ten times as much on the hot path."""
    return {
        "action": offer.action,
        "code": offer.code,
        "kind": offer.kind,
        "value": offer.value,
        "expires_at": offer.expires_at,
    }


def offer_from_json(stored: Mapping[str, Any]) -> Offer:
    """Undo ``offer_to_json``."""
    return Offer(**stored)


def coupon_to_json(coupon: Coupon) -> dict[str, Any]:
    """The stored form."""
    return {
        "offer": offer_to_json(coupon.offer),
        "subject_key": coupon.subject_key,
        "decision_id": coupon.decision_id,
        "issued_at": coupon.issued_at,
        "state": coupon.state,
    }


def coupon_from_json(stored: Mapping[str, Any]) -> Coupon:
    """Undo ``coupon_to_json``."""
    return Coupon(**{**stored, "offer": Offer(**stored["offer"])})
