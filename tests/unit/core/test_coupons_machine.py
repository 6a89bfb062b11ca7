"""The life of a code against a small reference model: any moves, of any orders, at any time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chalicelib.core.coupons import (
    TRANSITIONS,
    CouponState,
    Money,
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
from tests.coupon_makers import coupon
from tests.unit.core.situations import NOW

LOCK = 900
WEEK = 7 * 86_400
ORDERS = ["o-1", "o-2", "o-3"]


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
        assert self._ask(revoke, reason="leaked") == may
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
