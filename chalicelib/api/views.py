"""What is looked up, as models: decision records, customers, drops, health."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from chalicelib.api.answers import Amount, Moment, Part, Reason, Scores, Segment


class RecordedModel(Part):
    """The model that scored."""

    name: str
    hash: str


class DecisionRecord(Part):
    """Everything that a decision was made from, and everything that came of it."""

    decision_id: str
    customer_id: str = ""
    anonymous_id: str = ""
    decided_at: Moment
    placement: Literal["checkout", "mail", "batch"]
    trigger: str | None
    correlation_id: str
    policy: str
    jurisdictions: str
    model: RecordedModel
    situation: dict[str, Any]
    decision: dict[str, Any]
    reasons: list[Reason]


class Replay(Part):
    """Whether the same inputs still give the same decision."""

    same: bool
    differences: list[str] = Field(description="Names of the parts that came out otherwise.")


class Order(Part):
    """One order that counts."""

    at: Moment
    amount: Amount
    currency: str


class Viewed(Part):
    """The last product viewed."""

    at: Moment
    sku: str


class Facts(Part):
    """What a customer did."""

    orders: int
    first_order_at: Moment | None
    last_order_at: Moment | None
    recent_orders: list[Order]
    older_amounts: dict[str, int]
    last_seen_at: Moment | None
    last_checkout_at: Moment | None
    last_product: Viewed | None
    announced_segment: str | None
    review_at: Moment | None


class Consent(Part):
    """What they said of one purpose; null where they never said anything."""

    granted: bool | None
    said_at: Moment | None


class RecentDecision(Part):
    """A decision in a line."""

    decision_id: str
    decided_at: Moment
    placement: str
    trigger: str | None
    segment: str
    tier: str
    actions: list[str]


class Message(Part):
    """A mail that a decision planned, and where it stands."""

    effect_id: str
    decision_id: str | None
    action: str
    state: str
    reason: str | None
    planned_at: Moment
    changed_at: Moment | None


class Customer(Part):
    """What is known of a customer; never an address or a name."""

    customer_id: str
    segment: Segment
    scores: Scores
    facts: Facts | None
    consent: dict[str, Consent]
    has_address: bool
    decisions: list[RecentDecision]
    messages: list[Message]


class ListedMessage(Part):
    """A mail, and where it stands; never an address."""

    effect_id: str
    action: str
    template: str | None
    purpose: str | None
    customer_id: str | None
    planned_at: Moment
    changed_at: Moment | None
    state: str
    reason: str | None = Field(description="Why it stands there, where there is a reason.")
    provider_id: str | None = Field(description="What the provider calls it, once it took it.")
    correlation_id: str


class MessageList(Part):
    """Mails by state, newest first."""

    messages: list[ListedMessage]
    next_cursor: str | None = Field(description="Gives the next page; null on the last.")


class Drop(Part):
    """A dropped file: where it stands, and how its records add up."""

    drop_id: str
    key: str
    state: Literal["RUNNING", "COMPLETE", "REJECTED"]
    as_of: Moment
    started_at: Moment
    changed_at: Moment
    counts: dict[str, int]
    reason: str | None


class HealthModel(Part):
    """The scorer that serves; ``rejected`` names why it is not the packaged model."""

    name: str
    hash: str
    engine: Literal["portable", "joblib", "scorecard"]
    fallback: bool
    rejected: str | None


class Health(Part):
    """What runs here."""

    status: Literal["ok", "fallback"]
    version: str
    python: str
    model: HealthModel
    policy: str
    jurisdictions: str
