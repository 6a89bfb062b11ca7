"""Withdrawing consent from a mail: looking changes nothing, only posting does (RFC 8058).

A reader may withdraw the purpose of the mail, another one, or everything that is marketing. All
bind the address; what is chosen on our page also stands in the contact of the account that the mail
was for, where the next checkout reads it. One write holds all of it, ledgers included.

Mail scanners open every link, so a GET that unsubscribed would unsubscribe whole companies. A
mail program posts by itself, without cookies, and follows no redirect: the answer is a page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from chalicelib.core.contact import PURPOSES
from chalicelib.core.errors import BadInput
from chalicelib.core.ports import Store
from chalicelib.core.storage import Conflict
from chalicelib.core.tokens import SigningKeys, verify
from chalicelib.flows.mailbox import Said, find_mailbox, withdrawal_writes
from chalicelib.mail import pages
from chalicelib.mail.compose import UNSUBSCRIBE
from chalicelib.telemetry import log_event

_TRIES = 5
LARGEST_FORM_BYTES = 4096
# All that a reader can do without and still get what they ordered.
MARKETING = ("marketing_email", "profiling", "personalised_pricing")
# What the buttons of our page withdraw; the first has no name, and withdraws what the mail is for.
CHOICES: Mapping[str, tuple[str, ...]] = {
    **{purpose: (purpose,) for purpose in MARKETING},
    "all": MARKETING,
}
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

    ``form`` is the body: ``choice`` names one purpose that is marketing, or ``all`` of them.
    Whatever else it holds, as a mail program posts it, withdraws the purpose of the mail.

    A token that we did not sign gets a page with status 404. Raises Transient when storage did
    not answer: the withdrawal may not be stored, so it must not be confirmed.
    """
    try:
        asked = _read(token, keys)
    except BadInput:
        return Page(404, pages.INVALID)
    choice, wording = _filled_in(form)
    purposes = CHOICES.get(choice, (asked.purpose,))
    if choice == "all":
        purposes = tuple(dict.fromkeys((asked.purpose, *purposes)))
    for tries_left in reversed(range(_TRIES)):
        mailbox = find_mailbox(
            asked.address_hash,
            effect_id=asked.effect_id if choice in CHOICES else None,
            store=store,
            keys=keys,
            now=now,
        )
        said = Said(purposes, wording, asked.effect_id, now)
        try:
            if writes := withdrawal_writes(mailbox, said):
                store.write(writes, now=now)
                log_event("unsubscribed", purpose=purposes[0], count=len(purposes))
            break
        except Conflict:
            # Somebody else wrote this address, perhaps the very same withdrawal: look again.
            if not tries_left:
                raise
    return Page(200, pages.done(choice, account_found=mailbox.account_found))


def _filled_in(form: bytes) -> tuple[str, str | None]:
    """Which button of our page was pressed, and the wording of the page that it stood on.

    What cannot be read, or did not come from our page, pressed none.
    """
    if len(form) > LARGEST_FORM_BYTES:
        return "", None
    said = parse_qs(form.decode("ascii", errors="replace"))
    choice = said.get("choice", [])
    wording = pages.WORDING if said.get("wording") == [pages.WORDING] else None
    return (choice[0] if len(choice) == 1 and choice[0] in CHOICES else "", wording)


def _read(token: str, keys: SigningKeys) -> Asked:
    """What the token names; raises BadInput for what we did not sign."""
    payload = verify(keys, token, purpose=UNSUBSCRIBE, field="token")
    named, purpose = payload.get("a"), payload.get("p")
    if not isinstance(named, str) or not _ADDRESS_HASH.fullmatch(named) or purpose not in PURPOSES:
        raise BadInput.of("token", "names no address and purpose")
    effect_id = payload.get("e")
    return Asked(named, purpose, effect_id if isinstance(effect_id, str) else None)
