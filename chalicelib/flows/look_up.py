"""What an operator looks for without its id: who has an address, and what was decided earlier.

No table is scanned for it. An address leads, by its HMAC, to what its owner said and to every
account that has it; through the mails that were sent there of late also to those that were last
saved before the index was kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chalicelib.core.address import AddressState, address_hash
from chalicelib.core.effects import Effect
from chalicelib.core.erasure import as_erased, is_erased
from chalicelib.core.errors import BadInput
from chalicelib.core.groups import address_group
from chalicelib.core.kinds import ADDRESS, CONTACT, EFFECT, FACTS, MAILED, RECORD
from chalicelib.core.ports import Store
from chalicelib.core.storage import Key
from chalicelib.core.subject import Subject, customer
from chalicelib.core.tokens import SigningKeys, sign, verify
from chalicelib.flows.read import MOST_DECISIONS, DecisionIndex, mail_ids
from chalicelib.flows.tombs import address_tomb_key, tomb_key

# How far back pages of decisions lead; whoever needs more takes the export.
MOST_LOOKED_BACK = 500
MOST_ACCOUNTS = 100
LONGEST_CURSOR = 1_024
PURPOSE = "decision_list"


@dataclass(frozen=True, slots=True)
class AddressView:
    """What is known of an address; the address itself is stored nowhere by this name.

    Attributes:
        state: what binds it; None where nothing was ever said of it.
        accounts: ids of customers who have it, who got it last first; at most MOST_ACCOUNTS.
        erased_at: when somebody with this address was erased, None where nobody was.
        has_more: whether there are more accounts than that.
    """

    state: AddressState | None
    accounts: Sequence[str]
    erased_at: int | None
    has_more: bool = False


class GroupIndex(Store, Protocol):
    """Storage that also finds who belongs together."""

    def members(self, group: str, *, limit: int) -> list[tuple[Subject, int]]:
        """Who is in a group since when, the latest first; some may have left it or expired."""
        ...


@dataclass(frozen=True, slots=True)
class Earlier:
    """A page of somebody's decisions.

    Attributes:
        records: newest first; those that expired or were erased are not among them.
        mails: the mails that they planned.
        last_id: the earliest that was looked at; None where there are no earlier ones.
    """

    records: Sequence[Mapping[str, Any]]
    mails: Sequence[Effect]
    last_id: str | None


def is_known(customer_id: str, *, store: Store, now: int) -> bool:
    """Whether anything is known of a customer with this id."""
    wanted: list[Key[Any]] = [kind.key(customer(customer_id).key) for kind in (FACTS, CONTACT)]
    found = store.read(wanted, now=now)
    return any(found.value(key) is not None for key in wanted)


def find_by_address(email: str, *, store: GroupIndex, keys: SigningKeys, now: int) -> AddressView:
    """What is known of an address, by one query and at most three reads."""
    named = address_hash(email, secret=keys.address_secret)
    state_key, mailed_key, tomb = ADDRESS.key(named), MAILED.key(named), address_tomb_key(named)
    found = store.read([state_key, mailed_key, tomb], now=now)
    mailed, tombstone = found.value(mailed_key), found.value(tomb)
    effect_ids = [] if mailed is None else list(mailed.at_by_effect)
    members = store.members(address_group(named), limit=MOST_ACCOUNTS + 1)
    subjects = [*(subject for subject, _ in members), *_mailed(effect_ids, store, now)]
    has_it = _who_have_it(dict.fromkeys(subjects), named, store, keys, now)
    return AddressView(
        state=found.value(state_key),
        accounts=has_it[:MOST_ACCOUNTS],
        erased_at=None if tombstone is None else tombstone.at,
        has_more=len(has_it) > MOST_ACCOUNTS,
    )


def _mailed(effect_ids: Sequence[str], store: Store, now: int) -> list[Subject]:
    """The customers whom these mails were for."""
    if not effect_ids:
        return []
    effect_keys = [EFFECT.key(effect_id) for effect_id in effect_ids]
    effects = store.read(effect_keys, now=now)
    mailed = [effect for key in effect_keys if (effect := effects.value(key)) is not None]
    subjects = [Subject.from_key(each.subject_key) for each in mailed]
    return [each for each in subjects if each.kind == "customer"]


def _who_have_it(
    subjects: Iterable[Subject], named: str, store: Store, keys: SigningKeys, now: int
) -> list[str]:
    """Those of them who have the address still: an index follows its table with a delay."""
    accounts = list(subjects)
    if not accounts:
        return []
    contacts = store.read([CONTACT.key(each.key) for each in accounts], now=now)
    has_it: list[str] = []
    for each in accounts:
        contact = contacts.value(CONTACT.key(each.key))
        email = None if contact is None else contact.text("email")
        if email is not None and address_hash(email, secret=keys.address_secret) == named:
            has_it.append(each.id)
    return has_it


def earlier_decisions(
    customer_id: str, *, cursor: str, store: DecisionIndex, keys: SigningKeys, now: int
) -> Earlier:
    """The page of decisions that a cursor leads to; raises BadInput naming ``cursor``."""
    subject = customer(customer_id)
    last_id = _position_in(cursor, subject.key, keys)
    ids = store.recent_decisions(subject.key, limit=MOST_LOOKED_BACK)
    # Where it is gone (erased, expired) there is nothing behind it either.
    ids = ids[ids.index(last_id) + 1 :] if last_id in ids else []
    page = ids[:MOST_DECISIONS]
    tomb = tomb_key(subject.key, keys)
    record_keys = [RECORD.key(decision_id) for decision_id in page]
    found = store.read([*record_keys, tomb], now=now)
    records = [
        record
        for key in record_keys
        if (record := found.value(key)) is not None
        and not is_erased(as_erased(record, found.value(tomb)))
    ]
    mail_keys = [EFFECT.key(each) for record in records for each in mail_ids(record)]
    effects = store.read(mail_keys, now=now) if mail_keys else None
    mails = [] if effects is None else [effects.value(key) for key in mail_keys]
    return Earlier(
        records,
        [mail for mail in mails if mail is not None],
        page[-1] if len(ids) > len(page) else None,
    )


def cursor_behind(decision_id: str, customer_id: str, keys: SigningKeys) -> str:
    """Leads to the decisions before this one, of this customer alone."""
    payload = {"subject": customer(customer_id).key, "after": decision_id}
    return sign(keys, purpose=PURPOSE, payload=payload)


def _position_in(cursor: str, subject_key: str, keys: SigningKeys) -> str:
    if not cursor.isascii() or len(cursor) > LONGEST_CURSOR:
        raise BadInput.of("cursor", "is not a token that this service signed")
    payload = verify(keys, cursor, purpose=PURPOSE, field="cursor")
    if payload["subject"] != subject_key:
        raise BadInput.of("cursor", "belongs to the decisions on somebody else")
    after: str = payload["after"]
    return after
