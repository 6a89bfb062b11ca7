"""A no to mail, kept under the address: it binds every account that shares it.

Consent is asked of the account, but a mailbox has one owner. Whoever says no through one account
is not mailed through another that had agreed before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chalicelib.core.address import AddressState, address_hash, refuse
from chalicelib.core.contact import MAIL_PURPOSES, Contact
from chalicelib.core.kinds import ADDRESS
from chalicelib.core.storage import AtVersion, Found, Key, Put, Write
from chalicelib.core.tokens import SigningKeys


def refusal_keys(
    contacts: Iterable[Contact], *, keys: SigningKeys
) -> tuple[Key[AddressState], ...]:
    """Under which addresses the nos of these contacts belong."""
    return tuple(dict.fromkeys(key for key, _, _ in _refusals(contacts, keys)))


def refusal_writes(
    contacts: Iterable[Contact], found: Found, *, keys: SigningKeys
) -> tuple[Write, ...]:
    """The nos of these contacts that do not stand under their addresses yet.

    Args:
        contacts: contacts that were changed.
        found: what stands under their ``refusal_keys``.
        keys: secrets that name addresses.
    """
    states: dict[Key[AddressState], AddressState] = {}
    for key, purpose, at in _refusals(contacts, keys):
        standing = states.get(key) or found.value(key) or AddressState()
        states[key] = refuse(standing, purpose, at=at)
    return tuple(
        Put(key, state, AtVersion(found.version(key)))
        for key, state in states.items()
        if state != found.value(key)
    )


def _refusals(
    contacts: Iterable[Contact], keys: SigningKeys
) -> Iterator[tuple[Key[AddressState], str, int]]:
    for contact in contacts:
        email = contact.text("email")
        nos = [(purpose, contact.refused_at(purpose)) for purpose in MAIL_PURPOSES]
        said = [(purpose, at) for purpose, at in nos if at is not None]
        if email is not None and said:
            key = ADDRESS.key(address_hash(email, secret=keys.address_secret))
            yield from ((key, purpose, at) for purpose, at in said)
