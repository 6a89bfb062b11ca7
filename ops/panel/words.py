"""What the buttons have in common: who acts, how they wait, how they say where to look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from chalicelib.core.decide import in_holdout
from chalicelib.core.instants import format_instant
from chalicelib.core.policy import Policy
from chalicelib.core.subject import customer
from ops.panel.news import Link, Step

T = TypeVar("T")
LOOK_SECONDS = 0.5
MOST_LOOKS = 120
CURRENCY = "USD"


class PressFailed(Exception):
    """A button could not do what it says: what happened instead."""


class Tell(Protocol):
    """Adds an entry about this button to the news."""

    def __call__(self, step: Step, text: str, *links: Link, **facts: Any) -> object:
        """How far it is, in words, with links."""


@dataclass(frozen=True, slots=True)
class Pages:
    """Where the console's pages are on the panel; ``home`` is the path of its overview."""

    home: str

    def drop(self, drop_id: str) -> Link:
        """A dropped file."""
        return Link("the file", self._to("drops", drop_id))

    def decision(self, decision_id: str) -> Link:
        """Why a decision came out as it did."""
        return Link("why", self._to("decisions", decision_id))

    def customer(self, customer_id: str) -> Link:
        """All about a customer."""
        return Link("the customer", self._to("customers", customer_id))

    def messages(self, state: str) -> Link:
        """Mails in a state."""
        return Link("Messages", f"{self._to('messages')}?state={quote(state)}")

    def mail(self, number: int) -> Link:
        """A mail in the inbox."""
        return Link("the mail", f"{INBOX}/{number}")

    def _to(self, *steps: str) -> str:
        return "/".join((self.home, *(quote(step, safe="") for step in steps)))


INBOX = "/demo/inbox"


@dataclass(frozen=True, slots=True)
class Turn:
    """One press of a button.

    Attributes:
        now: epoch seconds at which it was pressed.
        tag: tells its customers and files from those of every other press.
        pages: where the console's pages are.
        pause: waits so many seconds; raises when the demo is over.
    """

    now: int
    tag: str
    pages: Pages
    pause: Callable[[float], None]

    def until(self, look: Callable[[], T | None], *, what: str) -> T:
        """Look every half second until there is something; raises PressFailed after a minute."""
        for _ in range(MOST_LOOKS):
            seen = look()
            if seen is not None:
                return seen
            self.pause(LOOK_SECONDS)
        raise PressFailed(f"{what}: not within {LOOK_SECONDS * MOST_LOOKS:.0f} s")


def address_of(customer_id: str) -> str:
    """An address that can never receive anything (RFC 2606)."""
    return f"{customer_id}@example.com"


def introduced(customer_id: str, *, at: int) -> dict[str, Any]:
    """The event in which somebody says who they are and agrees to mail."""
    return {
        "type": "identify",
        "messageId": f"{customer_id}-identify",
        "timestamp": format_instant(at),
        "userId": customer_id,
        "traits": {
            "email": address_of(customer_id),
            "country": "US",
            "region": "CO",
            "timeZone": "America/Denver",
            "consent_marketing_email": True,
        },
    }


def tracked(customer_id: str, event: str, *, at: int, **properties: Any) -> dict[str, Any]:
    """An event of a customer."""
    return {
        "type": "track",
        "event": event,
        "messageId": f"{customer_id}-{event.lower().replace(' ', '-')}-{at}",
        "timestamp": format_instant(at),
        "userId": customer_id,
        "properties": properties,
    }


def ordered(customer_id: str, *, at: int, amount_minor: int) -> dict[str, Any]:
    """An order that a customer placed."""
    return tracked(
        customer_id,
        "Order Completed",
        at=at,
        order_id=f"{customer_id}-{at}",
        total=f"{amount_minor // 100}.{amount_minor % 100:02}",
        currency=CURRENCY,
    )


def not_left_alone(stem: str, policy: Policy) -> str:
    """A customer id that is not in the holdout, for whom nothing would be done."""
    names = (stem, *(f"{stem}-{number}" for number in range(2, 50)))
    found = next((name for name in names if not in_holdout(policy, customer(name).key)), None)
    if found is None:
        raise PressFailed("the policy's holdout takes in everybody")
    return found
