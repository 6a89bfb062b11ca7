"""Planned effects made real: claim, check again, perform, confirm.

A message names one effect and may come twice, late, or while another worker is at it; what counts
is the ledger. A marketing mail goes out at most once (``deliver``). Whatever is no mail goes onto
the event bus at least once, under the effect's id, so that a consumer drops what it has seen. A
message that leads nowhere is refused by name, counted, and done with (``effect_message``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.core.contact_policy import ContactPolicy
from chalicelib.core.effects import Effect, State, claim, move
from chalicelib.core.erasure import ERASED, left_over
from chalicelib.core.errors import Broken, MessageRefused, Transient
from chalicelib.core.pace import Limits
from chalicelib.core.ports import Bus, Mailer, Queue, Store
from chalicelib.core.storage import Conflict, Stored
from chalicelib.core.tokens import SigningKeys
from chalicelib.core.untouched import End
from chalicelib.flows.act_log import Outcome, refused, tell, tell_failure
from chalicelib.flows.announce import announce
from chalicelib.flows.deliver import MailPorts, deliver, forbids
from chalicelib.flows.effect_message import EffectMessage, read_messages
from chalicelib.flows.ledger import Gathered, advance, gather
from chalicelib.flows.next_step import (
    UNPERFORMED,
    Leave,
    Perform,
    PutOff,
    Refuse,
    Step,
    Wait,
    next_step,
)
from chalicelib.flows.pace import reserve
from chalicelib.flows.put_off import put_off
from chalicelib.flows.together import take_together
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
        later: the effects queue, for the messages of short holds.
        keys: name addresses and sign unsubscribe links.
        mail: what the operator says of every mail.
        contact_policy: how often and when people are written to.
        limits: how fast the account may send.
        clock_ms: the moment by which the limits count, in epoch milliseconds; a worker's ten
            mails take a while. None counts by the moment at which the worker began.
    """

    store: Store
    bus: Bus
    mailer: Mailer
    later: Queue
    keys: SigningKeys
    mail: MailSettings
    contact_policy: ContactPolicy = field(default_factory=ContactPolicy)
    limits: Limits = field(default_factory=Limits)
    clock_ms: Callable[[], int] | None = None


