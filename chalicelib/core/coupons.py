"""The life of a code: live, reserved, redeemed, rolled back, expired, revoked.

Every code that was ever issued is in exactly one of these states, which follows from its uses and
the moment: a reservation whose lock ended is live again without anybody doing anything, and a live
code past its date is expired. Each move is asked for here, by order; what is not allowed is
refused by name and changes nothing, and what was done before for the same order is done.

Money follows from the uses too: a reservation holds its amount, a redemption has spent it, a
roll-back gives it back. Whoever stores a moved code stores the difference with it (``money_of``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, NamedTuple

from chalicelib.core.allotments import Allotment, AtHand, NoRoom, make_room, shard_of, shift
from chalicelib.core.canonical import short_hash
from chalicelib.core.errors import Broken, Refused
from chalicelib.core.offers import Coupon, Use
from chalicelib.core.storage import Conflict, IndexAttributes

RESERVED_SHARDS = 4

CouponState = Literal["live", "reserved", "redeemed", "rolled_back", "expired", "revoked"]
# A code for several orders is live again, or still redeemed, after one of them moved.
TRANSITIONS: Mapping[CouponState, frozenset[CouponState]] = {
    "live": frozenset({"live", "reserved", "redeemed", "expired", "revoked"}),
    "reserved": frozenset({"reserved", "live", "redeemed", "expired", "revoked"}),
    "redeemed": frozenset({"redeemed", "rolled_back"}),
    "rolled_back": frozenset({"rolled_back"}),
    # An order placed in time may be told of late, and one redeemed in time be given back.
    "expired": frozenset({"expired", "redeemed"}),
    "revoked": frozenset({"revoked"}),
}
# Why a code in this state serves no further order.
_UNUSABLE: Mapping[CouponState, str] = {
    "redeemed": "code_redeemed",
    "rolled_back": "code_rolled_back",
    "expired": "code_expired",
    "revoked": "code_revoked",
}


class CodeUnknown(Refused):
    """No such code was ever issued, or it is long forgotten."""

    def __init__(self) -> None:
        super().__init__("code_unknown")


class Money(NamedTuple):
    """What a code has of its action's budget, in minor units."""

    held: int
    spent: int


def state_of(coupon: Coupon, *, now: int) -> CouponState:
    """The one state that a code is in at a moment."""
    if coupon.revoked_at is not None:
        return "revoked"
    if holder_of(coupon, now=now) is not None:
        return "reserved"
    done = [use for use in coupon.uses if use.state != "reserved"]
    if len(done) >= coupon.redemptions:
        return "rolled_back" if all(use.state == "rolled_back" for use in done) else "redeemed"
    return "live" if now < coupon.offer.expires_at else "expired"


def holder_of(coupon: Coupon, *, now: int) -> Use | None:
    """The reservation that holds a code at a moment."""
    return next((u for u in coupon.uses if u.state == "reserved" and u.until > now), None)


def lapses_at(coupon: Coupon) -> int | None:
    """When the stored reservation ends, for whoever looks after those that have; None without."""
    return next((use.until for use in coupon.uses if use.state == "reserved"), None)


def reserved_index(coupon: Coupon) -> IndexAttributes:
    """Where the sweep finds a code whose lock ends; nowhere when no cart holds it."""
    at = lapses_at(coupon)
    if at is None:
        return {}
    shard = int(short_hash("reserved", coupon.offer.code, digits=8), 16) % RESERVED_SHARDS
    return {"open_shard": reserved_shard(shard), "look_at": at}


def reserved_shard(shard: int) -> str:
    """The name of one shard of the index of reservations, 0 ≤ ``shard`` < ``RESERVED_SHARDS``."""
    return f"reserved#{shard:02}"


def use_of(coupon: Coupon, order_id: str) -> Use | None:
    """What an order has to do with a code."""
    return next((use for use in coupon.uses if use.order_id == order_id), None)


