"""An address as an identity: consent, suppression and caps follow it, not the account."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


def address_hash(email: str, *, secret: bytes) -> str:
    """The HMAC-SHA256 of the normalised address, 40 hex digits.

    Normalised means trimmed and case-folded as a whole: RFC 5321 lets a local part be
    case-sensitive, no mail provider in use is, and two spellings must not be mailed twice.
    """
    normalised = email.strip().casefold().encode()
    return hmac.new(secret, b"address:" + normalised, hashlib.sha256).hexdigest()[:40]


@dataclass(frozen=True, slots=True)
class AddressState:
    """What binds every account with this address.

    Attributes:
        withdrawn: purposes that the owner unsubscribed from, with the moment. A later file or
            message that still says "consented" does not undo it.
        refused: purposes that some account with this address said no to, with the latest moment.
            Only what is said later is a yes again.
    """

    withdrawn: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)

    def forbids(self, purpose: str, *, agreed_at: int | None) -> bool:
        """Whether the owner said no, in spite of what one account agreed to at that moment."""
        if purpose in self.withdrawn:
            return True
        refused_at = self.refused.get(purpose)
        return refused_at is not None and (agreed_at is None or agreed_at <= refused_at)


def withdraw(state: AddressState, purpose: str, *, at: int) -> AddressState:
    """Record that the owner of the address withdrew consent; the first moment stands."""
    if purpose in state.withdrawn:
        return state
    return replace(state, withdrawn={**state.withdrawn, purpose: at})


def refuse(state: AddressState, purpose: str, *, at: int) -> AddressState:
    """Record that an account with this address said no; the latest moment stands."""
    if state.refused.get(purpose, at - 1) >= at:
        return state
    return replace(state, refused={**state.refused, purpose: at})


def address_to_json(state: AddressState) -> dict[str, Any]:
    """The stored form."""
    return {"withdrawn": dict(state.withdrawn), "refused": dict(state.refused)}


def address_from_json(stored: Mapping[str, Any]) -> AddressState:
    """Undo ``address_to_json``."""
    return AddressState(stored["withdrawn"], stored["refused"])
