"""What messages and files say of consent, in the customer's ledger.

They hold no proof beyond their own: who told us what, when, and in which request or file. There is
one entry where they change what holds; an export that says the same every night is no news. What a
guest says is entered once an "identify" makes it a customer's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from chalicelib.core.address import address_hash
from chalicelib.core.consents import LedgerHead, Statement
from chalicelib.core.contact import CONSENT_PREFIX, Contact, changed_consents
from chalicelib.core.messages import Identified, Message
from chalicelib.core.storage import Found, Key, Write
from chalicelib.core.subject import customer
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.consent_ledger import Told, append_to, head_key

Source = Literal["event", "file"]


class ContactChanged(NamedTuple):
    """What is known of how to reach somebody, before and after; ``before`` is None at first."""

    before: Contact | None
    after: Contact


def message_ledger_keys(message: Message) -> tuple[Key[LedgerHead], ...]:
    """The ledger that an "identify" may add to, to be read together with whom it is about."""
    customer_id = message.envelope.customer_id
    if customer_id is None or not isinstance(message, Identified):
        return ()
    says = any(name.startswith(CONSENT_PREFIX) for name in message.change.fields)
    return (head_key(customer(customer_id).key),) if says else ()


def heard_keys(changes: Iterable[ContactChanged]) -> tuple[Key[LedgerHead], ...]:
    """Where the ledgers end that these changes add to; most add to none."""
    return tuple(head_key(change.after.subject.key) for change in changes if _heard(change, "file"))


def heard_writes(
    changes: Iterable[ContactChanged],
    found: Found,
    *,
    source: Source,
    reference: str,
    keys: SigningKeys,
    now: int,
) -> Iterator[Write]:
    """One entry for each consent that changed.

    Args:
        changes: contacts that these messages or rows changed.
        found: what stands under their ``heard_keys``.
        source: which way they came.
        reference: names the request or the drop.
        keys: name addresses.
        now: the moment.
    """
    for change in changes:
        statements = _heard(change, source)
        if not statements:
            continue
        owner, email = change.after.subject.key, change.after.text("email")
        named = None if email is None else address_hash(email, secret=keys.address_secret)
        key = head_key(owner)
        told = Told(now, named, reference=reference)
        yield from append_to(owner, found.value(key), found.version(key), statements, told)[1]


def _heard(change: ContactChanged, source: Source) -> tuple[Statement, ...]:
    if change.after.subject.kind != "customer":
        return ()
    return tuple(
        Statement(purpose, bool(said.value), None, None, source, said.at)
        for purpose, said in changed_consents(change.before, change.after)
    )
