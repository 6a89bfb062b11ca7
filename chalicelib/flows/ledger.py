"""The ledger of effects as storage keeps it: what one look brings back, and how an effect moves.

Every move is a conditional write on the version that was read, so of two workers one loses and
looks again. A write whose reply was lost is looked up: an effect names its owner, so our own
write is told from another's by its value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.core.address import AddressState, address_hash
from chalicelib.core.breaker import SHARDS, Tally
from chalicelib.core.canonical import short_hash
from chalicelib.core.catalogue import Product
from chalicelib.core.contact import Contact
from chalicelib.core.contact_policy import Mailed
from chalicelib.core.control import SWITCH_COPIES, Switches
from chalicelib.core.effects import SENT, TERMINAL, Effect
from chalicelib.core.errors import Refused, Transient
from chalicelib.core.kinds import (
    ADDRESS,
    BREAKER,
    CONTACT,
    COUPON,
    EFFECT,
    MAILED,
    PRODUCT,
    SWITCH,
)
from chalicelib.core.offers import Coupon
from chalicelib.core.ports import Store
from chalicelib.core.storage import AtVersion, Check, Conflict, Found, Key, Put, Stored, Write
from chalicelib.core.tokens import SigningKeys
from chalicelib.core.tombstones import is_pseudonym
from chalicelib.flows.tombs import tomb_key

_CONFIRM_TRIES = 4
_BREAKER_KEYS = tuple(BREAKER.key(str(shard)) for shard in range(SHARDS))


@dataclass(frozen=True, slots=True)
class Bearings:
    """All that a mail depends on besides its plan, and the versions at which it was read.

    Attributes:
        contact: what the customer said; None when nothing is known.
        address: what the owner of the address withdrew or its provider said; None when nothing.
        address_hash: names the address; None when there is none.
        mailed: the marketing mails to the address of late, with their version.
        tallies: the breaker's counts.
        switches: one copy of the operator's switches; None when they were never touched.
        product: the product that the plan names, where the catalogue has it.
        coupon: the code that the plan offers, as it stands by now.
        checks: that all of this still stands, for the write that permits the sending.
    """

    contact: Contact | None
    address: AddressState | None
    address_hash: str | None
    mailed: Stored[Mailed] | None
    tallies: tuple[Tally, ...]
    switches: Switches | None
    product: Product | None
    coupon: Coupon | None
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Gathered:
    """What one look at storage brought back, for any number of effects."""

    effects: Found
    circumstances: Found
    addresses: Found
    keys: SigningKeys
    standing: Mapping[Key[Any], Stored[Effect] | None]

    def effect(self, effect_id: str) -> Stored[Effect] | None:
        """The effect with its version, None when there is none."""
        return self.effects.stored(EFFECT.key(effect_id))

    def is_erased(self, effect: Effect) -> bool:
        """Whether the person was erased whom the effect was planned for.

        An effect that was just being sent was stripped by the erasure and left open: its plan is
        gone, and whoever comes by next ends it.
        """
        if is_pseudonym(effect.subject_key):
            return True
        tombstone = self.circumstances.value(tomb_key(effect.subject_key, self.keys))
        return tombstone is not None and effect.planned_at <= tombstone.at

    def bearings(self, effect: Effect) -> Bearings:
        """What the mail of an effect depends on."""
        contact_key, switch_key = _contact_key(effect), _switch_key(effect)
        contact = self.circumstances.value(contact_key)
        named = _address_hash(contact, self.keys)
        address_key = None if named is None else ADDRESS.key(named)
        product_key, coupon_key = _product_key(effect), _coupon_key(effect)
        return Bearings(
            contact=contact,
            address=None if address_key is None else self.addresses.value(address_key),
            address_hash=named,
            mailed=None if named is None else self.addresses.stored(MAILED.key(named)),
            tallies=tuple(
                tally
                for key in _BREAKER_KEYS
                if (tally := self.circumstances.value(key)) is not None
            ),
            switches=self.circumstances.value(switch_key),
            product=None if product_key is None else self.circumstances.value(product_key),
            coupon=None if coupon_key is None else self.circumstances.value(coupon_key),
            checks=(
                _unchanged(contact_key, self.circumstances),
                _unchanged(switch_key, self.circumstances),
                *(() if coupon_key is None else (_unchanged(coupon_key, self.circumstances),)),
                *(() if address_key is None else (_unchanged(address_key, self.addresses),)),
            ),
        )


def gather(effect_ids: Iterable[str], *, store: Store, keys: SigningKeys, now: int) -> Gathered:
    """Look up effects and, for mails still to be sent, all that may forbid them.

    One read for the effects; a second for who was erased and, with mails among them, for
    contacts, switches, the breaker, products and codes; and a third for their addresses, however
    many effects there are.
    """
    effect_keys = [EFFECT.key(effect_id) for effect_id in effect_ids]
    effects = store.read(effect_keys, now=now)
    found = [effect for key in effect_keys if (effect := effects.value(key)) is not None]
    mails = [e for e in found if e.kind == "mail" and e.state not in TERMINAL]
    open_ones = [effect for effect in found if effect.state not in TERMINAL]
    wanted: list[Key[Any]] = [tomb_key(effect.subject_key, keys) for effect in open_ones]
    wanted += _BREAKER_KEYS if mails else ()
    for mail in mails:
        wanted += [_contact_key(mail), _switch_key(mail)]
        wanted += [key for key in (_product_key(mail), _coupon_key(mail)) if key is not None]
    circumstances = _read(wanted, store, now)
    contacts = [circumstances.value(_contact_key(mail)) for mail in mails]
    named = [_address_hash(contact, keys) for contact in contacts]
    address_keys = [
        kind.key(name) for name in named if name is not None for kind in (ADDRESS, MAILED)
    ]
    addresses = _read(address_keys, store, now)
    standing = {key: effects.stored(key) for key in effect_keys}
    return Gathered(effects, circumstances, addresses, keys, standing)


def advance(
    held: Stored[Effect], moved: Effect, *, store: Store, now: int, also: Sequence[Write] = ()
) -> Stored[Effect]:
    """Store an effect's next state, provided that nobody touched it or what ``also`` depends on.

    Raises Conflict when somebody did, Transient when it is not stored.
    """
    key = EFFECT.key(moved.effect_id)
    put = Put(key, moved, AtVersion(held.version), expires_at=held.expires_at)
    stored = Stored(moved, held.version + 1, held.expires_at)
    try:
        store.write([put, *also], now=now)
    except Conflict:
        raise
    except Transient:
        # It may have been applied and its reply lost. ``moved`` names its owner, so what stands
        # there now is either exactly ours or somebody else's.
        if store.read([key], now=now).stored(key) != stored:
            raise
    return stored


def confirm(
    sending: Stored[Effect], outcome: Callable[[Effect], Effect], *, store: Store, now: int
) -> Stored[Effect]:
    """Write down what became of a mail that was handed over, persistently.

    ``outcome`` moves the effect, and raises Refused where that is no longer news. What another
    worker has begun meanwhile is only ever told that the mail was taken.

    Raises Transient, and never Conflict, when it could not be written: the effect then stays in
    SENDING, and the next worker records the doubt.
    """
    current = sending
    for _ in range(_CONFIRM_TRIES):
        try:
            told = outcome(current.value)
        except Refused:
            return current
        if told.state not in SENT and current.value.owner != sending.value.owner:
            return current
        try:
            return advance(current, told, store=store, now=now)
        except Conflict:
            # Our lease ran out and somebody recorded the doubt; we still know what happened.
            current = _again(current, store, now)
        except Transient:
            continue
    raise Transient("what became of a mail could not be recorded")


def _again(held: Stored[Effect], store: Store, now: int) -> Stored[Effect]:
    """The effect as it stands by now, or as we know it when storage does not say."""
    key = EFFECT.key(held.value.effect_id)
    try:
        return store.read([key], now=now).stored(key) or held
    except Transient:
        return held


def _read(keys: Sequence[Key[Any]], store: Store, now: int) -> Found:
    return store.read(keys, now=now) if keys else Found({}, now=now)


def _unchanged(key: Key[Any], found: Found) -> Check:
    return Check(key, AtVersion(found.version(key)))


def _contact_key(effect: Effect) -> Key[Contact]:
    return CONTACT.key(effect.subject_key)


def _switch_key(effect: Effect) -> Key[Switches]:
    """One of the copies, always the same for an effect: checks of one item delay each other."""
    copy = int(short_hash("switch", effect.effect_id, digits=8), 16) % SWITCH_COPIES
    return SWITCH.key(str(copy))


def _product_key(effect: Effect) -> Key[Product] | None:
    sku = effect.payload.get("sku")
    return None if sku is None else PRODUCT.key(sku)


def _coupon_key(effect: Effect) -> Key[Coupon] | None:
    offer = effect.payload.get("offer")
    return COUPON.key(offer["code"]) if isinstance(offer, Mapping) and "code" in offer else None


def _address_hash(contact: Contact | None, keys: SigningKeys) -> str | None:
    email = None if contact is None else contact.text("email")
    return None if email is None else address_hash(email, secret=keys.address_secret)
