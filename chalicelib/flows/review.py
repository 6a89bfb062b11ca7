"""A customer asks for a person to look at a decision: noted once, and told to other systems.

It changes nothing of the decision. Whoever reviews reads the record, and acts with the means that
there are: a code, consent, the policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.core.effects import Effect, effect_id
from chalicelib.core.erasure import is_erased
from chalicelib.core.errors import Refused
from chalicelib.core.kinds import RECORD_WINDOW_SECONDS, REVIEW
from chalicelib.core.plan import put_effect
from chalicelib.core.ports import Store
from chalicelib.core.storage import Conflict, Put
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.read import find_record
from chalicelib.telemetry import emit_metrics

REVIEW_REQUESTED = "Review Requested"


def request_review(
    decision_id: str,
    *,
    store: Store,
    keys: SigningKeys,
    now: int,
    key_id: str,
    correlation_id: str,
) -> Mapping[str, Any]:
    """Note that a person shall look at a decision; the same again changes nothing.

    Raises NotFound, and Refused with ``ERASED`` when the person was.
    """
    record = find_record(decision_id, store=store, keys=keys, now=now)
    if is_erased(record):
        raise Refused("ERASED")
    standing = find_review(decision_id, store=store, now=now)
    if standing is not None:
        return standing
    asked = {"requested_at": now, "key_id": key_id}
    effect = Effect(
        effect_id=effect_id("event", REVIEW_REQUESTED, decision_id),
        kind="event",
        action=REVIEW_REQUESTED,
        subject_key=record["subject"],
        decision_id=decision_id,
        correlation_id=correlation_id,
        planned_at=now,
        payload={"decision_id": decision_id},
    )
    put = Put(REVIEW.key(decision_id), asked, expires_at=now + RECORD_WINDOW_SECONDS)
    try:
        store.write([put, put_effect(effect, now=now)], now=now)
    except Conflict:
        return find_review(decision_id, store=store, now=now) or asked
    emit_metrics(
        "review_requested",
        {"ReviewsRequested": 1},
        decision_id=decision_id,
        key_id=key_id,
        correlation_id=correlation_id,
    )
    return asked


def find_review(decision_id: str, *, store: Store, now: int) -> Mapping[str, Any] | None:
    """When a person was asked for, and with which key; None where nobody asked."""
    key = REVIEW.key(decision_id)
    return store.read([key], now=now).value(key)
