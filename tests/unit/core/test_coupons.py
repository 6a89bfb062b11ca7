"""The life of a code move by move, and every refused one by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.core.coupons import (
    Money,
    lapse,
    lapses_at,
    money_of,
    redeem,
    release,
    reserve,
    revoke,
    roll_back,
    state_of,
)
from chalicelib.core.errors import Refused
from chalicelib.core.offers import (
    Coupon,
    coupon_from_json,
    coupon_to_json,
    is_code,
    normal_code,
)
from tests.coupon_makers import coupon
from tests.unit.core.situations import NOW

LOCK = 900
WEEK = 7 * 86_400
ORDERS = ["o-1", "o-2", "o-3"]


def moved(code: Coupon, *moves: tuple[str, str, int]) -> Coupon:
    """A code after (move, order, amount), each at NOW."""
    for move, order_id, amount in moves:
        match move:
            case "reserve":
                code = reserve(code, order_id=order_id, amount_minor=amount, budgeted=True, now=NOW)
            case "redeem":
                code = redeem(code, order_id=order_id, amount_minor=amount, budgeted=True, now=NOW)
            case "roll_back":
                code = roll_back(code, order_id=order_id, to_minor=amount, now=NOW)
            case "revoke":
                code = revoke(code, reason="leaked", now=NOW)
    return code


def refusal(code: Coupon, move: str, order_id: str, amount: int = 100, *, now: int = NOW) -> str:
    """Why a move is refused."""
    asked: dict[str, Any] = {"order_id": order_id, "now": now}
    using = {**asked, "amount_minor": amount, "budgeted": True}
    moves: dict[str, Callable[[], Coupon]] = {
        "reserve": lambda: reserve(code, **using),
        "redeem": lambda: redeem(code, **using),
        "release": lambda: release(code, **asked),
        "roll_back": lambda: roll_back(code, to_minor=amount, **asked),
        "revoke": lambda: revoke(code, reason="leaked", now=now),
    }
    with pytest.raises(Refused) as refused:
        moves[move]()
    return refused.value.reason


HELD = ("reserve", "o-1", 100)
USED = ("redeem", "o-1", 100)
BACK = ("roll_back", "o-1", 40)
GONE = ("revoke", "", 0)


@pytest.mark.parametrize(
    ("moves", "move", "order_id", "reason"),
    [
        ([HELD], "reserve", "o-2", "code_reserved_elsewhere"),
        ([HELD], "redeem", "o-2", "code_reserved_elsewhere"),
        ([HELD], "release", "o-2", "code_reserved_elsewhere"),
        ([USED], "reserve", "o-1", "code_redeemed"),
        ([USED], "reserve", "o-2", "code_redeemed"),
        ([USED], "redeem", "o-2", "code_redeemed"),
        ([USED], "release", "o-1", "release_after_redemption"),
        ([USED], "release", "o-2", "release_after_redemption"),
        ([USED], "revoke", "", "code_redeemed"),
        ([USED, BACK], "reserve", "o-1", "code_rolled_back"),
        ([USED, BACK], "redeem", "o-2", "code_rolled_back"),
        ([USED, BACK], "release", "o-1", "release_after_redemption"),
        ([USED, BACK], "revoke", "", "code_rolled_back"),
        ([], "roll_back", "o-1", "not_redeemed"),
        ([HELD], "roll_back", "o-1", "not_redeemed"),
        ([GONE], "reserve", "o-1", "code_revoked"),
        ([GONE], "redeem", "o-1", "code_revoked"),
        ([GONE], "release", "o-1", "code_revoked"),
    ],
)
def test_each_refused_move_has_its_name(
    moves: list[tuple[str, str, int]], move: str, order_id: str, reason: str
) -> None:
    """What a code does not allow is refused by a reason of its own."""
    assert refusal(moved(coupon(), *moves), move, order_id) == reason


def test_amounts_are_refused_by_name() -> None:
    """More back than was redeemed, another amount for an order, more than an offer's value."""
    used = moved(coupon(), USED)

    assert refusal(used, "roll_back", "o-1", 101) == "rollback_exceeds_redemption"
    assert refusal(used, "redeem", "o-1", 99) == "redeemed_for_another_amount"
    assert refusal(coupon(kind="amount_off"), "reserve", "o-1", 501) == "amount_above_value"


def test_a_code_past_its_date_serves_nobody() -> None:
    """Except for an order that was placed before, or a cart whose lock still holds."""
    for move in ("reserve", "redeem", "revoke"):
        assert refusal(coupon(), move, "o-1", now=NOW + WEEK) == "code_expired"
    late = redeem(
        coupon(), order_id="o", amount_minor=1, budgeted=True, now=NOW + WEEK, placed_at=NOW
    )
    assert state_of(late, now=NOW + WEEK) == "redeemed"
    held = reserve(coupon(), order_id="o", amount_minor=1, budgeted=True, now=NOW + WEEK - 1)
    assert state_of(held, now=NOW + WEEK) == "reserved"
    assert state_of(held, now=NOW + WEEK - 1 + LOCK) == "expired"


def test_a_lapsed_lock_reads_as_live_and_is_given_back_by_whoever_stores_it() -> None:
    """State follows the clock; the money follows what is stored."""
    held = moved(coupon(), HELD)

    assert state_of(held, now=NOW + LOCK - 1) == "reserved"
    assert state_of(held, now=NOW + LOCK) == "live"
    assert money_of(held) == Money(100, 0)
    assert (lapses_at(held), lapses_at(coupon())) == (NOW + LOCK, None)
    assert money_of(lapse(held, now=NOW + LOCK)) == Money(0, 0)
    assert lapse(held, now=NOW + LOCK - 1) is held


def test_a_code_for_two_orders_is_live_again_after_the_first() -> None:
    """It is redeemed once both have used it, and rolled back once both have given back."""
    code = moved(coupon(redemptions=2), USED)
    assert state_of(code, now=NOW) == "live"

    code = moved(code, ("redeem", "o-2", 50), BACK)
    assert state_of(code, now=NOW) == "redeemed"
    assert money_of(code) == Money(0, 110)

    code = moved(code, ("roll_back", "o-2", 50))
    assert state_of(code, now=NOW) == "rolled_back"


def test_revoking_frees_what_a_cart_holds() -> None:
    """The cart loses the code, and a second revocation has nothing to do."""
    code = moved(coupon(), HELD, GONE)

    assert (state_of(code, now=NOW), money_of(code)) == ("revoked", Money(0, 0))
    assert (code.revoked_at, code.revoked_for) == (NOW, "leaked")
    assert revoke(code, reason="again", now=NOW + 5) is code


def test_a_stored_code_comes_back() -> None:
    """Uses and all."""
    code = moved(coupon(redemptions=3), USED, ("reserve", "o-2", 5))

    assert coupon_from_json(coupon_to_json(code)) == code


@pytest.mark.parametrize(
    ("typed", "ours"),
    [("abco-1l9x-yz0k", True), ("HASBROS", False), ("", False), ("ß" * 12, False)],
)
def test_a_code_is_read_as_people_write_it(typed: str, ours: bool) -> None:
    """Case, blanks, dashes and the letters that look like digits do not matter."""
    assert is_code(normal_code(typed)) is ours
