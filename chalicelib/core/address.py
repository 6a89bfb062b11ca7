"""An address as an identity: consent, suppression and caps follow it, not the account."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

Audience = Literal["marketing", "transactional"]


def address_hash(email: str, *, secret: bytes) -> str:
    """The HMAC-SHA256 of the normalised address, 40 hex digits.

    Normalised means trimmed and case-folded as a whole: RFC 5321 lets a local part be
    case-sensitive, no mail provider in use is, and two spellings must not be mailed twice.
    """
    normalised = email.strip().casefold().encode()
    return hmac.new(secret, b"address:" + normalised, hashlib.sha256).hexdigest()[:40]


class Suppression(NamedTuple):
    """Why an address gets no more mail of an audience, and since when."""

    reason: str
    at: int


@dataclass(frozen=True, slots=True)
class AddressState:
    """What binds every account with this address.

    Attributes:
        withdrawn: purposes that the owner unsubscribed from, with the moment. A later file or
            message that still says "consented" does not undo it.
        suppressed: what mail does not reach it, or is not wanted there, as its provider said.
    """

    withdrawn: Mapping[str, int] = field(default_factory=dict)
    suppressed: Mapping[Audience, Suppression] = field(default_factory=dict)

    def suppression(self, purpose: str) -> Suppression | None:
        """Why mail for this purpose is not to be sent, None when it may be."""
        return self.suppressed.get("transactional" if purpose == "transactional" else "marketing")


def withdraw(state: AddressState, purpose: str, *, at: int) -> AddressState:
    """Record that the owner of the address withdrew consent; the first moment stands."""
    if purpose in state.withdrawn:
        return state
    return replace(state, withdrawn={**state.withdrawn, purpose: at})


def suppress(state: AddressState, reasons: Mapping[Audience, str], *, at: int) -> AddressState:
    """Record that mail of these audiences is not to be sent; the earliest reason stands."""
    suppressed = dict(state.suppressed)
    for audience, reason in reasons.items():
        new = Suppression(reason, at)
        known = suppressed.get(audience, new)
        suppressed[audience] = min(known, new, key=lambda each: (each.at, each.reason))
    return replace(state, suppressed=suppressed)


def address_to_json(state: AddressState) -> dict[str, Any]:
    """The stored form."""
    stored: dict[str, Any] = {"withdrawn": dict(state.withdrawn)}
    if state.suppressed:
        stored["suppressed"] = {audience: list(why) for audience, why in state.suppressed.items()}
    return stored


def address_from_json(stored: Mapping[str, Any]) -> AddressState:
    """Undo ``address_to_json``."""
    suppressed = stored.get("suppressed", {})
    return AddressState(
        stored["withdrawn"],
        {audience: Suppression(*why) for audience, why in suppressed.items()},
    )
