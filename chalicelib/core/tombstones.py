"""What stays of a person who was erased: a moment, under an HMAC that names nobody.

A tombstone stands under the keyed hash of the customer (or guest) and under that of the address.
Nothing about the person that is dated up to its moment counts any more, wherever it comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core.canonical import keyed_digest
from chalicelib.core.instants import CLOCK_SKEW_SECONDS

PSEUDONYM_PREFIX = "x#"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """That somebody was erased.

    Attributes:
        at: when; what happened up to then is not remembered.
        pseudonym_key: makes the pseudonym of what is kept, hex. It is there only while the
            erasure is under way and dies with it: then nobody can tell whose the records were.
    """

    at: int
    pseudonym_key: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the erasure has come to its end."""
        return self.pseudonym_key is None

    def covers(self, said_at: int) -> bool:
        """Whether a statement from outside is about the time before the erasure.

        A sender's clock may be ahead of ours by what we tolerate, so that much is added.
        """
        return said_at <= self.at + CLOCK_SKEW_SECONDS


def subject_hash(subject_key: str, *, secret: bytes) -> str:
    """The HMAC-SHA256 of a subject's key, 40 hex digits; it never rotates, as an address' own."""
    return keyed_digest(secret, b"subject:" + subject_key.encode()).hex()[:40]


def pseudonym(subject_key: str, *, key: str) -> str:
    """What stands in the place of a subject's key once the person is erased.

    >>> pseudonym("c#1", key="00") == pseudonym("c#1", key="01")
    False
    """
    digest = keyed_digest(bytes.fromhex(key), b"pseudonym:" + subject_key.encode()).hex()
    return f"{PSEUDONYM_PREFIX}{digest[:32]}"


def is_pseudonym(subject_key: str) -> bool:
    """Whether a person who was erased stood here."""
    return subject_key.startswith(PSEUDONYM_PREFIX)


def tombstone_to_json(tombstone: Tombstone) -> dict[str, Any]:
    """The stored form."""
    stored: dict[str, Any] = {"at": tombstone.at}
    if tombstone.pseudonym_key is not None:
        stored["pseudonym_key"] = tombstone.pseudonym_key
    return stored


def tombstone_from_json(stored: Mapping[str, Any]) -> Tombstone:
    """Undo ``tombstone_to_json``."""
    return Tombstone(stored["at"], stored.get("pseudonym_key"))
