"""POST /v1/events: Segment-spec messages, folded into the profiles that they are about.

Gather: one read brings the profiles, orders and message ids of the whole body; another follows
only a merged guest or somebody else's order. Decide: what concerns the same people and orders is
folded together, their profiles are settled, and a change that the policy waits for is decided on.
Apply: one write for each of these groups. Whoever loses a race reads again and starts over; a
message that is already stored is a duplicate and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from chalicelib.core.decide import Decision
from chalicelib.core.errors import BadInput, FieldError, Transient
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
from chalicelib.core.messages import Message, parse_message
from chalicelib.core.ports import Store
from chalicelib.core.rules import Rules
from chalicelib.core.storage import (
    ABSENT,
    AtVersion,
    Conflict,
    Delete,
    Found,
    Key,
    Put,
    Stored,
    Write,
)
from chalicelib.core.subject import Subject
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.intake import messages_in
from chalicelib.flows.settled import (
    EventPorts,
    Given,
    Review,
    decision_keys,
    review,
    review_writes,
    tell,
)
from chalicelib.telemetry import emit_metrics

__all__ = ["EventPorts", "from_request"]

# How often a group may lose a race before the sender is asked to come back.
MOST_ROUNDS = 8
MOST_WRITES = 100  # what one transaction holds


class Numbered(NamedTuple):
    """A message and its place in the body."""

    index: int
    message: Message


@dataclass(slots=True)
class Tally:
    """What became of each message so far."""

    accepted: int = 0
    duplicates: int = 0
    rejected: dict[int, tuple[FieldError, ...]] = field(default_factory=dict)

    def answer(self) -> dict[str, Any]:
        """The body of the answer."""
        return {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
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
    """Fold a decoded body; return how many messages were accepted, duplicate and rejected.

    Raises:
        BadInput: the body is neither a message nor a batch; nothing was written.
        Transient: storage did not answer, or a profile stayed too busy. Part of the body may be
            stored; sending all of it again changes nothing twice.
    """
    given = Given(rules, keys, now, correlation_id)
    tally = Tally()
    messages = _parse(messages_in(body), given, tally)
    found = _gather(messages, ports.store, given)
    for group in _groups(messages, found):
        _commit(group, found, ports.store, given, tally)
    emit_metrics(
        "events_folded",
        {"Rejects": len(tally.rejected)},
        accepted=tally.accepted,
        duplicates=tally.duplicates,
        rejected=len(tally.rejected),
        correlation_id=correlation_id,
    )
    return tally.answer()


def _parse(raws: Sequence[object], given: Given, tally: Tally) -> list[Numbered]:
    """Read every message; what cannot be read is rejected, the second of two is a duplicate."""
    messages: dict[str, Numbered] = {}
    for index, raw in enumerate(raws):
        try:
            message = parse_message(
                raw, now=given.now, default_currency=given.rules.policy.default_currency
            )
        except BadInput as error:
            tally.rejected[index] = error.errors
            continue
        if message.envelope.message_id in messages:
            tally.duplicates += 1
        else:
            messages[message.envelope.message_id] = Numbered(index, message)
    return list(messages.values())


def _gather(messages: Iterable[Numbered], store: Store, given: Given) -> Found:
    """Read everything that these messages concern, and what that points to."""
    standing: dict[Key[Any], Stored[Any] | None] = {}
    wanted: tuple[Key[Any], ...] = tuple(
        key for _, message in messages for key in (_message_key(message), *profile_keys(message))
    )
    while missing := [key for key in dict.fromkeys(wanted) if key not in standing]:
        found = store.read(missing, now=given.now)
        standing |= {key: found.stored(key) for key in missing}
        wanted = further_keys(found, missing)
    return Found({key: at for key, at in standing.items() if at is not None}, now=given.now)


def _message_key(message: Message) -> Key[Any]:
    return MESSAGE.key(message.envelope.message_id)


def _concerned(message: Message, found: Found) -> set[Key[Any]]:
    """Every thing that folding this message may look at or change."""
    concerned: set[Key[Any]] = set()
    further = profile_keys(message)
    while new := set(further) - concerned:
        concerned |= new
        further = further_keys(found, new)
    return concerned


def _groups(messages: Iterable[Numbered], found: Found) -> list[list[Numbered]]:
    """Messages that concern the same things together, each group in the order of the body."""
    groups: list[tuple[set[Key[Any]], list[Numbered]]] = []
    for numbered in messages:
        concerned, together, apart = _concerned(numbered.message, found), [numbered], []
        for group in groups:
            if group[0] & concerned:
                concerned |= group[0]
                together = [*group[1], *together]
            else:
                apart.append(group)
        groups = [*apart, (concerned, together)]
    return [sorted(together) for _, together in groups]


def _commit(group: list[Numbered], found: Found, store: Store, given: Given, tally: Tally) -> None:
    """Store a group, in several writes if one cannot hold it; start over after a lost race."""
    waiting, rounds = group, 1
    while True:
        try:
            done = _commit_some(waiting, found, store, given, again=rounds > 1)
        except Conflict:
            if rounds == MOST_ROUNDS:
                raise Transient("others keep writing the same profile") from None
            rounds += 1
        else:
            tally.add(done)
            waiting, rounds = waiting[done.seen :], 1
        if not waiting:
            return
        found = _gather(waiting, store, given)


def _commit_some(
    waiting: list[Numbered], found: Found, store: Store, given: Given, *, again: bool
) -> Folded:
    """Store as many of these messages as one write can hold."""
    for size, settles in _portions(len(waiting)):
        folded = _fold(waiting[:size], found, given, again=again)
        writes = _fold_writes(folded, found, given)
        if len(writes) > MOST_WRITES:
            continue
        reviews = _reviews(folded, found, given, settles=settles)
        ...
    raise AssertionError
