"""Who was erased: tombstones read beside profiles, and the check that none was set meanwhile.

Every flow that could bring a person back reads the tombstones of whom it is about together with
their profiles, leaves out what they cover, and writes only if they still stand as they were read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from chalicelib.core.errors import Refused
from chalicelib.core.kinds import FACTS, TOMBSTONE
from chalicelib.core.storage import AtVersion, Check, Found, Key
from chalicelib.core.tokens import SigningKeys
from chalicelib.core.tombstones import Tombstone, subject_hash


class Erased(Refused):
    """The customer was erased, and what was said is from before."""

    def __init__(self) -> None:
        super().__init__("erased")


def tomb_key(subject_key: str, keys: SigningKeys) -> Key[Tombstone]:
    """Where the tombstone of a subject stands, once there is one."""
    return TOMBSTONE.key("s", subject_hash(subject_key, secret=keys.address_secret))


def address_tomb_key(address_hash: str) -> Key[Tombstone]:
    """Where the tombstone of an address stands, once there is one."""
    return TOMBSTONE.key("a", address_hash)


def with_tombs(wanted: Iterable[Key[Any]], keys: SigningKeys) -> Iterator[Key[Any]]:
    """Keys to read, and beside each profile's the one of its tombstone."""
    for key in wanted:
        yield key
        if key.kind is FACTS:
            yield tomb_key(key.partition, keys)


def still_standing(
    subject_keys: Iterable[str], found: Found, keys: SigningKeys
) -> tuple[Check, ...]:
    """That nobody was erased since their tombstones were looked for."""
    tombs = dict.fromkeys(tomb_key(subject_key, keys) for subject_key in subject_keys)
    return tuple(Check(key, AtVersion(found.version(key))) for key in tombs)
