"""Who belongs together: the keys of the profiles table's one index of groups, ``by_group``.

A profile stands there under its segment, an account under the keyed hash of its address. The keys
change with the segment and with the address alone, so an event that changes neither pays nothing,
and what is deleted or expires leaves the index by itself: it holds no copy of anything.
"""

from __future__ import annotations

from dataclasses import replace

from chalicelib.core.address import address_hash
from chalicelib.core.contact import Contact
from chalicelib.core.facts import Facts
from chalicelib.core.storage import IndexAttributes
from chalicelib.core.subject import DUE_SHARDS

# As many as the index of what is due has: that one changes with every save, so where all customers
# of a file are of one segment, this one is no narrower.
SHARDS = DUE_SHARDS
# Of whom it is not known since when: named before that was kept.
UNDATED = 0


def segment_group(segment: str, shard: int) -> str:
    """The name of one shard of a segment."""
    return f"segment#{shard:02}#{segment}"


def address_group(named: str) -> str:
    """The name of those who have an address, by its keyed hash."""
    return f"address#{named}"


def group_of_facts(facts: Facts) -> IndexAttributes:
    """Where a profile stands; nowhere without a segment."""
    if facts.segment is None:
        return {}
    return {
        "in_group": segment_group(facts.segment, facts.subject.due_shard),
        "grouped_at": UNDATED if facts.segment_at is None else facts.segment_at,
    }


def group_of_contact(contact: Contact) -> IndexAttributes:
    """Where an account stands; nowhere without an address."""
    said = contact.fields.get("email")
    if said is None or contact.address_hash is None:
        return {}
    return {"in_group": address_group(contact.address_hash), "grouped_at": said.at}


def addressed(contact: Contact, *, secret: bytes) -> Contact:
    """The contact with the hash of its address; a guest is no account to be found by it."""
    email = contact.text("email")
    return under(contact, None if email is None else address_hash(email, secret=secret))


def under(contact: Contact, named: str | None) -> Contact:
    """The contact with this hash of its address, where it is an account's."""
    named = named if contact.subject.kind == "customer" else None
    return contact if contact.address_hash == named else replace(contact, address_hash=named)
