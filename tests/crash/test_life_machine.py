"""Hypothesis as one customer's life: orders, files, carts, codes, silence, and being forgotten.

Whatever is lost on the way, comes twice, late or in another order, breaks or is asked again: in the
end storage is what ``tests/crash/said.py`` makes of what was said, and ``tests/crash/model.py``
has nothing against any step.
"""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chalicelib import telemetry
from chalicelib.core.instants import CLOCK_SKEW_SECONDS, format_instant
from chalicelib.core.subject import customer
from chalicelib.core.tokens import sign
from chalicelib.flows.redeem import Operation
from chalicelib.flows.unsubscribe import act_on
from chalicelib.mail.compose import UNSUBSCRIBE
from tests.crash.cases_mail import switch
from tests.crash.cases_shop import ANN, BUDGET, checkout, move, shop_world, tell
from tests.crash.gate import FaultGate, Mode
from tests.crash.machines import FAULTS, NUMBERS, broken
from tests.crash.model import Expected
from tests.crash.run import nowhere
from tests.crash.said import Placed, Said, name_at
from tests.crash.workers import Message, forget, look_after, review
from tests.crash.world import Call, World, notice_of
from tests.drops import ORDER_COLUMNS
from tests.fakes import SIGNING_KEYS
from tests.mail_events import notification, ses_event
from tests.mail_makers import hash_of
from tests.makers import DAY_SECONDS, NOW, identify, order_event

LIZ = customer("c-1")
LONGEST = 250 * DAY_SECONDS  # orders are remembered for 400 days
TOKEN = sign(
    SIGNING_KEYS,
    purpose=UNSUBSCRIBE,
    payload={"a": hash_of(ANN["email"]), "p": "marketing_email", "e": "0" * 32},
)


def be_forgotten(world: World) -> None:
    """Her erasure, until it is answered."""
    forget(world, LIZ.id)


def withdraw(world: World) -> None:
    """What her mail program posts."""
    act_on(TOKEN, store=world.gated, keys=SIGNING_KEYS, now=world.clock.now)


def stop_sending(world: World) -> None:
    """An operator."""
    switch(world, sending=False)


PEOPLE = st.sampled_from([be_forgotten, withdraw, stop_sending, review, look_after])