def money_of(coupon: Coupon) -> Money:
    """What of the budget a code holds and has spent, as it is stored.

    A reservation holds its money until somebody stores that it lapsed.
    """
    uses = [use for use in coupon.uses if use.budgeted]
    return Money(
        held=sum(use.amount_minor for use in uses if use.state == "reserved"),
        spent=sum(u.amount_minor - u.rolled_back_minor for u in uses if u.state != "reserved"),
    )


def charge(
    before: Coupon, after: Coupon, *, at_hand: AtHand, total: int | None
) -> dict[int, Allotment] | NoRoom:
    """The shards of the action's budget, changed by what a move of this code holds and spends.

    Args:
        before: the code as it is stored.
        after: the code once it moved.
        at_hand: the budget's shards that were read, the code's own among them.
        total: the budget as the policy has it now, None where it has none.

    Returns:
        What to store together with the code; why that cannot be where the move needs more.

    Raises:
        Conflict: code and budget were read at different moments; both must be read again.
    """
    was, becomes = money_of(before), money_of(after)
    held, spent = becomes.held - was.held, becomes.spent - was.spent
    if not held and not spent:
        return {}
    home = shard_of(after.offer.code)
    changed: dict[int, Allotment] | NoRoom
    if held + spent > 0:
        if total is None:
            raise Broken("a code takes from a budget that is none")
        changed = make_room(at_hand, home=home, amount=held + spent, total=total)
    else:
        mine = at_hand.get(home)
        if mine is None:
            raise Broken("a code has money of a budget that is not stored")
        changed = {home: mine}
    if isinstance(changed, str):
        return changed
    try:
        return {**changed, home: shift(changed[home], held=held, spent=spent)}
    except ValueError:
        # The budget was read after the code, and somebody moved both in between.
        raise Conflict(()) from None


def lapse(coupon: Coupon, *, now: int) -> Coupon:
    """The code without a reservation whose lock has ended; the same code when there is none."""
    kept = tuple(u for u in coupon.uses if u.state != "reserved" or u.until > now)
    return coupon if len(kept) == len(coupon.uses) else _moved(coupon, kept, now=now)


def reserve(
    coupon: Coupon, *, order_id: str, amount_minor: int, budgeted: bool, now: int
) -> Coupon:
    """Lock a code for a cart; another amount for the same cart changes what is held, not the lock.

    Raises Refused: ``code_reserved_elsewhere``, ``code_redeemed``, ``code_rolled_back``,
    ``code_expired``, ``code_revoked``, ``amount_above_value``.
    """
    coupon = lapse(coupon, now=now)
    standing = use_of(coupon, order_id)
    _check_usable(coupon, standing, now=now)
    _check_amount(coupon, amount_minor)
    if standing is not None and standing.amount_minor == amount_minor:
        return coupon
    until = now + coupon.lock_seconds if standing is None else standing.until
    use = Use(order_id, "reserved", amount_minor, budgeted, until)
    return _with_use(coupon, use, now=now)


def redeem(
    coupon: Coupon,
    *,
    order_id: str,
    amount_minor: int,
    budgeted: bool,
    now: int,
    placed_at: int | None = None,
) -> Coupon:
    """Use a code for an order, reserved or not; ``placed_at`` is when, if that was earlier.

    What the order has redeemed already is left as it is, given back or not.

    Raises Refused: as ``reserve``, and ``redeemed_for_another_amount``.
    """
    coupon = lapse(coupon, now=now)
    standing = use_of(coupon, order_id)
    if standing is not None and standing.state != "reserved":
        if standing.amount_minor != amount_minor:
            raise Refused("redeemed_for_another_amount")
        return coupon
    _check_usable(coupon, standing, now=now, as_of=placed_at)
    _check_amount(coupon, amount_minor)
    return _with_use(coupon, Use(order_id, "redeemed", amount_minor, budgeted), now=now)


