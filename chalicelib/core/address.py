"""An address as an identity: consent, suppression and caps follow it, not the account."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from chalicelib.core.canonical import short_hash

Audience = Literal["marketing", "transactional"]


def address_hash(email: str, *, secret: bytes) -> str:
    """The HMAC-SHA256 of the normalised address, 40 hex digits.

    Normalised means trimmed, case-folded, and the domain in its ASCII form (IDNA 2008, as mapped
    by UTS 46), in which mail is sent and its bounces come back. RFC 5321 lets a local part be
    case-sensitive, no mail provider in use is, and two spellings must not be mailed twice.
    """
    local, at, domain = email.strip().rpartition("@")
    normalised = f"{local.casefold()}{at}{_ascii(domain)}".encode()
    return hmac.new(secret, b"address:" + normalised, hashlib.sha256).hexdigest()[:40]


def _ascii(domain: str) -> str:
    if domain.isascii():
        return domain.lower()
    # As the mail itself is addressed; its tables are large, and few domains need them.
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415

    try:
        return validate_email(f"a@{domain}", check_deliverability=False).ascii_domain
    except EmailNotValidError:
        return domain.casefold()  # nothing is ever delivered there


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
        refused: purposes that some account with this address said no to, with the latest moment.
            Only what is said later is a yes again.
        regranted: by purpose, the accounts whose customer has proved since that they own the
            address and agree again, with the moment. For every other account it stays withdrawn.
        suppressed: what mail does not reach it, or is not wanted there, as its provider said.
    """

    withdrawn: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    regranted: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    suppressed: Mapping[Audience, Suppression] = field(default_factory=dict)

    def binds(self, purpose: str, *, subject_key: str) -> bool:
        """Whether the withdrawal of a purpose holds for this account."""
        again = self.regranted.get(purpose, {})
        return purpose in self.withdrawn and account_mark(subject_key) not in again

    def withdrawn_for(self, subject_key: str) -> tuple[str, ...]:
        """The purposes that are withdrawn for this account."""
        return tuple(p for p in self.withdrawn if self.binds(p, subject_key=subject_key))

    def forbids(self, purpose: str, *, subject_key: str, agreed_at: int | None) -> bool:
        """Whether the owner said no, in spite of what this account agreed to at that moment."""
        if self.binds(purpose, subject_key=subject_key):
            return True
        refused_at = self.refused.get(purpose)
        return refused_at is not None and (agreed_at is None or agreed_at <= refused_at)

    def suppression(self, purpose: str) -> Suppression | None:
        """Why mail for this purpose is not to be sent, None when it may be."""
        return self.suppressed.get("transactional" if purpose == "transactional" else "marketing")


def account_mark(subject_key: str) -> str:
    """A short name of an account within the state of its address."""
    return short_hash("account", subject_key, digits=16)


def withdraw(state: AddressState, purpose: str, *, at: int) -> AddressState:
    """Record that the owner of the address withdrew consent; the first moment stands.

    It also ends whatever was granted again since: the next withdrawal is a withdrawal once more.
    """
    again = {name: marks for name, marks in state.regranted.items() if name != purpose}
    if purpose in state.withdrawn and len(again) == len(state.regranted):
        return state
    return replace(state, withdrawn={**state.withdrawn, purpose: at}, regranted=again)


def refuse(state: AddressState, purpose: str, *, at: int) -> AddressState:
    """Record that an account with this address said no; the latest moment stands."""
    if state.refused.get(purpose, at - 1) >= at:
        return state
    return replace(state, refused={**state.refused, purpose: at})


def regrant(state: AddressState, purpose: str, *, subject_key: str, at: int) -> AddressState:
    """Lift a withdrawal for one account whose customer agreed again later, with proof."""
    withdrawn_at = state.withdrawn.get(purpose)
    if withdrawn_at is None or at <= withdrawn_at:
        return state
    marks = {**state.regranted.get(purpose, {}), account_mark(subject_key): at}
    return replace(state, regranted={**state.regranted, purpose: marks})


def forget_account(state: AddressState, subject_key: str) -> AddressState:
    """Forget what one account granted again; withdrawals stay."""
    mark = account_mark(subject_key)
    left = {
        purpose: {name: at for name, at in marks.items() if name != mark}
        for purpose, marks in state.regranted.items()
    }
    return replace(state, regranted={purpose: marks for purpose, marks in left.items() if marks})


def suppress(state: AddressState, reasons: Mapping[Audience, str], *, at: int) -> AddressState:
    """Record that mail of these audiences is not to be sent; the earliest reason stands."""
    suppressed = dict(state.suppressed)
    for audience, reason in reasons.items():
        new = Suppression(reason, at)
        known = suppressed.get(audience, new)
        suppressed[audience] = min(known, new, key=lambda each: (each.at, each.reason))
    return replace(state, suppressed=suppressed)


def address_to_json(state: AddressState) -> dict[str, Any]:
    """The stored form; what is empty takes no room."""
    stored: dict[str, Any] = {"withdrawn": dict(state.withdrawn)}
    if state.refused:
        stored["refused"] = dict(state.refused)
    if state.regranted:
        stored["regranted"] = {purpose: dict(marks) for purpose, marks in state.regranted.items()}
    if state.suppressed:
        stored["suppressed"] = {audience: list(why) for audience, why in state.suppressed.items()}
    return stored


def address_from_json(stored: Mapping[str, Any]) -> AddressState:
    """Undo ``address_to_json``."""
    suppressed = stored.get("suppressed", {})
    return AddressState(
        stored["withdrawn"],
        refused=stored.get("refused", {}),
        regranted=stored.get("regranted", {}),
        suppressed={audience: Suppression(*why) for audience, why in suppressed.items()},
    )
