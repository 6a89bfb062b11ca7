"""One mail, handed to the provider at most once.

The write that enters SENDING is the point of no return, and it is the permission: it happens only
if contact, address and switch still stand as they were read. Between that write and the one that
records the answer lies the unavoidable gap: a worker that dies there leaves IN_DOUBT behind, and
the mail is not sent again.
"""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.effects import Effect, move
from chalicelib.core.errors import MailInDoubt, MailRefused, MailThrottled, Refused
from chalicelib.core.ports import Mailer, Store
from chalicelib.core.storage import Stored
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.ledger import Bearings, advance, confirm
from chalicelib.mail.compose import Composed, MailSettings, compose, plan_from_payload
from chalicelib.mail.permission import forbidden


@dataclass(frozen=True, slots=True)
class MailPorts:
    """What sending a mail needs from outside."""

    store: Store
    mailer: Mailer
    keys: SigningKeys
    settings: MailSettings


def forbids(effect: Effect, bearings: Bearings, *, now: int) -> str | None:
    """The reason code why the mail of an effect must not be sent now, None when it may."""
    plan = plan_from_payload(effect.payload)
    return forbidden(
        purpose=plan.purpose,
        contact=bearings.contact,
        address=bearings.address,
        switches=bearings.switches,
        offer_expires_at=None if plan.offer is None else plan.offer.expires_at,
        now=now,
    )


def deliver(
    claimed: Stored[Effect], bearings: Bearings, *, ports: MailPorts, now: int
) -> Stored[Effect]:
    """Send the mail of a claimed effect that nothing forbids, and record what became of it.

    Raises Conflict when something it depends on changed before it was sent, MailThrottled when
    the provider did not take it, Transient when storage did not answer, Broken when the mail
    cannot be rendered.
    """
    try:
        composed = _compose(claimed.value, bearings, ports, now)
    except Refused as refused:
        failed = move(claimed.value, "FAILED", now=now, reason=refused.reason)
        return advance(claimed, failed, store=ports.store, now=now)
    sending = advance(
        claimed,
        move(claimed.value, "SENDING", now=now),
        store=ports.store,
        now=now,
        checks=bearings.checks,
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


def _hand_over(
    sending: Stored[Effect], composed: Composed, ports: MailPorts, now: int
) -> Stored[Effect]:
    effect, store = sending.value, ports.store
    try:
        provider_id = ports.mailer.send(
            composed.raw,
            sender=composed.sender,
            recipient=composed.recipient,
            tags={"effect_id": effect.effect_id, "action": effect.action},
        )
    except MailRefused as refused:
        return confirm(sending, "FAILED", store=store, now=now, reason=refused.reason)
    except MailThrottled:
        # Definitely not sent. The claim is given up, so that the redelivered message need not
        # wait for the lease.
        confirm(sending, "CLAIMED", store=store, now=now, owner=None, lease_until=None)
        raise
    except MailInDoubt:
        return confirm(sending, "IN_DOUBT", store=store, now=now, reason="no_answer")
    return confirm(sending, "ACCEPTED", store=store, now=now, provider_id=provider_id)
