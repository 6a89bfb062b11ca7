"""What became of mails: SES's events, from the queue into the ledger and onto the address.

One transaction holds all that an event changes: the effect that has heard it, the address that it
suppresses, the count of the breaker. So an event that comes twice is recognised by its effect,
and is counted once. Opens and clicks are kept beside the effect and never move it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from chalicelib.core.address import AddressState, address_hash, suppress
from chalicelib.core.breaker import Counts, Tally, add_to, news, shard_of
from chalicelib.core.effects import Effect
from chalicelib.core.engagement import notice, suspects
from chalicelib.core.errors import Refused, UnknownKey
from chalicelib.core.feedback import Feedback, Glance, MailEvent, hear, suppressed_by
from chalicelib.core.kinds import ADDRESS, BREAKER, EFFECT, ENGAGEMENT
from chalicelib.core.ports import AgainPorts, Store
from chalicelib.core.storage import AtVersion, Conflict, Found, Key, Put, Stored, Write
from chalicelib.core.stripped import Copy, read_copy
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows import feedback_log
from chalicelib.flows.exposed import tell_mailed
from chalicelib.flows.feedback_again import MOST_FAILURES, put_aside
from chalicelib.mail.ses_events import read_mail_event

_TRIES = 5


@dataclass(frozen=True, slots=True)
class FeedbackPorts:
    """What taking in mail events needs from outside.

    Attributes:
        store: the ledger, the addresses and the breaker's counts.
        keys: name addresses, and sign what is put aside.
        topic: ARN of the only SNS topic that is believed.
        again: where events go that could not be taken in.
    """

    store: Store
    keys: SigningKeys
    topic: str
    again: AgainPorts


def from_messages(
    event: Mapping[str, Any], *, ports: FeedbackPorts, now: int
) -> dict[str, list[dict[str, str]]]:
    """Take in the mail events of SQS messages; one bad message does not hold up the others.

    What is refused is named, counted and done with: it would be refused again. What fails comes
    back as a copy without anybody's data.

    Returns:
        Lambda's partial batch answer: the messages to deliver again as they are, because not even
        a copy of them could be sent.
    """
    failed: list[str] = []
    for record in event["Records"]:
        message_id: str = record["messageId"]
        try:
            _take(record["body"], message_id, _deliveries(record), ports, now)
        except Refused as refused:
            feedback_log.refused(refused.reason, message_id)
        except Exception as error:  # the boundary of one message: its neighbours must go on
            failed.append(message_id)
            feedback_log.failed(error, message_id)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _deliveries(record: Mapping[str, Any]) -> int:
    """How often a message was handed out, this time included."""
    return int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))


def _take(body: str, message_id: str, deliveries: int, ports: FeedbackPorts, now: int) -> None:
    read = _read(body, deliveries, ports, now)
    if read is None:
        feedback_log.greeted(message_id)
        return
    # Delivered before: the worker that had it died, and could say nothing.
    if deliveries > 1 or not _is_settled(read.event, message_id, ports.store, now):
        put_aside(read, message_id, ports=ports.again, keys=ports.keys)


def _read(body: str, deliveries: int, ports: FeedbackPorts, now: int) -> Copy | None:
    """What a message says, as published or as put aside; None for SES's greeting."""
    try:
        copy = read_copy(body, topic=ports.topic, keys=ports.keys)
    except UnknownKey:
        # After a rotation another worker knows the new key some minutes before this one does.
        if deliveries < MOST_FAILURES:
            raise
        raise Refused("forged") from None
    if copy is not None:
        return copy
    hashed = partial(address_hash, secret=ports.keys.address_secret)
    event = read_mail_event(body, topic=ports.topic, hashed=hashed, now=now)
    return None if event is None else Copy(event, ports.topic, failures=0)


def _is_settled(event: MailEvent, message_id: str, store: Store, now: int) -> bool:
    """Take an event in, and say whether that went well; raises Refused when it never will."""
    try:
        _settle(event, store, now)
    except Refused:
        raise
    except Exception as error:  # whatever it was: the event is kept, without the address
        feedback_log.failed(error, message_id)
        return False
    return True


def _settle(event: MailEvent, store: Store, now: int) -> None:
    for tries_left in reversed(range(_TRIES)):
        try:
            return _apply(event, store, now)
        except Conflict:
            # A worker confirms, or another event of this mail, address or shard came first.
            if not tries_left:
                raise


def _apply(event: MailEvent, store: Store, now: int) -> None:
    effect_key = EFFECT.key(event.effect_id)
    found = store.read([effect_key, *_beside(event)], now=now)
    held = found.stored(effect_key)
    if held is None or held.value.kind != "mail":
        raise Refused("unknown_effect")
    match event:
        case Glance():
            _notice(event, held, found, store, now)
        case Feedback():
            _hear(event, held, found, store, now)


def _beside(event: MailEvent) -> list[Key[Any]]:
    """What an event may change besides its effect."""
    match event:
        case Glance():
            return [ENGAGEMENT.key(event.effect_id)]
        case Feedback():
            addresses = event.address_hashes if suppressed_by(event) else ()
            return [BREAKER.key(shard_of(event.effect_id)), *map(ADDRESS.key, addresses)]


def _hear(event: Feedback, held: Stored[Effect], found: Found, store: Store, now: int) -> None:
    before = held.value
    after = hear(before, event, now=now)
    if after == before:
        feedback_log.heard(event, after, moved=False, repeated=True)
        return
    writes: list[Write] = [
        Put(EFFECT.key(event.effect_id), after, AtVersion(held.version), held.expires_at),
        *_counted(event, news(before, after), found, now),
        *_suppressed(event, found),
    ]
    store.write(writes, now=now)
    feedback_log.heard(event, after, moved=after.state != before.state, repeated=False)
    tell_mailed(before.state, after)


def _counted(event: Feedback, counts: Counts, found: Found, now: int) -> Iterator[Write]:
    if counts == Counts():
        return
    key = BREAKER.key(shard_of(event.effect_id))
    tally = found.value(key) or Tally()
    counted = add_to(tally, counts, sent_at=event.sent_at, now=now)
    yield Put(key, counted, AtVersion(found.version(key)))


def _suppressed(event: Feedback, found: Found) -> Iterator[Write]:
    reasons = suppressed_by(event)
    for key in map(ADDRESS.key, event.address_hashes if reasons else ()):
        known = found.value(key) or AddressState()
        suppressed = suppress(known, reasons, at=event.at)
        if suppressed != known:
            yield Put(key, suppressed, AtVersion(found.version(key)))


def _notice(event: Glance, held: Stored[Effect], found: Found, store: Store, now: int) -> None:
    key = ENGAGEMENT.key(event.effect_id)
    before = found.value(key)
    after = notice(before, event)
    if after != before:
        put = Put(key, after, AtVersion(found.version(key)), expires_at=held.expires_at)
        store.write([put], now=now)
    suspect = any(mark.at_ms == event.at_ms for mark in suspects(after))
    feedback_log.noticed(event, suspect=suspect, repeated=after == before)