@dataclass(frozen=True, slots=True)
class _Turn:
    """One worker's turn: what it may use, when it began, and who it is."""

    ports: ActPorts
    now: int
    worker: str


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
        parks them in its dead-letter queue. What is refused is not among them: it would be
        refused again.

    Raises:
        Transient: storage did not answer at all; every message is delivered again.
    """
    turn = _Turn(ports, now, worker)
    failed: list[str] = []
    messages, unreadable = read_messages(event)
    for message_id, reason in unreadable.items():
        refused(reason, message_id=message_id)
    gathered, done = _take_together(messages.values(), turn)
    for message_id, message in messages.items():
        if message.effect_id in done:
            continue
        try:
            _settle(message, gathered, turn)
        except MessageRefused as refusal:
            refused(refusal.reason, message_id=message_id, effect_id=message.effect_id)
        except Exception as error:  # the boundary of one message: its neighbours must go on
            failed.append(message_id)
            tell_failure(
                error,
                effect_id=message.effect_id,
                message_id=message_id,
                correlation_id=message.correlation_id,
            )
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def perform(
    effect_id: str,
    *,
    ports: ActPorts,
    now: int,
    worker: str,
    correlation_id: str,
    held_until: int | None = None,
) -> Outcome:
    """Perform one effect if it is still to be performed; again changes nothing.

    Does what a message would lead to, one that was sent for the hold that ends at ``held_until``
    or for none. Raises Transient when it must be tried later (storage or the provider did not
    answer, another worker is at it), MessageRefused when there is no such effect or a clock is
    off, Broken when it cannot be performed.
    """
    log_event("effect_taken_up", effect_id=effect_id, correlation_id=correlation_id)
    message = EffectMessage(effect_id, correlation_id, held_until=held_until)
    return _settle(message, None, _Turn(ports, now, worker))


def _take_together(
    messages: Collection[EffectMessage], turn: _Turn
) -> tuple[Gathered | None, frozenset[str]]:
    """Look everything up at once, claim what is free at once, publish what is no mail at once.

    Returns what is known then, and the effects that are done with. None when something stored is
    damaged or a step did not succeed: each effect is then looked up alone.
    """
    effect_ids = list(dict.fromkeys(message.effect_id for message in messages))
    try:
        gathered = gather(effect_ids, store=turn.ports.store, keys=turn.ports.keys, now=turn.now)
    except Broken as error:
        log_event("gather_failed", error=type(error).__name__, count=len(effect_ids))
        return None, frozenset()
    free = {
        message.effect_id: each
        for message in messages
        if (each := gathered.effect(message.effect_id)) is not None
        and _may_claim(each.value, message, gathered, turn)
    }
    known, done = take_together(
        list(free.values()),
        gathered,
        store=turn.ports.store,
        bus=turn.ports.bus,
        now=turn.now,
        worker=turn.worker,
        lease_seconds=LEASE_SECONDS,
    )
    for effect in done:
        tell(Outcome(effect, moved=True), turn.worker)
    return known, frozenset(effect.effect_id for effect in done)


def _may_claim(effect: Effect, message: EffectMessage, gathered: Gathered, turn: _Turn) -> bool:
    if effect.state == "IN_DOUBT":
        return False  # a resend enters SENDING straight from the doubt, alone
    return isinstance(_step(effect, message, gathered, turn), Perform)


def _settle(message: EffectMessage, gathered: Gathered | None, turn: _Turn) -> Outcome:
    """Look and act; after a lost race look again. No race is lost once a mail is handed over."""
    for _ in range(_TRIES - 1):
        try:
            return _look_and_act(message, gathered, turn)
        except Conflict:
            gathered = None
    return _look_and_act(message, None, turn)


def _look_and_act(message: EffectMessage, gathered: Gathered | None, turn: _Turn) -> Outcome:
    if gathered is None:
        ports = turn.ports
        gathered = gather([message.effect_id], store=ports.store, keys=ports.keys, now=turn.now)
    outcome = _attempt(message, gathered, turn)
    tell(outcome, turn.worker)
    return outcome


def _attempt(message: EffectMessage, gathered: Gathered, turn: _Turn) -> Outcome:
    held = gathered.effect(message.effect_id)
    if held is None:
        raise MessageRefused(message.why_unknown(now=turn.now))
    effect = held.value
    match _step(effect, message, gathered, turn):
        case Leave():
            return Outcome(effect, moved=False)
        case Wait():
            raise Transient("another worker holds the effect")
        case Refuse(reason):
            raise MessageRefused(reason)
        case PutOff(reason, until):
            return _wait(held, reason, until, turn.ports, turn.now)
        case End(state, reason):
            ended = _ended(effect, state, reason, now=turn.now)
            stored = advance(held, ended, store=turn.ports.store, now=turn.now)
            return Outcome(stored.value, moved=True)
        case Perform():
            return _perform(_take(held, turn), gathered, turn)


def _ended(effect: Effect, state: State, reason: str, *, now: int) -> Effect:
    """An effect that is not performed; of a person erased, nothing of them is left in it."""
    if reason == ERASED:
        return left_over(effect, now=now)
    return move(effect, state, now=now, reason=reason)


def _step(effect: Effect, message: EffectMessage, gathered: Gathered, turn: _Turn) -> Step:
    return next_step(
        effect,
        forbidden=_forbidden(effect, gathered, turn),
        worker=turn.worker,
        now=turn.now,
        sent_for=message.held_until,
    )


def _forbidden(effect: Effect, gathered: Gathered, turn: _Turn) -> str | Hold | None:
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
        policy=turn.ports.contact_policy,
        jurisdictions=turn.ports.mail.jurisdictions,
        now=turn.now,
    )


def _take(held: Stored[Effect], turn: _Turn) -> Stored[Effect]:
    """Claim an effect, or go on with the claim that this worker already has.

    A mail in doubt is not claimed: it enters SENDING once more, or stays in doubt.
    """
    if held.value.state == "IN_DOUBT":
        return held
    if held.value.state == "CLAIMED" and held.value.owner == turn.worker:
        return held
    claimed = claim(held.value, owner=turn.worker, now=turn.now, lease_seconds=LEASE_SECONDS)
    return advance(held, claimed, store=turn.ports.store, now=turn.now)


def _perform(taken: Stored[Effect], gathered: Gathered, turn: _Turn) -> Outcome:
    effect, ports, now = taken.value, turn.ports, turn.now
    if effect.kind != "mail":
        announced = announce(taken, store=ports.store, bus=ports.bus, now=now)
        return Outcome(announced.value, moved=True)
    now_ms = now * 1_000 if ports.clock_ms is None else ports.clock_ms()
    second = now_ms // 1_000
    full = reserve(ports.limits, store=ports.store, now_ms=now_ms)
    if full is not None:
        return _wait(taken, full.reason, full.until, ports, second)
    mail_ports = MailPorts(
        ports.store,
        ports.mailer,
        ports.keys,
        ports.mail,
        policy=ports.contact_policy,
        worker=turn.worker,
        lease_seconds=LEASE_SECONDS,
    )
    delivered = deliver(taken, gathered.bearings(effect), ports=mail_ports, now=now)
    if delivered.value.state == "CLAIMED":  # not sent: the account sends too fast
        return _wait(delivered, "rate", now + TOO_FAST_SECONDS, ports, now)
    return Outcome(delivered.value, moved=True)


def _wait(held: Stored[Effect], reason: str, until: int, ports: ActPorts, now: int) -> Outcome:
    return put_off(held, reason=reason, until=until, store=ports.store, later=ports.later, now=now)
