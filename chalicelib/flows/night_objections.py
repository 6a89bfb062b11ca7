"""Who wanted no more marketing, and when: what an account said, and what its address says.

A link in a mail is often followed by a mail program, which proves the mailbox and no account, and a
complaint comes from the provider: both stand at the address alone. So both places are asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from chalicelib.core.address import AddressState, address_hash
from chalicelib.core.contact import Contact
from chalicelib.core.feedback import COMPLAINED
from chalicelib.core.kinds import ADDRESS, CONTACT
from chalicelib.core.ports import Store

_PURPOSE = "marketing_email"


def objections_of(
    subject_keys: Iterable[str], *, store: Store, address_secret: bytes, now: int
) -> Mapping[str, Sequence[int]]:
    """The moments at which each of them objected; whoever never did is left out.

    Args:
        subject_keys: customers and guests.
        store: brings contacts and addresses, a hundred with each call.
        address_secret: names addresses.
        now: the moment.
    """
    keys = {each: CONTACT.key(each) for each in sorted(subject_keys)}
    found = store.read(list(keys.values()), now=now)
    contacts = {
        each: known for each, key in keys.items() if (known := found.value(key)) is not None
    }
    named = {
        each: ADDRESS.key(address_hash(email, secret=address_secret))
        for each, contact in contacts.items()
        if (email := contact.text("email")) is not None
    }
    states = store.read(list(named.values()), now=now)
    return {
        each: moments
        for each, contact in contacts.items()
        if (moments := [*_said(contact, states.value(named[each]) if each in named else None)])
    }


def _said(contact: Contact, state: AddressState | None) -> Iterator[int]:
    refused_at = contact.refused_at(_PURPOSE)
    if refused_at is not None:
        yield refused_at
    if state is None:
        return
    if _PURPOSE in state.withdrawn:
        yield state.withdrawn[_PURPOSE]
    suppression = state.suppression(_PURPOSE)
    if suppression is not None and suppression.reason == COMPLAINED:
        yield suppression.at
