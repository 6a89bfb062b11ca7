"""POST /v1/events: Segment-spec messages, folded into the profiles that they are about.

Gather: one read brings the profiles, orders and message ids of the whole body; another follows
only a merged guest, somebody else's order, or a code. Decide: what concerns the same people and
orders is folded together, their profiles are settled, codes follow from both, and a change that the
policy waits for is decided on. Apply: one write for each of these groups. Whoever loses a race
reads again and starts over; a message that is already stored is a duplicate and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.core.errors import FieldError, Transient
from chalicelib.core.identity import further_keys, profile_keys
from chalicelib.core.ports import Store
from chalicelib.core.rules import Rules
from chalicelib.core.storage import Conflict, Found, Key, Stored, Write, merged
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.codes import (
    Settlement,
    as_stored,
    code_keys,
    joining_keys,
    message_code_keys,
    settle_codes,
    tell_settled,
)
from chalicelib.flows.heard_consent import (
    ContactChanged,
    heard_keys,
    heard_writes,
    message_ledger_keys,
)
from chalicelib.flows.intake import Numbered, read_body
from chalicelib.flows.portion import (
    Portion,
    changed_contacts,
    concerned_keys,
    fold_portion,
    message_key,
    portion_reviews,
    portion_unsettled,
    portion_writes,
)
from chalicelib.flows.refused_mail import refusal_keys, refusal_writes
from chalicelib.flows.resurrection import message_tombs
from chalicelib.flows.rulebook import alias_key, check_current
from chalicelib.flows.settled import (
    EventPorts,
    Given,
    Review,
    decision_keys,
    review_writes,
    tell,
)
from chalicelib.flows.tell_articles import signal_writes
from chalicelib.flows.tombs import with_tombs

__all__ = ["EventPorts", "from_request"]

# How often a group may lose a race before the sender is asked to come back.
MOST_ROUNDS = 8
MOST_WRITES = 100  # what one transaction holds


@dataclass(slots=True)
class Tally:
    """What became of each message so far."""

    duplicates: int
    rejected: dict[int, tuple[FieldError, ...]]
    accepted: int = 0
    erased: int = 0

    def add(self, portion: Portion) -> None:
        """Count a portion that is stored."""
        self.accepted += len(portion.fresh) + portion.stored
        self.duplicates += portion.duplicates
        self.erased += portion.erased
        self.rejected.update(portion.rejected)

    def answer(self) -> dict[str, Any]:
        """The body of the answer."""
        return {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            **({"erased": self.erased} if self.erased else {}),
            "rejected": [
                {
                    "index": index,
                    "errors": [{"field": e.field, "problem": e.problem} for e in errors],
                }
                for index, errors in sorted(self.rejected.items())
            ],
        }


def from_request(
    body: object,
    *,
    ports: EventPorts,
    rules: Rules,
    keys: SigningKeys,
    now: int,
    correlation_id: str,
) -> dict[str, Any]:
    """Fold a decoded body; answer how many messages were accepted, duplicate and rejected.

    Raises:
        BadInput: the body is neither a message nor a batch; nothing was written.
        Transient: storage did not answer, or others kept writing the same profile. Part of the
            body may be stored; sending all of it again changes nothing twice.
        PolicyMoved: another policy decides; nothing was written.
    """
    given = Given(rules, keys, now, correlation_id)
    intake = read_body(body, now=now, default_currency=rules.policy.default_currency)
    tally = Tally(intake.duplicates, dict(intake.rejected))
    if not intake.messages:
        return tally.answer()
    alias = alias_key(correlation_id)
    found = _gather(intake.messages, ports.store, given, alias)
    check_current(found, alias, rules)
    for group in _groups(intake.messages, found):
        _commit(group, found, ports.store, given, tally)
    return tally.answer()


def _gather(messages: Iterable[Numbered], store: Store, given: Given, *besides: Key[Any]) -> Found:
    """Read everything that these messages concern, and what that points to."""
    said = [message for _, message in messages]
    standing: dict[Key[Any], Stored[Any] | None] = {}
    concerned = [
        key
        for message in said
        for key in (
            message_key(message),
            *profile_keys(message),
            *message_tombs(message, given.keys),
            *message_code_keys(message, given.rules.policy),
            *message_ledger_keys(message),
        )
    ]
    found = _follow([*besides, *concerned], standing, store, given)
    joining = joining_keys(said, found, given.rules.policy)
    return _follow(joining, standing, store, given) if joining else found


def _follow(
    wanted: Iterable[Key[Any]],
    standing: dict[Key[Any], Stored[Any] | None],
    store: Store,
    given: Given,
) -> Found:
    """Read these things and whatever they point to, and add them to those that were read."""
    while missing := [
        key for key in dict.fromkeys(with_tombs(wanted, given.keys)) if key not in standing
    ]:
        found = store.read(missing, now=given.now)
        standing |= {key: found.stored(key) for key in missing}
        wanted = (
            *further_keys(found, missing),
            *code_keys(found, missing, given.rules.policy),
        )
    return Found({key: at for key, at in standing.items() if at is not None}, now=given.now)


def _groups(messages: Iterable[Numbered], found: Found) -> list[list[Numbered]]:
    """Messages that concern the same things together, each group in the order of the body.

    Those that concern nobody go together, too: they are about articles.
    """
    groups: list[tuple[frozenset[Key[Any]], list[Numbered]]] = []
    for numbered in messages:
        keys, together = concerned_keys(numbered.message, found), [numbered]
        apart = []
        for group_keys, group in groups:
            if group_keys & keys or not (group_keys or keys):
                keys, together = keys | group_keys, group + together
            else:
                apart.append((group_keys, group))
        groups = [*apart, (keys, together)]
    return [sorted(group, key=lambda numbered: numbered.place) for _, group in groups]


def _commit(
    group: Sequence[Numbered], found: Found, store: Store, given: Given, tally: Tally
) -> None:
    """Store a group, in several writes if one cannot hold it; start over after a lost race."""
    waiting, rounds = group, 1
    while True:
        try:
            portion = _store_some(waiting, found, store, given, again=rounds > 1)
        except Conflict:
            if rounds == MOST_ROUNDS:
                raise Transient("others keep writing the same profile") from None
            rounds += 1
        else:
            tally.add(portion)
            waiting, rounds = waiting[portion.seen :], 1
        if not waiting:
            return
        found = _gather(waiting, store, given)


def _store_some(
    waiting: Sequence[Numbered], found: Found, store: Store, given: Given, *, again: bool
) -> Portion:
    """Store as many of these messages, from the first on, as one write can hold."""
    for size, settles in _sizes(len(waiting)):
        portion = fold_portion(waiting[:size], found, given, again=again)
        codes = settle_codes(
            portion.before, portion.after, portion.fresh, found, given.rules.policy, given.now
        )
        writes = (
            *portion_writes(portion, found, given),
            *codes.writes,
            *signal_writes(portion, policy=given.rules.policy, now=given.now),
        )
        if len(writes) > MOST_WRITES:
            continue
        reviews = portion_reviews(portion, found, given) if settles else ()
        contacts = tuple(changed_contacts(portion))
        asked = {key for message in portion.fresh for key in message_ledger_keys(message)}
        ledgers = [key for key in heard_keys(contacts) if key not in asked]
        standing = _standing(reviews, contacts, ledgers, store, given, codes=codes)
        writes += _said_of_consent(contacts, found.joined(standing), given)
        settled, decisions = review_writes(reviews, standing, given)
        writes += settled if settles else portion_unsettled(portion, found, given)
        writes = merged(writes)
        if len(writes) <= MOST_WRITES:
            break
    store.write(writes, now=given.now)
    tell(reviews, decisions, given)
    tell_settled(codes, correlation_id=given.correlation_id)
    return portion


def _said_of_consent(
    contacts: Sequence[ContactChanged], standing: Found, given: Given
) -> tuple[Write, ...]:
    """The nos to mail under their addresses, and an entry for each consent that changed."""
    return (
        *refusal_writes([changed.after for changed in contacts], standing, keys=given.keys),
        *heard_writes(
            contacts,
            standing,
            source="event",
            reference=given.correlation_id,
            keys=given.keys,
            now=given.now,
        ),
    )


def _sizes(count: int) -> Iterator[tuple[int, bool]]:
    """All at once and settled; else fewer and unsettled, until it fits: one message always does.

    Only the last of several writes settles, so that a batch is announced once, by its end.
    """
    yield count, True
    while True:
        count = max(1, count // 2)
        yield count, False


def _standing(
    reviews: Sequence[Review],
    contacts: Sequence[ContactChanged],
    ledgers: Sequence[Key[Any]],
    store: Store,
    given: Given,
    *,
    codes: Settlement,
) -> Found:
    """What decisions and words of consent meet, with what the codes leave of it.

    Most messages bring neither, and nothing is read.
    """
    nos = refusal_keys([changed.after for changed in contacts], keys=given.keys)
    keys = [*decision_keys(reviews, given), *nos, *ledgers]
    if not keys:
        return Found({}, now=given.now)
    found = store.read(keys, now=given.now)
    return found.joined(Found(as_stored(codes.writes), now=given.now))
