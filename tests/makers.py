"""Builders of messages, facts and rules, for whoever tests what happens to a profile."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.core.canonical import content_hash
from chalicelib.core.contact import Contact, Stamped
from chalicelib.core.facts import Facts
from chalicelib.core.features import Features
from chalicelib.core.fold import recount
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.orders import Amount, OrderState
from chalicelib.core.rules import Rules
from chalicelib.core.scores import Scores
from chalicelib.core.subject import Subject, customer
from tests.unit.core.situations import NOW, shipped_rules

__all__ = [
    "DAY_SECONDS",
    "HOUR_SECONDS",
    "NOW",
    "SilenceScorer",
    "contact",
    "facts_with_orders",
    "identify",
    "order_event",
    "rules_with",
    "shipped_rules",
    "track",
]

HOUR_SECONDS = 3600
Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SilenceScorer:
    """Names a segment by days of silence alone; churn grows with them.

    Attributes:
        at_risk_after_days: when ``loyal`` becomes ``at_risk``.
        hibernating_after_days: when ``at_risk`` becomes ``hibernating``.
        churn_days: churn is 1 - exp(-days of silence / churn_days).
    """

    at_risk_after_days: float = 60
    hibernating_after_days: float = 200
    churn_days: float = 60
    name: str = "silence-1.0.0"
    hash: str = "sha256:silence"
    currency: str = "USD"
    segments: tuple[str, ...] = ("loyal", "at_risk", "hibernating")

    def score(self, features: Features) -> Scores:
        """Score by recency."""
        days = features.recency_days or 0.0
        reached = (days >= self.at_risk_after_days) + (days >= self.hibernating_after_days)
        churn = 1 - math.exp(-days / self.churn_days)
        return Scores(self.segments[reached], churn, 2 * (1 - churn), self.name)


def rules_with(scorer: Any = None, **policy_changes: Any) -> Rules:
    """The shipped policy and law without a holdout, and a scorer that can be read at a glance."""
    return replace(shipped_rules(**policy_changes), scorer=scorer or SilenceScorer())


def track(
    event: str,
    *,
    at: int = NOW,
    user: str | None = None,
    visitor: str | None = None,
    message_id: str | None = None,
    **properties: Any,
) -> Raw:
    """A "track" message as Segment's libraries send it."""
    body: Raw = {"type": "track", "event": event, "properties": properties}
    return _enveloped(body, at, user, visitor, message_id)


def identify(
    *,
    at: int = NOW,
    user: str | None = None,
    visitor: str | None = None,
    message_id: str | None = None,
    **traits: Any,
) -> Raw:
    """An "identify" message."""
    return _enveloped({"type": "identify", "traits": traits}, at, user, visitor, message_id)


def order_event(
    name: str,
    order_id: str,
    *,
    total: float | str | None = None,
    at: int = NOW,
    user: str | None = None,
    visitor: str | None = None,
    message_id: str | None = None,
    **properties: Any,
) -> Raw:
    """What is said of an order: "Order Completed", "Order Updated" and so on."""
    said = {"order_id": order_id, **({} if total is None else {"total": total}), **properties}
    body: Raw = {"type": "track", "event": name, "properties": said}
    return _enveloped(body, at, user, visitor, message_id)


def _enveloped(
    body: Raw, at: int, user: str | None, visitor: str | None, message_id: str | None
) -> Raw:
    message = {**body, "timestamp": format_instant(at)}
    if user is not None:
        message["userId"] = user
    if visitor is not None:
        message["anonymousId"] = visitor
    # Different content, different message, as with a library that numbers its messages.
    message["messageId"] = message_id or f"m-{content_hash(message)[7:23]}"
    return message


def facts_with_orders(
    *, last_at: int, count: int = 3, subject: Subject | None = None, gap_days: int = 30
) -> Facts:
    """A customer with evenly spaced orders of 30.00 USD, the last of them at ``last_at``."""
    facts = Facts(subject or customer("c-1"))
    for nth in range(count):
        amount = Amount(last_at - gap_days * nth * DAY_SECONDS, 3000, "USD")
        order = OrderState(f"o-{nth}", facts.subject.key, completed=amount)
        facts = recount(facts, before=None, after=order)
    return facts


def contact(
    email: str | None, *, subject: Subject | None = None, at: int = NOW, **fields: Any
) -> Contact:
    """A customer with an address who agrees to marketing mail unless told otherwise."""
    said = {"consent_marketing_email": True, "country": "US", **fields}
    if email is not None:
        said["email"] = email
    stamped = {name: Stamped(value, at) for name, value in said.items()}
    return Contact(subject or customer("c-1"), fields=stamped)
