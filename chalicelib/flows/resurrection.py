"""Which messages are about a person who was erased: those from before count no more.

A customer who comes back after the erasure is a new person, and begins with the first message that
is dated after it. A correction never begins one: the order that it speaks of is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.core.address import address_hash
from chalicelib.core.identity import Profiles
from chalicelib.core.kinds import FACTS
from chalicelib.core.messages import (
    Identified,
    InventoryUpdated,
    Message,
    OrderCancelled,
    OrderRefunded,
    OrderUpdated,
)
from chalicelib.core.storage import Found, Key
from chalicelib.core.subject import customer, guest
from chalicelib.core.tokens import SigningKeys
from chalicelib.core.tombstones import Tombstone
from chalicelib.flows.tombs import address_tomb_key, tomb_key

Correction = OrderUpdated | OrderRefunded | OrderCancelled


def message_tombs(message: Message, keys: SigningKeys) -> Iterator[Key[Tombstone]]:
    """The tombstone of an address that a guest's "identify" names.

    Those of customers and guests are read beside their profiles.
    """
    if message.envelope.customer_id is None and isinstance(message, Identified):
        email = message.change.fields.get("email")
        if email is not None:
            yield address_tomb_key(address_hash(email.value, secret=keys.address_secret))


def is_from_before(message: Message, found: Found, after: Profiles, keys: SigningKeys) -> bool:
    """Whether a message speaks of somebody erased, as they were before.

    Args:
        message: what came.
        found: what was read, tombstones among it.
        after: the profiles as the messages before this one have left them.
        keys: name subjects and addresses.
    """
    tombs = [found.value(key) for key in _tombs_of(message, found, keys)]
    standing = [tomb for tomb in tombs if tomb is not None]
    if any(tomb.covers(message.envelope.at) for tomb in standing):
        return True
    corrects = isinstance(message, Correction) and message.order_id not in after.orders
    return bool(standing) and corrects


def _tombs_of(message: Message, found: Found, keys: SigningKeys) -> Iterator[Key[Tombstone]]:
    """Of the customer whom a message names; else of the guest, and whom the guest became."""
    if isinstance(message, InventoryUpdated):
        return
    envelope = message.envelope
    if envelope.customer_id is not None:
        yield tomb_key(customer(envelope.customer_id).key, keys)
        return
    visitor = guest(envelope.anonymous_id or "")
    yield tomb_key(visitor.key, keys)
    known = found.value(FACTS.key(visitor.key))
    if known is not None and known.merged_into is not None:
        yield tomb_key(customer(known.merged_into).key, keys)
    yield from message_tombs(message, keys)
