"""What goes wrong on the way of one mail: at SES, with the worker, or in the queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ops.ses.script import SERVER_ERROR, THROTTLE, Close, Fault, Hang, Step

# As many requests as a plain boto3 client makes for one call.
SPELL = 3

Delivery = Literal["once", "again", "two at once"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One bad day for one mail.

    Attributes:
        title: what a reader sees.
        fault: what SES does to the first requests; None for nothing.
        accepted: whether SES has taken the mail by then.
        requests: how many requests it is done to.
        dies: whether the first worker is gone as soon as SES has taken the mail.
        delivery: how the queue delivers the message, besides again after a failure.
    """

    title: str
    fault: Fault | None = None
    accepted: bool = True
    requests: int = SPELL
    dies: bool = False
    delivery: Delivery = "once"

    def steps(self, recipient: str) -> tuple[Step, ...]:
        """What the stand-in is to do to mails for this address."""
        if self.fault is None:
            return ()
        return (Step(self.fault, self.accepted, self.requests, recipient),)


SCENARIOS = (
    Scenario("nothing goes wrong"),
    Scenario("accepted, then 500, once", SERVER_ERROR, requests=1),
    Scenario("accepted, then 500", SERVER_ERROR),
    Scenario("accepted, then closed", Close()),
    Scenario("accepted, then silence", Hang()),
    Scenario("500, not accepted", SERVER_ERROR, accepted=False),
    Scenario("throttled, then fine", THROTTLE, accepted=False),
    Scenario("the worker dies after SES accepted", dies=True),
    Scenario("the queue delivers twice", delivery="again"),
    Scenario("two workers at once", delivery="two at once"),
)
