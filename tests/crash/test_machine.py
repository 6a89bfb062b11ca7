"""Hypothesis as the world: it loses, doubles, reorders, breaks calls and lets people change."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chalicelib import telemetry
from tests.crash.cases_mail import MAIL, announce, flip, mixed, rival, switch, unsubscribe
from tests.crash.gate import FaultGate, Mode
from tests.crash.machines import FAULTS, NUMBERS, broken
from tests.crash.run import nowhere
from tests.crash.workers import Message, look_after
from tests.crash.world import Call, World
from tests.mail_events import notification, ses_event

PEOPLE = st.sampled_from([unsubscribe, flip, rival, look_after])


class Mails(RuleBasedStateMachine):
    """One effect of every sort, and everything that may happen to them on their way."""

    def __init__(self) -> None:
        super().__init__()
        telemetry.configure(stage="crash", stream=nowhere())
        self.world: World = mixed().fork(FaultGate())
        announce(self.world)

    def teardown(self) -> None:
        """Let everything come to its end, with sending switched on."""
        switch(self.world, sending=True)
        self.world.settle()
        self.world.model.check(self.world.store.values(), now=self.world.clock.now, text="")
        telemetry.configure(stage="unset")
        assert self.world.model.violations == []

    @invariant()
    def nothing_is_wrong(self) -> None:
        """No write and no mail broke a rule."""
        assert self.world.model.violations == []

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

    @precondition(lambda self: self.world.waiting)
    @rule(number=NUMBERS)
    def lose(self, number: int) -> None:
        """A message is lost: the sweep makes up for it."""
        self.world.waiting.pop(number % len(self.world.waiting))

    @rule(seconds=st.sampled_from([1, 119, 121, 361, 901, 86_401]))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.world.clock.forward(seconds)

    @rule()
    def sweep(self) -> None:
        """The schedule looks after what stands still."""
        with self.world.gate.unnumbered():
            look_after(self.world)

    @rule()
    def work_beside(self) -> None:
        """A worker has every message at once."""
        with self.world.gate.unnumbered():
            rival(self.world)

    @rule()
    def unsubscribe(self) -> None:
        """Ada withdraws."""
        with self.world.gate.unnumbered():
            unsubscribe(self.world)

    @rule(sending=st.booleans())
    def turn(self, sending: bool) -> None:
        """An operator flips the switch."""
        switch(self.world, sending=sending)

    @precondition(lambda self: self.world.model.taken[MAIL])
    @rule(name=st.sampled_from(["send", "delivery", "bounce", "complaint", "click"]))
    def tell(self, name: str) -> None:
        """SES says something of the mail."""
        event = ses_event(name, effect_id=MAIL, sent_at=self.world.clock.now)
        self.world.put(Message("feedback", notification(event), self.world.clock.now))


class MoreMails(Mails):
    """The same, more often."""


Mails.TestCase.settings = settings(max_examples=100, stateful_step_count=25)
MoreMails.TestCase.settings = settings(max_examples=1_500, stateful_step_count=25)
TestMails = Mails.TestCase
TestManyMails = pytest.mark.sweep(MoreMails.TestCase)
