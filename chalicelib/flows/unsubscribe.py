"""Withdrawing consent from a mail: looking changes nothing, only posting does (RFC 8058).

Mail scanners open every link, so a GET that unsubscribed would unsubscribe whole companies. A
mail program posts by itself, without cookies, and follows no redirect: the answer is a page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.core.address import AddressState, withdraw
from chalicelib.core.contact import PURPOSES
from chalicelib.core.errors import BadInput
from chalicelib.core.kinds import ADDRESS
from chalicelib.core.ports import Store
from chalicelib.core.storage import AtVersion, Conflict, Put
from chalicelib.core.tokens import SigningKeys, verify
from chalicelib.mail import pages
from chalicelib.mail.compose import UNSUBSCRIBE
from chalicelib.telemetry import log_event

_TRIES = 5
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


def act_on(token: str, *, store: Store, keys: SigningKeys, now: int) -> Page:
    """Withdraw what the token names, for POST; doing it again changes nothing.

    A token that we did not sign gets a page with status 404. Raises Transient when storage did
    not answer: the withdrawal may not be stored, so it must not be confirmed.
    """
    try:
        address_hash, purpose = _read(token, keys)
    except BadInput:
        return Page(404, pages.INVALID)
    _withdraw(address_hash, purpose, store=store, now=now)
    return Page(200, pages.DONE)


def _read(token: str, keys: SigningKeys) -> tuple[str, str]:
    """The address, by its hash, and the purpose; raises BadInput for what we did not sign."""
    payload = verify(keys, token, purpose=UNSUBSCRIBE, field="token")
    address_hash, purpose = payload.get("a"), payload.get("p")
    if (
        not isinstance(address_hash, str)
        or not _ADDRESS_HASH.fullmatch(address_hash)
        or purpose not in PURPOSES
    ):
        raise BadInput.of("token", "names no address and purpose")
    return address_hash, purpose


def _withdraw(address_hash: str, purpose: str, *, store: Store, now: int) -> None:
    key = ADDRESS.key(address_hash)
    for tries_left in reversed(range(_TRIES)):
        found = store.read([key], now=now)
        known = found.value(key) or AddressState()
        withdrawn = withdraw(known, purpose, at=now)
        if withdrawn == known:
            return
        try:
            store.write([Put(key, withdrawn, AtVersion(found.version(key)))], now=now)
        except Conflict:
            # Somebody else wrote this address, perhaps the very same withdrawal: look again.
            if not tries_left:
                raise
        else:
            log_event("unsubscribed", purpose=purpose)
            return
