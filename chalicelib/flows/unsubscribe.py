"""Withdrawing consent from a mail: looking changes nothing, only posting does (RFC 8058).

A reader may withdraw the purpose of the mail, or everything that is marketing. Both bind the
address; the second also stands in the contact of the account that the mail was for, where the next
checkout reads it.

Mail scanners open every link, so a GET that unsubscribed would unsubscribe whole companies. A
mail program posts by itself, without cookies, and follows no redirect: the answer is a page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from chalicelib.core.address import AddressState, address_hash, withdraw
from chalicelib.core.contact import (
    CONSENT_PREFIX,
    PURPOSES,
    Contact,
    ContactChange,
    Stamped,
    join_contact,
)
from chalicelib.core.errors import BadInput
from chalicelib.core.kinds import ADDRESS, CONTACT, EFFECT
from chalicelib.core.ports import Store
from chalicelib.core.storage import AtVersion, Conflict, Put
from chalicelib.core.tokens import SigningKeys, verify
from chalicelib.mail import pages
from chalicelib.mail.compose import UNSUBSCRIBE
from chalicelib.telemetry import log_event

_TRIES = 5
LARGEST_FORM_BYTES = 4096
# All that a reader can do without and still get what they ordered.
MARKETING = ("marketing_email", "profiling", "personalised_pricing")
_ADDRESS_HASH = re.compile(r"[0-9a-f]{40}")
_HEADERS: Mapping[str, str] = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # the address bar holds the token
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a link is good for.

    Attributes:
        address_hash: names the address.
        purpose: what the mail was for.
        effect_id: the mail, through which the account is found; older links have none.
    """

    address_hash: str
    purpose: str
    effect_id: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """An answer for a browser."""

    status: int
    html: str
    headers: Mapping[str, str] = field(default_factory=lambda: dict(_HEADERS))


def show(token: str, *, keys: SigningKeys) -> Page:
    """Ask whether to unsubscribe, for GET and HEAD; reads and writes nothing.

    A token that we did not sign gets a page with status 404.
    """
    try:
        _read(token, keys)
    except BadInput:
        return Page(404, pages.INVALID)
    return Page(200, pages.ASK)


def act_on(token: str, *, store: Store, keys: SigningKeys, now: int, form: bytes = b"") -> Page:
    """Withdraw what the token names, for POST; doing it again changes nothing.

    ``form`` is the body: ``choice=all`` withdraws everything that is marketing. Whatever else it
    holds, as a mail program posts it, withdraws the purpose of the mail.

    A token that we did not sign gets a page with status 404. Raises Transient when storage did
    not answer: the withdrawal may not be stored, so it must not be confirmed.
    """
    try:
        asked = _read(token, keys)
    except BadInput:
        return Page(404, pages.INVALID)
    everything = _wants_all(form)
    purposes = tuple(dict.fromkeys((asked.purpose, *(MARKETING if everything else ()))))
    _withdraw(asked.address_hash, purposes, store=store, now=now)
    if everything and asked.effect_id is not None:
        _withdraw_in_account(asked, purposes, store=store, keys=keys, now=now)
    return Page(200, pages.DONE_ALL if everything else pages.DONE)


def _wants_all(form: bytes) -> bool:
    """Whether the page's second button was pressed; what cannot be read did not press it."""
    if len(form) > LARGEST_FORM_BYTES:
        return False
    said = parse_qs(form.decode("ascii", errors="replace"))
    return said.get("choice") == ["all"]


def _read(token: str, keys: SigningKeys) -> Asked:
    """What the token names; raises BadInput for what we did not sign."""
    payload = verify(keys, token, purpose=UNSUBSCRIBE, field="token")
    named, purpose = payload.get("a"), payload.get("p")
    if not isinstance(named, str) or not _ADDRESS_HASH.fullmatch(named) or purpose not in PURPOSES:
        raise BadInput.of("token", "names no address and purpose")
    effect_id = payload.get("e")
    return Asked(named, purpose, effect_id if isinstance(effect_id, str) else None)


def _withdraw(named: str, purposes: Sequence[str], *, store: Store, now: int) -> None:
    key = ADDRESS.key(named)
    for tries_left in reversed(range(_TRIES)):
        found = store.read([key], now=now)
        known = found.value(key) or AddressState()
        withdrawn = known
        for purpose in purposes:
            withdrawn = withdraw(withdrawn, purpose, at=now)
        if withdrawn == known:
            return
        try:
            store.write([Put(key, withdrawn, AtVersion(found.version(key)))], now=now)
        except Conflict:
            # Somebody else wrote this address, perhaps the very same withdrawal: look again.
            if not tries_left:
                raise
        else:
            log_event("unsubscribed", purpose=purposes[0], count=len(purposes))
            return


def _withdraw_in_account(
    asked: Asked, purposes: Sequence[str], *, store: Store, keys: SigningKeys, now: int
) -> None:
    """Say no in the contact, too, if the account still has the address that the mail went to.

    A mail whose effect is forgotten names no account: then the address alone is bound.
    """
    effect = store.read([key := EFFECT.key(asked.effect_id or "")], now=now).value(key)
    if effect is None:
        return
    contact_key = CONTACT.key(effect.subject_key)
    for tries_left in reversed(range(_TRIES)):
        found = store.read([contact_key], now=now)
        objecting = _objecting(found.value(contact_key), asked, purposes, keys=keys, now=now)
        if objecting is None:
            return
        put = Put(contact_key, objecting, AtVersion(found.version(contact_key)))
        try:
            store.write([put], now=now)
        except Conflict:
            if not tries_left:
                raise
        else:
            return


def _objecting(
    contact: Contact | None, asked: Asked, purposes: Sequence[str], *, keys: SigningKeys, now: int
) -> Contact | None:
    """The contact with a no to each purpose; None where it says so, or has another address."""
    email = None if contact is None else contact.text("email")
    if contact is None or email is None:
        return None
    if address_hash(email, secret=keys.address_secret) != asked.address_hash:
        return None
    said_no = {
        f"{CONSENT_PREFIX}{purpose}": Stamped(False, now)
        for purpose in purposes
        if contact.consent(purpose) is not False
    }
    return join_contact(contact, ContactChange(said_no)) if said_no else None
