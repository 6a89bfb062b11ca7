"""POST /v1/offers/{code}/revoke, and whoever else takes a code back.

A cart that holds the code loses it, and what was held of the budget is free again in the same
write. What was redeemed stays redeemed: that is given back by cancelling or refunding its order.
Revoking again changes nothing; the first reason and moment stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib.core.canonical import content_hash
from chalicelib.core.coupons import CodeUnknown, lapse, revoke, state_of
from chalicelib.core.erasure import ERASED
from chalicelib.core.errors import Refused
from chalicelib.core.instants import format_instant
from chalicelib.core.kinds import COUPON
from chalicelib.core.offers import Coupon, normal_code
from chalicelib.core.ports import Store
from chalicelib.core.repeats import RepeatOf
from chalicelib.core.storage import Key
from chalicelib.flows.code_moves import (
    Answered,
    expire_lapsed,
    find_standing,
    in_rounds,
    move_writes,
    tell_refused,
)
from chalicelib.flows.one_write import Keyed


@dataclass(frozen=True, slots=True)
class Revocation:
    """What an operator asks.

    Attributes:
        code: as somebody wrote it down.
        reason: why, to be kept with the code; names no person.
        repeat_of: who asks, which route, and the Idempotency-Key, when one was sent.
    """

    code: str
    reason: str
    repeat_of: RepeatOf | None = None

    @property
    def hash(self) -> str:
        """What a repeat must have in common with the first call."""
        return content_hash(["revoke", normal_code(self.code), self.reason])


def from_request(asked: Revocation, *, store: Store, now: int) -> Answered:
    """Take a code back; every refusal is named and counted, and changes nothing.

    Raises:
        CodeUnknown: there is no such code.
        Refused: ``code_redeemed``, ``code_rolled_back``, ``code_expired``.
        KeyReused: the Idempotency-Key came before with another request.
        Transient: storage did not answer, or others kept moving the code; ask again.
    """
    try:
        return in_rounds(lambda: _attempt(asked, store=store, now=now))
    except Refused as refusal:
        tell_refused(refusal, operation="revoke")
        raise


def _attempt(asked: Revocation, *, store: Store, now: int) -> Answered:
    """Gather, decide and apply once."""
    keyed = Keyed(asked.repeat_of, asked.hash)
    standing = find_standing(asked.code, store=store, now=now, beside=keyed.keys)
    before = keyed.first_answer(standing.found, now=now)
    if before is not None:
        return Answered(before, repeated=True)
    coupon = standing.coupon.value
    try:
        after = revoke(coupon, reason=asked.reason, now=now)
    except Refused:
        if lapse(coupon, now=now) is not coupon:
            expire_lapsed(asked.code, store=store, now=now)
        raise
    body = _answer(after)
    writes = move_writes(standing, after, total=None, now=now)
    store.write((*writes, *keyed.answer_writes(body, standing.found, now=now)), now=now)
    return Answered(body, repeated=not writes)


def _answer(coupon: Coupon) -> dict[str, Any]:
    """What the operator is told: as it was when the code was first taken back."""
    return {
        "code": coupon.offer.code,
        "action": coupon.offer.action,
        "state": "revoked",
        "reason": coupon.revoked_for,
        "revoked_at": format_instant(coupon.revoked_at or 0),
        "redeemed": sum(use.state != "reserved" for use in coupon.uses),
        "expires_at": format_instant(coupon.offer.expires_at),
    }


def revoke_code(key: Key[Any], subject_key: str, *, store: Store, now: int) -> None:
    """Take back a code of a subject who is erased; doing it again changes nothing.

    A code that was used stays used. Raises Transient when others keep moving it.
    """
    code = key.partition.removeprefix(COUPON.prefix)

    def attempt() -> Answered:
        standing = find_standing(code, store=store, now=now)
        coupon = standing.coupon.value
        if coupon.subject_key != subject_key:
            return Answered({}, repeated=True)
        writes = move_writes(standing, _taken_back(coupon, now=now), total=None, now=now)
        store.write(writes, now=now)
        return Answered({}, repeated=not writes)

    try:
        in_rounds(attempt)
    except CodeUnknown:
        return  # nothing is left of it


def _taken_back(coupon: Coupon, *, now: int) -> Coupon:
    """The code revoked where it is still good for anything, and without a lock that ended."""
    if state_of(coupon, now=now) in ("live", "reserved"):
        return revoke(coupon, reason=ERASED, now=now)
    return lapse(coupon, now=now)
