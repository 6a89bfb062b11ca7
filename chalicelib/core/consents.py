"""The consent ledger: what a customer said of a purpose, with its proof, in a chain of hashes.

Nothing in it is ever changed: a later statement is another entry, and each entry holds the hash of
the one before. What an entry says is folded into the contact, where the later statement wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from chalicelib.core.canonical import content_hash

Basis = Literal["consent", "contract", "legal_obligation", "legitimate_interest"]
BASES: tuple[Basis, ...] = ("consent", "contract", "legal_obligation", "legitimate_interest")
FIRST = "sha256:" + "0" * 64  # what the first entry follows


@dataclass(frozen=True, slots=True)
class Statement:
    """What was said, and how it can be proved.

    Attributes:
        purpose: one of the purposes.
        granted: granted, or withdrawn.
        basis: the legal basis (GDPR, article 6); None where whoever told us did not say.
        wording: the version of the text that the customer had before them; None as above.
        source: where it was said: a form, a call, a shop. ``event`` and ``file`` for what such a
            one told us, ``link`` for a link in a mail, ``contact`` for what stood in the contact.
        said_at: when it was said.
        address_confirmed: whether the owner of the address confirmed it by a link sent there
            (double opt-in).
    """

    purpose: str
    granted: bool
    basis: Basis | None
    wording: str | None
    source: str
    said_at: int
    address_confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the ledger.

    Attributes:
        number: its place, from 1.
        statement: what was said.
        recorded_at: when we were told.
        key_id: the API key that told us; None where no call was made for it.
        address_hash: the HMAC of the address known then; None without one.
        previous: the hash of the entry before.
        hash: of all of this.
        reference: what it came in, where no call was made for it: the correlation id of a request
            or a drop, or the effect id of a mail.
    """

    number: int
    statement: Statement
    recorded_at: int
    key_id: str | None
    address_hash: str | None
    previous: str
    hash: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """Where a customer's ledger ends.

    Attributes:
        count: how many entries it has.
        hash: of the last.
        began_at: when the first was recorded.
    """

    count: int = 0
    hash: str = FIRST
    began_at: int | None = None


def append_entry(
    head: LedgerHead,
    statement: Statement,
    *,
    recorded_at: int,
    key_id: str | None,
    address_hash: str | None,
    reference: str | None = None,
) -> tuple[LedgerHead, Entry]:
    """The ledger's new end, and the next entry."""
    number = head.count + 1
    open_entry = Entry(
        number, statement, recorded_at, key_id, address_hash, head.hash, "", reference
    )
    entry = replace(open_entry, hash=content_hash(_hashed(open_entry)))
    began_at = recorded_at if head.began_at is None else head.began_at
    return LedgerHead(number, entry.hash, began_at), entry


def is_intact(head: LedgerHead, entries: Sequence[Entry]) -> bool:
    """Whether these are all entries up to the head, in order and as they were written."""
    previous = FIRST
    for number, entry in enumerate(entries, start=1):
        if entry.number != number or entry.previous != previous:
            return False
        if content_hash(_hashed(entry)) != entry.hash:
            return False
        previous = entry.hash
    return (head.count, head.hash) == (len(entries), previous)


def _hashed(entry: Entry) -> dict[str, Any]:
    """What an entry's hash is made of; one without a reference says nothing of it."""
    body = asdict(entry)
    del body["hash"]
    if entry.reference is None:
        del body["reference"]
    return body


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """The stored form."""
    return asdict(entry)


def entry_from_json(stored: Mapping[str, Any]) -> Entry:
    """Undo ``entry_to_json``."""
    return Entry(**{**stored, "statement": Statement(**stored["statement"])})


def head_to_json(head: LedgerHead) -> dict[str, Any]:
    """The stored form."""
    return asdict(head)


def head_from_json(stored: Mapping[str, Any]) -> LedgerHead:
    """Undo ``head_to_json``."""
    return LedgerHead(**stored)
