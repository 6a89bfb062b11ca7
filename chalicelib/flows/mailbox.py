"""What the owner of a mailbox says by a link that was sent there: at the address and the account.

The link proves the mailbox. What is withdrawn binds the address, for every account with it, and is
entered into the address' ledger. The account that the mail was for is found through its effect;
what is said of it stands in its contact and its own ledger, too, if it still has this address.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from chalicelib.core.address import AddressState, address_hash, withdraw
from chalicelib.core.consents import LedgerHead, Statement
from chalicelib.core.contact import (
    CONSENT_PREFIX,
    Contact,
    ContactChange,
    Stamped,
    changed_consents,
    join_contact,
)
from chalicelib.core.groups import under
from chalicelib.core.kinds import ADDRESS, CONTACT, EFFECT
from chalicelib.core.ports import Store
from chalicelib.core.storage import AtVersion, Found, Key, Put, Stored, Write
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.consent_ledger import Told, append_to, head_key, of_the_address

SOURCE = "link"


class Said(NamedTuple):
    """What the owner of a mailbox withdraws.

    Attributes:
        purposes: which.
        wording: the version of the text that they had before them; None where none was shown.
        effect_id: the mail that held the link; older links do not say.
        at: when.
    """

    purposes: tuple[str, ...]
    wording: str | None
    effect_id: str | None
    at: int


@dataclass(frozen=True, slots=True)
class Mailbox:
    """What stands at an address and, where it was asked for, of the account that was mailed.

    Attributes:
        address_hash: names the address.
        found: the address' state and its ledger's end, and the same of the account.
        account: the account's contact; None where there is none with this address.
        account_found: whether we can tell, so that what was said of it is done.
    """

    address_hash: str
    found: Found
    account: Stored[Contact] | None
    account_found: bool


def find_mailbox(
    named: str, *, effect_id: str | None, store: Store, keys: SigningKeys, now: int
) -> Mailbox:
    """Look up an address and, with ``effect_id``, the account that this mail was for.

    The account is not found where the mail is forgotten (400 days) or has another address by now.
    """
    wanted: list[Key[Any]] = [ADDRESS.key(named), head_key(of_the_address(named))]
    effect_key = EFFECT.key(effect_id or "")
    if effect_id is not None:
        wanted.append(effect_key)
    found = store.read(wanted, now=now)
    effect = found.value(effect_key)
    if effect is None:
        return Mailbox(named, found, None, account_found=False)
    contact_key = CONTACT.key(effect.subject_key)
    theirs = store.read([contact_key, head_key(effect.subject_key)], now=now)
    account = theirs.stored(contact_key)
    email = None if account is None else account.value.text("email")
    if email is None:  # erased, or expired: nothing is known that could be used
        return Mailbox(named, found, None, account_found=account is None)
    if address_hash(email, secret=keys.address_secret) != named:
        return Mailbox(named, found, None, account_found=False)
    return Mailbox(named, found.joined(theirs), account, account_found=True)


def withdrawal_writes(mailbox: Mailbox, said: Said) -> tuple[Write, ...]:
    """All that changes, in one write; nothing where all of it was said before."""
    return (*_at_the_address(mailbox, said), *_at_the_account(mailbox, said))


def _at_the_address(mailbox: Mailbox, said: Said) -> Iterator[Write]:
    key = ADDRESS.key(mailbox.address_hash)
    state = known = mailbox.found.value(key) or AddressState()
    news = []
    for purpose in said.purposes:
        before, state = state, withdraw(state, purpose, at=said.at)
        if state != before:
            news.append(_statement(purpose, said))
    if state != known:
        yield Put(key, state, AtVersion(mailbox.found.version(key)))
        yield from _entries(of_the_address(mailbox.address_hash), news, mailbox, said)


def _at_the_account(mailbox: Mailbox, said: Said) -> Iterator[Write]:
    account = mailbox.account
    if account is None:
        return
    objecting = join_contact(account.value, _nos(account.value, said))
    objecting = under(objecting, mailbox.address_hash)
    changed = changed_consents(account.value, objecting)
    if not changed:
        return
    subject = account.value.subject
    at = AtVersion(account.version)
    yield Put(CONTACT.key(subject.key), objecting, at, expires_at=account.expires_at)
    if subject.kind == "customer":
        news = [_statement(purpose, said._replace(at=no.at)) for purpose, no in changed]
        yield from _entries(subject.key, news, mailbox, said)


def _nos(contact: Contact, said: Said) -> ContactChange:
    """A no to each purpose, not before what stands there: a sender's clock may be ahead of ours."""
    nos = {}
    for purpose in said.purposes:
        name = CONSENT_PREFIX + purpose
        standing = contact.fields.get(name)
        nos[name] = Stamped(False, said.at if standing is None else max(said.at, standing.at))
    return ContactChange(nos)


def _statement(purpose: str, said: Said) -> Statement:
    return Statement(purpose, False, None, said.wording, SOURCE, said.at)


def _entries(
    owner: str, statements: list[Statement], mailbox: Mailbox, said: Said
) -> Iterator[Write]:
    key: Key[LedgerHead] = head_key(owner)
    told = Told(said.at, mailbox.address_hash, reference=said.effect_id)
    head, version = mailbox.found.value(key), mailbox.found.version(key)
    yield from append_to(owner, head, version, statements, told)[1]