class Life(RuleBasedStateMachine):
    """A customer at risk, a budget for codes, and everything that may happen."""

    def __init__(self) -> None:
        super().__init__()
        telemetry.configure(stage="crash", stream=nowhere())
        world = shop_world(counted=("http", "stream", "effects", "drops"))
        self.world: World = world.fork(FaultGate())
        # Weeks pass here; the cap's window is not what this is about.
        self.world.model.expected = Expected(budget_minor=BUDGET, most_mails=1_000)
        self.said = Said(LIZ)
        self.files = self.asked = 0
        for days in (100, 130):
            self._order(self.world.clock.now - days * DAY_SECONDS, 3_000)
        self.introduce()
        self.world.drain()

    # --- what is said ---------------------------------------------------------------------------

    def _say(self, *messages: object) -> Call:
        return lambda world: tell(world, *messages)

    def _moment(self) -> int:
        """No two things are said in the same second, so that the later one is known."""
        return self.world.clock.forward(1)

    def _order(self, at: int, amount: int) -> str:
        order_id = f"o-{at}"
        self.said.orders[order_id] = Placed(at, amount)
        placed = order_event("Order Completed", order_id, total=amount / 100, at=at, user=LIZ.id)
        self.world.ask(self._say(placed))
        return order_id

    @rule(amount=st.sampled_from([100, 999, 3_000]))
    def order(self, amount: int) -> None:
        """An order, which a shop's server tells of until it is answered."""
        self._order(self._moment(), amount)

    @rule(amount=st.sampled_from([100, 999]), back=st.sampled_from([50, 100]), all_=st.booleans())
    def order_and_regret(self, amount: int, back: int, all_: bool) -> None:
        """An order, and once it is known, that some or all of it was given back."""
        order_id = self._order(at := self._moment(), amount)
        then = self._moment()
        name, total = ("Order Cancelled", None) if all_ else ("Order Refunded", back / 100)
        said = order_event(name, order_id, total=total, at=then, user=LIZ.id)
        self.said.orders[order_id] = Placed(at, amount, 0 if all_ else back, all_)
        placed = self.world.waiting.pop()
        placed.then = Message("http", self._say(said))
        self.world.put(placed)

    @rule()
    def introduce(self) -> None:
        """She says who she is, and that she may be mailed."""
        at = self._moment()
        self.said.names.append(at)
        self.world.ask(self._say(identify(user=LIZ.id, at=at, firstName=name_at(at), **ANN)))

    @rule(number=NUMBERS, amount=st.sampled_from([100, 999]))
    def drop(self, number: int, amount: int) -> None:
        """A file that knows of one more order and of some that were told of."""
        self.files += 1
        at = self._moment()
        orders = self.said.orders
        known = list(orders.items())[number % len(orders) :]
        orders[f"o-{at}"] = Placed(at, amount)
        told = [*known[:3], (f"o-{at}", orders[f"o-{at}"])]
        rows = [
            f"{order_id},{LIZ.id},{format_instant(said.at)},1,USD,{said.amount / 100:.2f}"
            for order_id, said in told
        ]
        body = "\n".join((ORDER_COLUMNS, *rows)) + "\n"
        key = f"orders/{self.files}.csv"
        info = self.world.objects.arrive(
            "incoming", key=key, body=body.encode(), last_modified=self.world.clock.now
        )
        self.world.put(Message("drops", notice_of(info, key), self.world.clock.now))

    # --- what is asked --------------------------------------------------------------------------

    @rule(session=st.sampled_from("ab"), repeatable=st.booleans())
    def check_out(self, session: str, repeatable: bool) -> None:
        """A cart asks for a price and codes."""
        self.asked += 1
        self.world.ask(checkout(LIZ, session, f"k-{self.asked}" if repeatable else None))

    @precondition(lambda self: self.world.store.all("coupon"))
    @rule(
        operation=st.sampled_from(["reserve", "redeem", "release"]),
        number=NUMBERS,
        amount=st.sampled_from([0, 30, 120, 201]),
    )
    def use(self, operation: Operation, number: int, amount: int) -> None:
        """A cart locks or frees a code, or an order uses it."""
        codes = [name.removeprefix("k#") for name in self.world.store.all("coupon")]
        orders = list(self.said.orders)
        code, order_id = codes[number % len(codes)], orders[number % len(orders)]
        self.said.kept.add(order_id)

        def ask(world: World) -> None:
            move(operation, code, order_id, amount, None, LIZ)(world)
            if operation == "redeem":
                self.said.redeemed.setdefault(code, amount)

        self.world.ask(ask)

    @rule()
    def erase(self) -> None:
        """She asks to be forgotten."""
        self.world.ask(be_forgotten)

    @rule()
    def unsubscribe(self) -> None:
        """Her mail program posts."""
        self.world.ask(withdraw)

    @rule()
    def look_after_silence(self) -> None:
        """The schedule that settles who was silent."""
        self.world.ask(review)

    @rule()
    def look_after_effects(self) -> None:
        """The schedule that looks after what stands still."""
        self.world.ask(look_after)

    # --- what happens to it ---------------------------------------------------------------------

    @precondition(lambda self: self.world.waiting)
    @rule(number=NUMBERS, twice=st.booleans(), faults=FAULTS, who=PEOPLE)
    def deliver(self, number: int, twice: bool, faults: dict[int, Mode], who: Call) -> None:
        """A worker gets some message, whichever, and perhaps another one gets it, too."""
        message = self.world.waiting.pop(number % len(self.world.waiting))
        if twice:
            self.world.put(Message(message.queue, message.body, message.at))
        with broken(self.world, faults, who):
            self.world.work_on([message])

    @rule(faults=FAULTS, who=PEOPLE)
    def work(self, faults: dict[int, Mode], who: Call) -> None:
        """Workers take whatever is visible, until nothing is."""
        with broken(self.world, faults, who):
            self.world.deliver_visible()

    @precondition(lambda self: any(m.queue in ("stream", "effects") for m in self.world.waiting))
    @rule(number=NUMBERS)
    def lose(self, number: int) -> None:
        """A message about an effect is lost: the sweep makes up for it."""
        losable = [m for m in self.world.waiting if m.queue in ("stream", "effects")]
        self.world.waiting.remove(losable[number % len(losable)])

    @rule(seconds=st.sampled_from([1, CLOCK_SKEW_SECONDS + 2, 901, DAY_SECONDS, 61 * DAY_SECONDS]))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        if self.world.clock.now + seconds < NOW + LONGEST:
            self.world.clock.forward(seconds)

    @rule(sending=st.booleans())
    def flip(self, sending: bool) -> None:
        """An operator flips the switch."""
        switch(self.world, sending=sending)

    @precondition(lambda self: self.world.ses.sent)
    @rule(number=NUMBERS, name=st.sampled_from(["send", "delivery", "bounce", "complaint"]))
    def tell_of_a_mail(self, number: int, name: str) -> None:
        """SES says something of a mail that it took."""
        sent = self.world.ses.sent
        effect_id = sent[number % len(sent)].tags["effect_id"]
        event = ses_event(name, effect_id=effect_id, sent_at=self.world.clock.now)
        self.world.put(Message("feedback", notification(event), self.world.clock.now))

    # --- what must hold -------------------------------------------------------------------------

    @invariant()
    def nothing_is_wrong(self) -> None:
        """No write, no mail and no answer broke a rule."""
        assert self.world.model.violations == []

    def teardown(self) -> None:
        """Let everything come to its end, and compare with what was said."""
        switch(self.world, sending=True)
        self.world.drain()
        self.world.settle()
        world = self.world
        world.model.check(world.store.values(), now=world.clock.now, text="")
        telemetry.configure(stage="unset")
        assert world.model.violations == []
        assert list(self.said.differences(world.store, now=world.clock.now)) == []


class LongerLife(Life):
    """The same, more often."""


Life.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
LongerLife.TestCase.settings = settings(max_examples=600, stateful_step_count=30)
TestLife = Life.TestCase
TestManyLives = pytest.mark.sweep(LongerLife.TestCase)
