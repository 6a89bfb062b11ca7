"""The life of a code against a small reference model, and every refused move by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chalicelib.core.coupons import (
    TRANSITIONS,
    CouponState,
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
    use_of,
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
                code = revoke(code, now=NOW)
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
        "revoke": lambda: revoke(code, now=now),
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
    assert revoke(code, now=NOW + 5) is code


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


@dataclass
class Model:
    """What a code is, said a second time in the plainest way: who has it, and what it cost."""

    holder: str | None = None
    until: int = 0
    held: int = 0
    used: dict[str, int] = field(default_factory=dict)
    back: dict[str, int] = field(default_factory=dict)
    revoked: bool = False

    def state(self, now: int, redemptions: int) -> CouponState:
        """The one state."""
        if self.revoked:
            return "revoked"
        if self.holder is not None and now < self.until:
            return "reserved"
        if len(self.used) == redemptions:
            return "rolled_back" if self.used.keys() == self.back.keys() else "redeemed"
        return "live" if now < NOW + WEEK else "expired"


class CouponMachine(RuleBasedStateMachine):
    """Any moves of any orders at any time: code and model say the same."""

    redemptions = 1

    def __init__(self) -> None:
        super().__init__()
        self.now, self.model = NOW, Model()
        self.code = coupon(redemptions=self.redemptions)
        self.before: CouponState = "live"

    def _ask(self, move: Any, **asked: Any) -> bool:
        before = state_of(self.code, now=self.now)
        try:
            self.code = move(self.code, now=self.now, **asked)
        except Refused:
            return False
        assert state_of(self.code, now=self.now) in TRANSITIONS[before]
        return True

    def _lapse(self) -> None:
        if self.model.holder is not None and self.now >= self.model.until:
            self.model.holder, self.model.held = None, 0

    def _free_for(self, order: str) -> bool:
        state = self.model.state(self.now, self.redemptions)
        mine = state == "reserved" and self.model.holder == order
        return order not in self.model.used and (state == "live" or mine)

    @rule(seconds=st.sampled_from([1, LOCK - 1, LOCK, WEEK]))
    def pass_time(self, seconds: int) -> None:
        """Let time pass."""
        self.now += seconds

    @rule(order=st.sampled_from(ORDERS), amount=st.integers(0, 5))
    def reserve(self, order: str, amount: int) -> None:
        """A cart wants the code."""
        may = self._free_for(order)
        assert self._ask(reserve, order_id=order, amount_minor=amount, budgeted=True) == may
        if may:
            self._lapse()
            if self.model.holder is None:
                self.model.holder, self.model.until = order, self.now + LOCK
            self.model.held = amount

    @rule(order=st.sampled_from(ORDERS), amount=st.integers(0, 5))
    def redeem(self, order: str, amount: int) -> None:
        """An order uses the code."""
        may = self._free_for(order) or self.model.used.get(order) == amount
        assert self._ask(redeem, order_id=order, amount_minor=amount, budgeted=True) == may
        if may:
            self._lapse()
            if order not in self.model.used:
                self.model.used[order] = amount
                if self.model.holder == order:
                    self.model.holder, self.model.held = None, 0

    @rule(order=st.sampled_from(ORDERS))
    def release(self, order: str) -> None:
        """A cart gives the code free."""
        state = self.model.state(self.now, self.redemptions)
        mine = state == "reserved" and self.model.holder == order
        may = order not in self.model.used and (mine or state in ("live", "expired"))
        assert self._ask(release, order_id=order) == may
        if may:
            self._lapse()
            if mine:
                self.model.holder, self.model.held = None, 0

    @rule(order=st.sampled_from(ORDERS), to=st.integers(0, 6))
    def roll_back(self, order: str, to: int) -> None:
        """An order gives back."""
        may = order in self.model.used and to <= self.model.used[order]
        assert self._ask(roll_back, order_id=order, to_minor=to) == may
        if may:
            self.model.back[order] = max(to, self.model.back.get(order, 0))

    @precondition(lambda self: not self.model.revoked)
    @rule()
    def revoke(self) -> None:
        """The shop takes the code back."""
        may = self.model.state(self.now, self.redemptions) in ("live", "reserved")
        assert self._ask(revoke) == may
        if may:
            self.model.revoked, self.model.holder, self.model.held = True, None, 0

    @invariant()
    def the_same_state_and_the_same_money(self) -> None:
        """One state, and money that follows from what was done."""
        assert state_of(self.code, now=self.now) == self.model.state(self.now, self.redemptions)
        spent = sum(self.model.used.values()) - sum(self.model.back.values())
        assert money_of(self.code) == Money(self.model.held, spent)
        assert len(self.model.used) <= self.redemptions

    @invariant()
    def every_use_is_of_one_order(self) -> None:
        """An order stands in a code once."""
        assert all(use_of(self.code, use.order_id) == use for use in self.code.uses)


class TwoOrdersMachine(CouponMachine):
    """The same for a code that two orders may use."""

    redemptions = 2


CouponMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=25)
TwoOrdersMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=25)
TestOneOrder = CouponMachine.TestCase
TestTwoOrders = TwoOrdersMachine.TestCase
