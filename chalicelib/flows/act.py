"""Planned effects made real: claim, check again, perform, confirm.

A message names one effect and may come twice, late, or while another worker is at it; what counts
is the ledger. A marketing mail goes out at most once (``deliver``). Whatever is no mail goes onto
the event bus at least once, under the effect's id, so that a consumer drops what it has seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.core.contact_policy import ContactPolicy
from chalicelib.core.effects import Effect, claim, may_post_again, move
from chalicelib.core.erasure import ERASED
from chalicelib.core.errors import BadInput, Broken, NotFound, Transient
from chalicelib.core.pace import Limits
from chalicelib.core.ports import Bus, Mailer, Queue, Store
from chalicelib.core.storage import Conflict, Stored
from chalicelib.core.tokens import SigningKeys
from chalicelib.core.untouched import RESEND_AFTER_SECONDS, End
from chalicelib.flows.act_log import Outcome, tell, tell_failure
from chalicelib.flows.announce import announce
from chalicelib.flows.deliver import MailPorts, deliver, forbids
from chalicelib.flows.ledger import Gathered, advance, gather
from chalicelib.flows.next_step import UNPERFORMED, Leave, Perform, PutOff, Wait, next_step
from chalicelib.flows.pace import reserve
from chalicelib.flows.put_off import put_off
from chalicelib.flows.together import announce_together, claim_together
from chalicelib.flows.wordless import wordless
from chalicelib.mail.compose import MailSettings
from chalicelib.mail.permission import Hold
from chalicelib.telemetry import log_event

# Longer than a worker lives (60 s), shorter than a message stays hidden (360 s): whoever gets the
# message next finds the lease of a dead worker run out.
LEASE_SECONDS = 120
# How long a mail waits when the provider says that the account sends too fast.
TOO_FAST_SECONDS = 60
_TRIES = 4


@dataclass(frozen=True, slots=True)
class ActPorts:
    """What the worker needs from outside.

    Attributes:
        store: the ledger, and what a mail depends on.
        bus: where events for other systems go.
        mailer: hands mails to the provider.
        later: the effects queue, for messages with a delay.
        keys: name addresses and sign unsubscribe links.
        mail: what the operator says of every mail.
        contact_policy: how often and when people are written to.
        limits: how fast the account may send.
        clock: the second by which the limits count; a worker's ten mails take a while. None
            counts by the moment at which the worker began.
    """

    store: Store
    bus: Bus
    mailer: Mailer
    later: Queue
    keys: SigningKeys
    mail: MailSettings
    contact_policy: ContactPolicy = field(default_factory=ContactPolicy)
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], int] | None = None


@wordless
def from_messages(
    event: Mapping[str, Any], *, ports: ActPorts, now: int, worker: str
) -> dict[str, list[dict[str, str]]]:
    """Perform the effects that SQS messages name; one bad message does not hold up the others.

    Args:
        event: Lambda's SQS event.
        ports: what is needed from outside.
        now: epoch seconds.
        worker: names this invocation and no other; claims are told apart by it.

    Returns:
        Lambda's partial batch answer: the messages to deliver again. After five tries the queue
        parks them in its dead-letter queue.

    Raises:
        Transient: storage did not answer at all; every message is delivered again.
    """
    failed: list[str] = []
    orders: list[tuple[str, str, str]] = []
    for record in event["Records"]:
        try:
            orders.append((record["messageId"], *_read_message(record["body"])))
        except BadInput:
            failed.append(record["messageId"])
            log_event("message_unreadable", message_id=record["messageId"])
    effect_ids = list(dict.fromkeys(effect_id for _, effect_id, _ in orders))
    gathered = _gather_all(effect_ids, ports, now)
    gathered, announced = _take_all(effect_ids, gathered, ports, now, worker)
    for message_id, effect_id, correlation_id in orders:
        if effect_id in announced:
            continue
        try:
            _settle(effect_id, gathered, ports, now, worker)
        except Exception as error:  # the boundary of one message: its neighbours must go on
            failed.append(message_id)
            tell_failure(
                error, effect_id=effect_id, message_id=message_id, correlation_id=correlation_id
            )
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def perform(
    effect_id: str, *, ports: ActPorts, now: int, worker: str, correlation_id: str
) -> Outcome:
    """Perform one effect if it is still to be performed; again changes nothing.

    Raises Transient when it must be tried later (storage or the provider did not answer, another
    worker is at it), NotFound when there is no such effect, Broken when it cannot be performed.
    """
    log_event("effect_taken_up", effect_id=effect_id, correlation_id=correlation_id)
    return _settle(effect_id, None, ports, now, worker)


def _read_message(body: str) -> tuple[str, str]:
    """Effect and correlation id; raises BadInput."""
    try:
        message = json.loads(body)
        effect_id, correlation_id = message["effect_id"], message["correlation_id"]
    except (KeyError, TypeError, ValueError):
        raise BadInput.of("body", "must be JSON with effect_id and correlation_id") from None
    if not isinstance(effect_id, str) or not isinstance(correlation_id, str) or not effect_id:
        raise BadInput.of("body", "must hold effect_id and correlation_id as text")
    return effect_id, correlation_id


def _gather_all(effect_ids: list[str], ports: ActPorts, now: int) -> Gathered | None:
    """Look everything up at once; None when something stored is damaged.

    Each effect is then looked up alone, so that the damaged one fails alone.
    """
    try:
        return gather(effect_ids, store=ports.store, keys=ports.keys, now=now)
    except Broken as error:
        log_event("gather_failed", error=type(error).__name__, count=len(effect_ids))
        return None


def _take_all(
    effect_ids: list[str], gathered: Gathered | None, ports: ActPorts, now: int, worker: str
) -> tuple[Gathered | None, frozenset[str]]:
    """Claim all that is to be performed in one write, and publish what goes onto the bus at once.

    Returns what is known then, and the effects that are done with.
    """
    if gathered is None:
        return None, frozenset()
    held = [
        each
        for effect_id in effect_ids
        if (each := gathered.effect(effect_id)) is not None
        and _may_claim(each.value, gathered, ports, worker, now)
    ]
    if len(held) < 2:
        return gathered, frozenset()
    claimed = claim_together(
        held, gathered, store=ports.store, now=now, worker=worker, lease_seconds=LEASE_SECONDS
    )
    if claimed is None:
        return None, frozenset()
    events = [
        each
        for taken in held
        if taken.value.kind != "mail"
        and (each := claimed.effect(taken.value.effect_id)) is not None
    ]
    if len(events) < 2:
        return claimed, frozenset()
    done = announce_together(events, store=ports.store, bus=ports.bus, now=now)
    for effect in done:
        tell(Outcome(effect, moved=True), worker)
    return (claimed if done else None), frozenset(effect.effect_id for effect in done)


def _may_claim(effect: Effect, gathered: Gathered, ports: ActPorts, worker: str, now: int) -> bool:
    if effect.state == "IN_DOUBT":
        return False  # a resend enters SENDING straight from the doubt, alone
    forbidden = _forbidden(effect, gathered, ports, now)
    return isinstance(next_step(effect, forbidden=forbidden, worker=worker, now=now), Perform)


def _settle(
    effect_id: str, gathered: Gathered | None, ports: ActPorts, now: int, worker: str
) -> Outcome:
    """Look and act; after a lost race look again. No race is lost once a mail is handed over."""
    for _ in range(_TRIES - 1):
        try:
            return _look_and_act(effect_id, gathered, ports, now, worker)
        except Conflict:
            gathered = None
    return _look_and_act(effect_id, None, ports, now, worker)


def _look_and_act(
    effect_id: str, gathered: Gathered | None, ports: ActPorts, now: int, worker: str
) -> Outcome:
    if gathered is None:
        gathered = gather([effect_id], store=ports.store, keys=ports.keys, now=now)
    outcome = _attempt(effect_id, gathered, ports, now, worker)
    tell(outcome, worker)
    return outcome


def _attempt(effect_id: str, gathered: Gathered, ports: ActPorts, now: int, worker: str) -> Outcome:
    held = gathered.effect(effect_id)
    if held is None:
        raise NotFound.of("effect_id", "names no effect")
    effect = held.value
    forbidden = _forbidden(effect, gathered, ports, now)
    match next_step(effect, forbidden=forbidden, worker=worker, now=now):
        case Leave():
            return Outcome(effect, moved=False)
        case Wait():
            raise Transient("another worker holds the effect")
        case PutOff(reason, until):
            return _wait(held, reason, until, ports, now)
        case End(state, reason):
            ended = move(effect, state, now=now, reason=reason)
            return _moved(advance(held, ended, store=ports.store, now=now), ports, now)
        case Perform():
            return _perform(_take(held, ports.store, now, worker), gathered, ports, now, worker)


def _forbidden(effect: Effect, gathered: Gathered, ports: ActPorts, now: int) -> str | Hold | None:
    """Why an effect must not be performed now; only mail, and what is about a person erased."""
    if effect.state not in UNPERFORMED:
        return None
    if gathered.is_erased(effect):
        return ERASED
    if effect.kind != "mail":
        return None
    return forbids(
        effect,
        gathered.bearings(effect),
        policy=ports.contact_policy,
        jurisdictions=ports.mail.jurisdictions,
        now=now,
    )


def _take(held: Stored[Effect], store: Store, now: int, worker: str) -> Stored[Effect]:
    """Claim an effect, or go on with the claim that this worker already has.

    A mail in doubt is not claimed: it enters SENDING once more, or stays in doubt.
    """
    if held.value.state == "IN_DOUBT":
        return held
    if held.value.state == "CLAIMED" and held.value.owner == worker:
        return held
    claimed = claim(held.value, owner=worker, now=now, lease_seconds=LEASE_SECONDS)
    return advance(held, claimed, store=store, now=now)


def _perform(
    taken: Stored[Effect], gathered: Gathered, ports: ActPorts, now: int, worker: str
) -> Outcome:
    effect = taken.value
    if effect.kind != "mail":
        return _moved(announce(taken, store=ports.store, bus=ports.bus, now=now), ports, now)
    second = now if ports.clock is None else ports.clock()
    full = reserve(ports.limits, store=ports.store, now=second)
    if full is not None:
        return _wait(taken, full.reason, full.until, ports, now)
    mail_ports = MailPorts(
        ports.store,
        ports.mailer,
        ports.keys,
        ports.mail,
        policy=ports.contact_policy,
        worker=worker,
        lease_seconds=LEASE_SECONDS,
    )
    return _moved(deliver(taken, gathered.bearings(effect), ports=mail_ports, now=now), ports, now)


def _moved(stored: Stored[Effect], ports: ActPorts, now: int) -> Outcome:
    """An effect that moved; where time will help, a message comes back to ask again then.

    A worker that dies before that message leaves its own, which then does the same.
    """
    effect = stored.value
    if effect.state == "CLAIMED":
        return _wait(stored, "rate", now + TOO_FAST_SECONDS, ports, now)
    if effect.state == "IN_DOUBT" and may_post_again(effect):
        _wait(stored, "in_doubt", now + RESEND_AFTER_SECONDS, ports, now)
    return Outcome(effect, moved=True)


def _wait(held: Stored[Effect], reason: str, until: int, ports: ActPorts, now: int) -> Outcome:
    return put_off(held, reason=reason, until=until, store=ports.store, later=ports.later, now=now)
