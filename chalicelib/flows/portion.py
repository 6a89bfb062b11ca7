"""What one write of an events request holds: messages folded together, and what they change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.core.errors import BadInput, FieldError
from chalicelib.core.facts import Facts
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
from chalicelib.core.storage import ABSENT, AtVersion, Delete, Found, Key, Put, Write
from chalicelib.core.subject import Subject
from chalicelib.flows.intake import Numbered
from chalicelib.flows.settled import Given, Review, review


@dataclass(frozen=True, slots=True)
class Portion:
    """Messages folded together.

    Attributes:
        seen: how many messages went in.
        fresh: the messages that were folded now.
        stored: how many of them an earlier attempt of the same request had stored.
        duplicates: how many were stored before.
        rejected: what is wrong with the others, by place in the body.
        before: the profiles as they were read.
        after: the profiles with the messages folded in.
    """

    seen: int
    fresh: tuple[Message, ...]
    stored: int
    duplicates: int
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


def fold_portion(messages: Sequence[Numbered], found: Found, given: Given, *, again: bool) -> Portion:
    """Fold messages in the order of the body.

    ``again`` says that an earlier write of this request may have been stored although it seemed
    to fail: then a message that this request has stored is no duplicate.
    """
    keys = {key for _, message in messages for key in concerned_keys(message, found)}
    before = after = profiles_from(found, keys)
    fresh: list[Message] = []
    rejected = {}
    stored = duplicates = 0
    for index, message in messages:
        known = found.value(message_key(message))
        if known is not None:
            ours = again and known["source"] == given.correlation_id
            stored, duplicates = stored + ours, duplicates + (not ours)
            continue
        try:
            after = fold_message(after, message)
        except BadInput as error:
            rejected[index] = error.errors
        else:
            fresh.append(message)
    return Portion(len(messages), tuple(fresh), stored, duplicates, rejected, before, after)


def portion_reviews(
    portion: Portion, found: Found, given: Given, *, settles: bool
) -> tuple[Review, ...]:
    """The profiles that changed, brought up to now; or left due at once, for the schedule."""
    return tuple(
        review(
            facts,
            portion.after.contacts.get(facts.subject),
            version=found.version(FACTS.key(facts.subject.key)),
            expires_at=_expiry(facts.subject, given),
            given=given,
        )
        for facts in _changed(portion.before.facts, portion.after.facts)
        if facts.merged_into is None
    )


def portion_writes(portion: Portion, found: Found, given: Given) -> tuple[Write, ...]:
    """What changed besides facts: contacts, orders, merged guests and message ids."""
    before, after = portion.before, portion.after
    writes: list[Write] = [
        Put(FACTS.key(facts.subject.key), facts, _as_read(found, FACTS.key(facts.subject.key)), _expiry(facts.subject, given))
        for facts in _changed(before.facts, after.facts)
        if facts.merged_into is not None
    ]
    return tuple(writes)