def release(coupon: Coupon, *, order_id: str, now: int) -> Coupon:
    """Give a reserved code free again; nothing to do when this cart does not hold it any more.

    Raises Refused: ``release_after_redemption``, ``code_reserved_elsewhere``, ``code_revoked``.
    """
    coupon = lapse(coupon, now=now)
    standing = use_of(coupon, order_id)
    if standing is not None and standing.state != "reserved":
        raise Refused("release_after_redemption")
    if standing is None:
        match state_of(coupon, now=now):
            case "reserved":
                raise Refused("code_reserved_elsewhere")
            case "redeemed" | "rolled_back":
                raise Refused("release_after_redemption")
            case "revoked":
                raise Refused("code_revoked")
            case "live" | "expired":
                return coupon
    return _moved(coupon, tuple(u for u in coupon.uses if u is not standing), now=now)


def roll_back(coupon: Coupon, *, order_id: str, to_minor: int, now: int) -> Coupon:
    """Give back what an order used, up to ``to_minor`` all in all; less than before is nothing.

    Raises Refused: ``not_redeemed``, ``rollback_exceeds_redemption``.
    """
    standing = use_of(coupon, order_id)
    if standing is None or standing.state == "reserved":
        raise Refused("not_redeemed")
    if to_minor > standing.amount_minor:
        raise Refused("rollback_exceeds_redemption")
    if standing.state == "rolled_back" and to_minor <= standing.rolled_back_minor:
        return coupon
    use = replace(standing, state="rolled_back", rolled_back_minor=to_minor)
    return _with_use(coupon, use, now=now)


def revoke(coupon: Coupon, *, reason: str, now: int) -> Coupon:
    """Take back a code that was not used; a cart that holds it loses it.

    One that was taken back before stays as it is, with its first reason. What orders have used of
    a code for several stays used; it is given back by cancelling or refunding them.

    Raises Refused: ``code_redeemed``, ``code_rolled_back``, ``code_expired``.
    """
    coupon = lapse(coupon, now=now)
    state = state_of(coupon, now=now)
    if state == "revoked":
        return coupon
    if state in _UNUSABLE:
        raise Refused(_UNUSABLE[state])
    used = tuple(use for use in coupon.uses if use.state != "reserved")
    return replace(coupon, uses=used, revoked_at=now, revoked_for=reason)


def _check_usable(
    coupon: Coupon, standing: Use | None, *, now: int, as_of: int | None = None
) -> None:
    """Refuse by name what another order, or this one once more, cannot have."""
    if standing is not None:
        if standing.state == "reserved":
            return
        raise Refused("code_redeemed" if standing.state == "redeemed" else "code_rolled_back")
    state = state_of(coupon, now=now)
    if state == "reserved":
        raise Refused("code_reserved_elsewhere")
    if state == "expired" and as_of is not None and as_of < coupon.offer.expires_at:
        return
    if state != "live":
        raise Refused(_UNUSABLE[state])


def _check_amount(coupon: Coupon, amount_minor: int) -> None:
    """Refuse what the offer cannot give; what it is of a cart, only the shop knows."""
    bounded = coupon.offer.kind in ("amount_off", "early_access")
    if bounded and amount_minor > coupon.offer.value:
        raise Refused("amount_above_value")


def _with_use(coupon: Coupon, use: Use, *, now: int) -> Coupon:
    """The code with an order's use in place of the one it had, if any; in order of the first."""
    if use_of(coupon, use.order_id) is None:
        return _moved(coupon, (*coupon.uses, use), now=now)
    uses = tuple(use if each.order_id == use.order_id else each for each in coupon.uses)
    return _moved(coupon, uses, now=now)


def _moved(coupon: Coupon, uses: tuple[Use, ...], *, now: int) -> Coupon:
    """The code with other uses; raises Refused(``transition_refused``) off the table."""
    after = replace(coupon, uses=uses)
    if state_of(after, now=now) not in TRANSITIONS[state_of(coupon, now=now)]:
        raise Refused("transition_refused")
    return after
