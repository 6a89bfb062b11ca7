"""One mail, handed to the provider: a marketing mail at most once, a transactional one twice.

The write that enters SENDING is the point of no return, and it is the permission: it happens only
if contact, address, code, cap and switch still stand as they were read. Between that write and the
one that records the answer lies the unavoidable gap: a worker that dies there leaves IN_DOUBT
behind. A marketing mail is then never sent again; a transactional one is, once, when no event has
told what became of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from chalicelib.core.contact_policy import ContactPolicy, count_mail, is_capped
from chalicelib.core.effects import Effect, enter_sending, move, send_again, take_back
from chalicelib.core.errors import MailInDoubt, MailRefused, MailThrottled, MailTooFast, Refused
from chalicelib.core.kinds import MAILED
from chalicelib.core.law import NO_LAW, Jurisdictions
from chalicelib.core.ports import Mailer, Store
from chalicelib.core.storage import AtVersion, Put, Stored, Write
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.ledger import Bearings, advance, confirm
from chalicelib.mail.compose import (
    Composed,
    MailSettings,
    banned_now,
    compose,
    plan_from_payload,
)
from chalicelib.mail.permission import (
    CAPPED,
    LOOK_AGAIN_SECONDS,
    SENDING_OFF,
    Hold,
    forbidden,
    held_back,
    why_offer_is_gone,
)


@dataclass(frozen=True, slots=True)
class MailPorts:
    """What sending a mail needs from outside.

    Attributes:
        store: the ledger.
        mailer: hands mails to the provider.
        keys: name addresses and sign unsubscribe links.
        settings: what the operator says of every mail.
        policy: the cap and the quiet hours.
        worker: names this invocation and no other.
        lease_seconds: how long it may act.
    """

    store: Store
    mailer: Mailer
    keys: SigningKeys
    settings: MailSettings
    policy: ContactPolicy
    worker: str
    lease_seconds: int


def forbids(
    effect: Effect,
    bearings: Bearings,
    *,
    policy: ContactPolicy,
    jurisdictions: Jurisdictions = NO_LAW,
    now: int,
) -> str | Hold | None:
    """Why the mail of an effect must not be sent now, or until when; None when it may.

    The cap is asked last: it is about the moment in which a mail would really go out.
    """
    plan = plan_from_payload(effect.payload)
    reason = forbidden(
        purpose=plan.purpose,
        contact=bearings.contact,
        address=bearings.address,
        switches=bearings.switches,
        offer_gone=why_offer_is_gone(plan.offer, bearings.coupon, now=now),
    )
    if reason == SENDING_OFF:
        return Hold(reason, now + LOOK_AGAIN_SECONDS)
    if reason is not None or bearings.contact is None:
        return reason
    if banned_now(plan, bearings.contact, jurisdictions, now=now):
        return "banned"
    hold = held_back(
        purpose=plan.purpose,
        contact=bearings.contact,
        tallies=bearings.tallies,
        policy=policy,
        now=now,
    )
    if hold is not None or effect.is_transactional:
        return hold
    mailed = None if bearings.mailed is None else bearings.mailed.value
    return CAPPED if is_capped(mailed, effect.effect_id, policy=policy, now=now) else None


def deliver(
    held: Stored[Effect], bearings: Bearings, *, ports: MailPorts, now: int
) -> Stored[Effect]:
    """Send the mail of an effect that is ours and that nothing forbids; record what became of it.

    What comes back as CLAIMED was not sent, because the account sends too fast.

    Raises Conflict when something it depends on changed before it was sent, MailThrottled when
    the provider did not take it, Transient when storage did not answer, Broken when the mail
    cannot be rendered.
    """
    effect = held.value
    try:
        composed = _compose(effect, bearings, ports, now)
    except Refused as refused:
        # A doubt about an earlier post remains one: nothing more is posted.
        end = move(
            effect,
            "ABANDONED" if effect.state == "IN_DOUBT" else "FAILED",
            now=now,
            reason=refused.reason,
        )
        return advance(held, end, store=ports.store, now=now)
    if effect.state == "IN_DOUBT":
        permitted = send_again(
            effect, owner=ports.worker, now=now, lease_seconds=ports.lease_seconds
        )
    else:
        permitted = enter_sending(effect, now=now)
    counted = _counted(effect, bearings, ports.policy, now)
    sending = advance(
        held, permitted, store=ports.store, now=now, also=[*bearings.checks, *counted]
    )
    return _hand_over(sending, composed, ports, now)


def _compose(effect: Effect, bearings: Bearings, ports: MailPorts, now: int) -> Composed:
    if bearings.contact is None or bearings.address_hash is None:
        raise Refused("no_address")
    return compose(
        effect,
        contact=bearings.contact,
        address_hash=bearings.address_hash,
        product=bearings.product,
        settings=ports.settings,
        keys=ports.keys,
        now=now,
    )


def _counted(
    effect: Effect, bearings: Bearings, policy: ContactPolicy, now: int
) -> Iterator[Write]:
    """A marketing mail counts towards the cap from its permission on, taken or not.

    The count is part of the permission, so of any number of workers each sees the others' mails.
    """
    if effect.is_transactional or bearings.address_hash is None:
        return
    stored = bearings.mailed
    mailed = None if stored is None else stored.value
    yield Put(
        MAILED.key(bearings.address_hash),
        count_mail(mailed, effect.effect_id, policy=policy, now=now),
        AtVersion(0 if stored is None else stored.version),
        expires_at=now + policy.memory_seconds,
    )


def _hand_over(
    sending: Stored[Effect], composed: Composed, ports: MailPorts, now: int
) -> Stored[Effect]:
    effect = sending.value
    record = partial(confirm, sending, store=ports.store, now=now)
    try:
        provider_id = ports.mailer.send(
            composed.raw,
            sender=composed.sender,
            recipient=composed.recipient,
            tags={"effect_id": effect.effect_id, "action": effect.action},
        )
    except MailRefused as refused:
        return record(partial(_refused, reason=refused.reason, now=now))
    except MailTooFast:
        return record(partial(take_back, now=now))  # time will help: it is held, not redelivered
    except MailThrottled:
        # Definitely not sent. The claim is given up, so that the redelivered message need not
        # wait for the lease.
        record(partial(take_back, now=now))
        raise
    except MailInDoubt:
        return record(lambda current: move(current, "IN_DOUBT", now=now, reason="no_answer"))
    return record(
        lambda current: move(current, "ACCEPTED", now=now, reason=None, provider_id=provider_id)
    )


def _refused(effect: Effect, *, reason: str, now: int) -> Effect:
    """This post was refused for good; when an earlier one is in doubt, it stays in doubt.

    It keeps both posts counted, so that what is refused is not posted again.
    """
    return move(effect, "IN_DOUBT" if effect.posts > 1 else "FAILED", now=now, reason=reason)
