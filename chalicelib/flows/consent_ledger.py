"""The consent ledger as storage keeps it: read whole, appended to by whoever changes what holds.

A customer's ledger stands under their key. What the owner of an address says by a link in a mail
stands under the HMAC of the address, since the link proves the mailbox and not the account. An
entry is always part of the write that makes its statement hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chalicelib.core.consents import Entry, LedgerHead, Statement, append_entry, is_intact
from chalicelib.core.kinds import ADDRESS, CONSENT, LEDGER_HEAD
from chalicelib.core.ports import Store
from chalicelib.core.storage import AtVersion, Found, Key, Put, Write


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger as it stands."""

    head: LedgerHead
    version: int
    entries: tuple[Entry, ...]

    @property
    def is_intact(self) -> bool:
        """Whether the chain of hashes holds."""
        return is_intact(self.head, self.entries)


class Told(NamedTuple):
    """How statements came to us.

    Attributes:
        at: when.
        address_hash: names the address that the customer had then; None without one.
        key_id: the API key that told us; None where no call was made for it.
        reference: what it came in: a request, a drop, a mail.
    """

    at: int
    address_hash: str | None
    key_id: str | None = None
    reference: str | None = None


def of_the_address(address_hash: str) -> str:
    """The name under which the ledger of an address stands, as a subject's key is for theirs."""
    return ADDRESS.prefix + address_hash


def head_key(owner: str) -> Key[LedgerHead]:
    """Where it stands how far a ledger goes."""
    return LEDGER_HEAD.key(owner)


def read_ledger(owner: str, *, store: Store, now: int) -> Ledger:
    """Every entry, oldest first; one read for its end and one for each hundred.

    ``owner`` is the key of a subject, or what ``of_the_address`` gives.
    """
    key = head_key(owner)
    found = store.read([key], now=now)
    head = found.value(key) or LedgerHead()
    keys = [CONSENT.key(owner, str(number)) for number in range(1, head.count + 1)]
    entries = store.read(keys, now=now) if keys else Found({}, now=now)
    kept = tuple(entry for each in keys if (entry := entries.value(each)) is not None)
    return Ledger(head, found.version(key), kept)


def append_to(
    owner: str, head: LedgerHead | None, version: int, statements: Iterable[Statement], told: Told
) -> tuple[Sequence[Entry], Sequence[Write]]:
    """The next entries, and what to write; the ledger must still end where it was read to end.

    Args:
        owner: as for ``read_ledger``.
        head: where the ledger ends; None for one that nothing was entered into.
        version: how often that was saved.
        statements: what was said.
        told: how it came to us.
    """
    end, entries = head or LedgerHead(), []
    for statement in statements:
        end, entry = append_entry(
            end,
            statement,
            recorded_at=told.at,
            key_id=told.key_id,
            address_hash=told.address_hash,
            reference=told.reference,
        )
        entries.append(entry)
    if not entries:
        return (), ()
    writes: list[Write] = [Put(head_key(owner), end, AtVersion(version))]
    writes += [Put(CONSENT.key(owner, str(entry.number)), entry) for entry in entries]
    return entries, writes
