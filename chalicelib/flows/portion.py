"""What one write of an events request holds: messages folded together, and what they change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from chalicelib.core.errors import BadInput, FieldError
from chalicelib.core.facts import Facts
from chalicelib.core.groups import addressed
from chalicelib.core.identity import (
    Profiles,
    fold_message,
    further_keys,
    profile_keys,
    profiles_from,
)
from chalicelib.core.instants import Instant
from chalicelib.core.kinds import (
    CONTACT,
    FACTS,
    GUEST_WINDOW_SECONDS,
    MESSAGE,
    MESSAGE_WINDOW_SECONDS,
    ORDER,
    ORDER_WINDOW_SECONDS,
)
from chalicelib.core.messages import Message
from chalicelib.core.storage import AtVersion, Check, Delete, Found, Key, Put, Write
from chalicelib.core.subject import Subject
from chalicelib.flows.heard_consent import ContactChanged
from chalicelib.flows.intake import Numbered
from chalicelib.flows.resurrection import is_from_before, message_tombs
from chalicelib.flows.settled import Given, Review, review
from chalicelib.flows.tombs import still_standing

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Portion:
    """Messages folded together.

    Attributes:
        seen: how many messages went in.
        fresh: the messages that were folded now.
        stored: how many of them an earlier attempt of the same request had stored.
        duplicates: how many were stored before.
        erased: how many are from before an erasure of whom they are about.
        rejected: what is wrong with the others, by place in the body.
        before: the profiles as they were read.
        after: the profiles with the messages folded in.
    """

    seen: int
    fresh: tuple[Message, ...]
    stored: int
    duplicates: int
    erased: int
    rejected: Mapping[int, tuple[FieldError, ...]]
    before: Profiles
    after: Profiles


def concerned_keys(message: Message, found: Found) -> frozenset[Key[Any]]:
    """Every thing that folding this message may look at or change, as far as was read."""
    concerned: frozenset[Key[Any]] = frozenset()
    further = frozenset(profile_keys(message))
    while further - concerned:
        concerned |= further
        further = frozenset(further_keys(found, further))
    return concerned


def message_key(message: Message) -> Key[Any]:
    """Where it stands that a message was folded."""
    return MESSAGE.key(message.envelope.message_id)


def fold_portion(
    messages: Sequence[Numbered], found: Found, given: Given, *, again: bool
) -> Portion:
    """Fold messages in the order of the body.

    ``again`` says that an earlier write of this request may have been stored although it seemed
    to fail: then a message that this request has stored is no duplicate.
    """
    keys = {key for _, message in messages for key in concerned_keys(message, found)}
    before = after = profiles_from(found, keys)
    fresh: list[Message] = []
    rejected = {}
    stored = duplicates = erased = 0
    for place, message in messages:
        known = found.value(message_key(message))
        if known is not None:
            ours = again and known["source"] == given.correlation_id
            stored, duplicates = stored + ours, duplicates + (not ours)
            continue
        if is_from_before(message, found, after, given.keys):
            erased += 1
            continue
        try:
            after = fold_message(after, message)
        except BadInput as error:
            rejected[place] = error.errors
        else:
            fresh.append(message)
    seen = len(messages)
    return Portion(seen, tuple(fresh), stored, duplicates, erased, rejected, before, after)


def portion_reviews(portion: Portion, found: Found, given: Given) -> tuple[Review, ...]:
    """The profiles that changed, brought up to now."""
    return tuple(
        review(
            facts,
            portion.after.contacts.get(facts.subject),
            version=found.version(FACTS.key(facts.subject.key)),
            expires_at=_expiry(facts.subject, given),
            given=given,
        )
        for facts in _changed_facts(portion)
        if facts.merged_into is None
    )


def portion_unsettled(portion: Portion, found: Found, given: Given) -> tuple[Write, ...]:
    """The profiles that changed, due at once: the schedule settles them if nothing else does."""
    return tuple(
        _put_facts(replace(facts, review_at=_at_once(facts, given)), found, given)
        for facts in _changed_facts(portion)
        if facts.merged_into is None
    )


def portion_writes(portion: Portion, found: Found, given: Given) -> tuple[Write, ...]:
    """What changed besides the profiles: contacts, orders, merged guests and message ids."""
    tombstones = [facts for facts in _changed_facts(portion) if facts.merged_into is not None]
    profiles = [facts.subject.key for facts in _changed_facts(portion)]
    return (
        *still_standing(profiles, found, given.keys),
        *_addresses_standing(portion, found, given),
        *(_put_facts(facts, found, given) for facts in tombstones),
        *_contact_writes(portion, found, given),
        *(
            Put(
                key := ORDER.key(order.order_id),
                order,
                AtVersion(found.version(key)),
                expires_at=given.now + ORDER_WINDOW_SECONDS,
            )
            for order in _changed(portion.before.orders, portion.after.orders)
        ),
        *(
            Put(
                message_key(message),
                {"source": given.correlation_id},
                expires_at=given.now + MESSAGE_WINDOW_SECONDS,
            )
            for message in portion.fresh
        ),
    )


def _addresses_standing(portion: Portion, found: Found, given: Given) -> Iterable[Write]:
    """That no address which a guest names was erased since."""
    tombs = [key for message in portion.fresh for key in message_tombs(message, given.keys)]
    return (Check(key, AtVersion(found.version(key))) for key in dict.fromkeys(tombs))


def changed_contacts(portion: Portion) -> Iterable[ContactChanged]:
    """Contacts that say something new, with what they said before."""
    before, after = portion.before.contacts, portion.after.contacts
    return (
        ContactChanged(before.get(contact.subject), contact) for contact in _changed(before, after)
    )


def _contact_writes(portion: Portion, found: Found, given: Given) -> Iterable[Write]:
    """Contacts that say something new; a merged guest's is gone, what it said stands elsewhere."""
    before, after = portion.before.contacts, portion.after.contacts
    for _, contact in changed_contacts(portion):
        key = CONTACT.key(contact.subject.key)
        expires_at = _expiry(contact.subject, given)
        named = addressed(contact, secret=given.keys.address_secret)
        yield Put(key, named, AtVersion(found.version(key)), expires_at)
    for subject in before.keys() - after.keys():
        key = CONTACT.key(subject.key)
        yield Delete(key, AtVersion(found.version(key)))


def _changed_facts(portion: Portion) -> Iterable[Facts]:
    # A message that says nothing new is saved all the same: who it is about was read from the
    # guest's facts, so its write must lose against somebody who merges that guest meanwhile.
    return (
        facts
        for subject, facts in portion.after.facts.items()
        if facts is not portion.before.facts.get(subject)
    )


def _changed(before: Mapping[K, V], after: Mapping[K, V]) -> Iterable[V]:
    return (value for key, value in after.items() if value != before.get(key))


def _put_facts(facts: Facts, found: Found, given: Given) -> Write:
    key = FACTS.key(facts.subject.key)
    return Put(key, facts, AtVersion(found.version(key)), _expiry(facts.subject, given))


def _at_once(facts: Facts, given: Given) -> Instant:
    """Now, unless a review is due already: that moment says what silence has done since."""
    return Instant(given.now if facts.review_at is None else min(facts.review_at, given.now))


def _expiry(subject: Subject, given: Given) -> int | None:
    return given.now + GUEST_WINDOW_SECONDS if subject.kind == "anonymous" else None
