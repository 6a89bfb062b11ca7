"""Codes of several customers and one budget, moved by any calls and news in any order.

The reference model is a dictionary: what each order has used, given back or holds. After every
step the stored books agree with themselves and with the model, and the budget holds.
"""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chalicelib.core.coupons import state_of
from chalicelib.core.errors import Refused, Transient
from chalicelib.core.subject import customer
from chalicelib.flows.code_moves import expire_lapsed
from chalicelib.flows.redeem import OfferCall, Operation, from_request
from chalicelib.flows.revoke import Revocation
from chalicelib.flows.revoke import from_request as revoke
from tests.coupon_makers import check_books, coupon, issue, limited
from tests.gate import Gate
from tests.gated_store import GatedStore
from tests.makers import NOW, order_event, rules_with
from tests.shop import Shop

BUDGET, LOCK, WEEK = 100, 900, 7 * 86_400
CODES = [f"C0DE{number:08}" for number in range(4)]
numbers = st.integers(0, len(CODES) - 1)
amounts = st.sampled_from([0, 1, 30, 60, 100, 101])


class OffersMachine(RuleBasedStateMachine):
    """Order N of customer N uses code N; a second order of everybody wants it as well."""

    def __init__(self) -> None:
        super().__init__()
        self.shop = Shop(rules=rules_with(actions=limited("winback-10", budget_minor=BUDGET)))
        for number, code in enumerate(CODES):
            issue(self.shop.store, coupon(code, subject=customer(f"c-{number}")))
        self.sent = 0
        self.redeemed: dict[int, tuple[str, int]] = {}

    def _call(self, operation: Operation, number: int, amount: int, order: str, fault: str) -> None:
        """Ask, through a fault that the caller repeats the call after."""
        order_id = f"o-{number}-{order}"
        asked = OfferCall(
            operation, CODES[number], customer(f"c-{number}"), order_id, amount, "USD"
        )
        for store in (self._breaking(fault), self.shop.store):
            try:
                told = from_request(asked, store=store, rules=self.shop.rules, now=self.shop.now)
            except Transient:
                continue
            except Refused:
                return
            if operation == "redeem":
                self.redeemed.setdefault(number, (order_id, told.body["amount"]))
                assert self.redeemed[number] == (order_id, told.body["amount"])
            return

    def _state(self, number: int) -> str:
        return state_of(self.shop.store.all("coupon")[f"k#{CODES[number]}"], now=self.shop.now)

    def _breaking(self, fault: str) -> GatedStore:
        """Storage whose first write breaks so."""

        def before(_number: int, port: str) -> None:
            if port == "write" and fault == "failed":
                raise Transient("not done")

        def after(_number: int, port: str) -> None:
            if port == "write" and fault == "lost":
                raise Transient("reply lost")

        return GatedStore(Gate(before=before, after=after), self.shop.store)

    def _tell(self, name: str, number: int, order: str, **said: Any) -> None:
        self.sent += 1
        self.shop.send(
            order_event(
                f"Order {name}",
                f"o-{number}-{order}",
                user=f"c-{number}",
                message_id=f"m-{self.sent}",
                **said,
            )
        )

    @rule(
        operation=st.sampled_from(["reserve", "redeem", "release"]),
        number=numbers,
        amount=amounts,
        order=st.sampled_from("ab"),
        fault=st.sampled_from(["", "", "lost", "failed"]),
    )
    def ask(self, operation: Operation, number: int, amount: int, order: str, fault: str) -> None:
        """A call of the shop."""
        self._call(operation, number, amount, order, fault)

    @rule(number=numbers, amount=amounts, order=st.sampled_from("ab"))
    def complete(self, number: int, amount: int, order: str) -> None:
        """News of an order that was paid with the code."""
        self._tell("Completed", number, order, total=2, coupon=CODES[number], discount=amount / 100)

    @rule(number=numbers, order=st.sampled_from("ab"), total=st.sampled_from([None, 1, 2, 3]))
    def refund(self, number: int, order: str, total: int | None) -> None:
        """News of a refund."""
        self._tell("Refunded", number, order, total=total)

    @rule(number=numbers, order=st.sampled_from("ab"))
    def cancel(self, number: int, order: str) -> None:
        """News of a cancellation."""
        self._tell("Cancelled", number, order)

    @rule(seconds=st.sampled_from([1, LOCK, WEEK]))
    def pass_time(self, seconds: int) -> None:
        """Let time pass."""
        self.shop.now = min(self.shop.now + seconds, NOW + 3 * WEEK)

    @rule(number=numbers, fault=st.sampled_from(["", "lost", "failed"]))
    def revoke(self, number: int, fault: str) -> None:
        """An operator takes the code back, through a fault after which they ask again."""
        asked = Revocation(CODES[number], "leaked")
        for store in (self._breaking(fault), self.shop.store):
            with contextlib.suppress(Refused, Transient):
                revoke(asked, store=store, now=self.shop.now)
        assert number in self.redeemed or "live" != self._state(number) != "reserved"

    @rule(number=numbers)
    def sweep(self, number: int) -> None:
        """Somebody looks after a lock that may have ended."""
        expire_lapsed(CODES[number], store=self.shop.store, now=self.shop.now)

    @invariant()
    def books_agree(self) -> None:
        """Budget, shards and codes agree, and no code was used by two orders."""
        check_books(self.shop.store, budget_minor=BUDGET, now=self.shop.now)
        for number, (order_id, amount) in self.redeemed.items():
            [use] = self.shop.store.all("coupon")[f"k#{CODES[number]}"].uses
            assert (use.order_id, use.amount_minor) == (order_id, amount)


OffersMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
TestOffers = OffersMachine.TestCase
