"""A shop that sends messages, and a look at what storage then holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.core.contact import Contact
from chalicelib.core.effects import Effect
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import CONTACT, FACTS, ORDER
from chalicelib.core.orders import OrderState
from chalicelib.core.rules import Rules
from chalicelib.core.subject import Subject
from chalicelib.flows.events import EventPorts, from_request
from chalicelib.flows.silence import review_due
from tests.fakes import SIGNING_KEYS, MemoryStore
from tests.makers import DAY_SECONDS, NOW, Raw, order_event, rules_with

ANN: Mapping[str, Any] = {
    "email": "ann@example.com",
    "consent_marketing_email": True,
    "country": "US",
}


@dataclass(slots=True)
class Shop:
    """A shop that sends messages, and what storage then holds."""

    store: MemoryStore = field(default_factory=MemoryStore)
    rules: Rules = field(default_factory=rules_with)
    now: int = NOW

    def post(self, body: object, *, correlation_id: str = "r-1") -> dict[str, Any]:
        """Send one body."""
        return from_request(
            body,
            ports=EventPorts(self.store),
            rules=self.rules,
            keys=SIGNING_KEYS,
            now=self.now,
            correlation_id=correlation_id,
        )

    def send(self, *messages: Raw) -> dict[str, Any]:
        """Send messages in one batch."""
        return self.post({"batch": list(messages)})

    def review(self) -> dict[str, int]:
        """Let the schedule run once."""
        return review_due(
            ports=EventPorts(self.store),
            rules=self.rules,
            keys=SIGNING_KEYS,
            now=self.now,
            correlation_id="run-1",
        )

    def facts(self, subject: Subject) -> Facts:
        """The facts of somebody, empty ones when there are none."""
        key = FACTS.key(subject.key)
        return self.store.read([key], now=self.now).value(key) or Facts(subject)

    def contact(self, subject: Subject) -> Contact:
        """The contact of somebody, an empty one when there is none."""
        key = CONTACT.key(subject.key)
        return self.store.read([key], now=self.now).value(key) or Contact(subject)

    def order(self, order_id: str) -> OrderState | None:
        """An order."""
        key = ORDER.key(order_id)
        return self.store.read([key], now=self.now).value(key)

    def rival_sends(self, *messages: Raw, correlation_id: str = "r-2") -> None:
        """Let another request store these messages between our next read and its write."""

        def meanwhile() -> None:
            self.post({"batch": list(messages)}, correlation_id=correlation_id)

        self.store.before_write = meanwhile

    def effects(self, action: str) -> list[Effect]:
        """What was planned under this name, in the order in which it was stored."""
        return [e for e in self.store.all("effect").values() if e.action == action]

    def mails(self) -> list[Effect]:
        """The mails that were planned, in the order in which they were stored."""
        return [e for e in self.store.all("effect").values() if e.kind == "mail"]

    def calls(self) -> list[tuple[str, int]]:
        """The calls so far, which are forgotten; reading to look at the result counts, too."""
        calls: list[tuple[str, int]] = [*self.store.calls]
        self.store.calls.clear()
        return calls

    def call_names(self) -> list[str]:
        """As ``calls``, by name alone."""
        return [name for name, _ in self.calls()]


def bought(user: str, order_id: str, *, days_ago: int = 0, total: str = "30.00") -> Raw:
    """An order of a customer."""
    at = NOW - days_ago * DAY_SECONDS
    return order_event("Order Completed", order_id, total=total, user=user, at=at)


def accepted(answer: Mapping[str, Any]) -> int:
    """How many messages were accepted, when none was refused."""
    assert answer["rejected"] == []
    count: int = answer["accepted"]
    return count


def segments(shop: Shop) -> list[tuple[str | None, str]]:
    """The announced changes, from and to."""
    return [(e.payload["previous"], e.payload["segment"]) for e in shop.effects("Segment Changed")]
