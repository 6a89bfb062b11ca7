"""What is looked up, as models: decision records, customers, drops, health."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from chalicelib.api.answers import Amount, Moment, Part, Reason, Scores, Segment
from chalicelib.core.actions import Placement


class RecordedModel(Part):
    """The model that scored."""

    name: str
    hash: str


class Explanation(Part):
    """A decision in words that the customer can be given."""

    procedure: list[str]
    factors: list[str]
    nearest_change: list[str] = Field(description="What would have led to another result.")
    review: str


class Review(Part):
    """That a person shall look at a decision."""

    decision_id: str
    requested_at: Moment
    key_id: str = Field(description="The key with which it was asked for.")


class DecisionRecord(Part):
    """Everything that a decision was made from, and everything that came of it."""

    decision_id: str
    customer_id: str = ""
    anonymous_id: str = ""
    decided_at: Moment
    placement: Placement
    trigger: str | None
    correlation_id: str
    erased_at: Moment = Field(default="", description="When the person was erased, where they were")
    intact: bool | None = Field(
        default=None,
        description="Whether it is to the byte what was written down; null where nobody looked.",
    )
    policy: str
    champion: str = Field(
        default="", description="The policy whose experiment let this one decide, where one did."
    )
    jurisdictions: str
    model: RecordedModel
    situation: dict[str, Any]
    decision: dict[str, Any]
    reasons: list[Reason]
    explanation: Explanation | None = None
    review: Review | None = Field(default=None, description="Null where nobody asked for one.")


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


class ConsentEntry(Part):
    """One entry of the consent ledger; ``hash`` covers all of it and ``previous``."""

    number: int
    purpose: str
    granted: bool
    basis: str | None = Field(description="Null where whoever told us did not say.")
    wording: str | None = Field(description="Null where whoever told us did not say.")
    source: str = Field(description="As told; event, file or link for what came in one of those.")
    said_at: Moment
    address_confirmed: bool
    recorded_at: Moment
    key_id: str | None
    reference: str | None = Field(
        description="What it came in where key_id is null: a request, a drop, or a mail's effect."
    )
    previous: str
    hash: str


class RecordedConsent(Part):
    """What became of a statement, and what now holds for its purpose.

    ``granted`` stays false where the owner of the address withdrew and has not confirmed the grant.
    """

    entry: ConsentEntry
    repeated: bool = Field(description="The very same statement stood there before.")
    purpose: str
    granted: bool | None
    said_at: Moment | None


class Erasure(Part):
    """How far an erasure has come, and what this call deleted or stripped of the person."""

    state: Literal["ERASED", "ERASING"]
    erased_at: Moment
    counts: dict[str, int]


class Control(Part):
    """The kill switches; not ``agreed`` when a flip was cut short: repeat it."""

    sending: bool
    pricing: bool
    offers: bool
    agreed: bool


class Said(Part):
    """A value and when it was said."""

    value: Any
    said_at: Moment


class ExportedEffect(Part):
    """What was planned for a customer, and what became of it."""

    effect_id: str
    kind: str
    action: str
    decision_id: str | None
    state: str
    reason: str | None
    planned_at: Moment
    payload: dict[str, Any]


class ExportedUse(Part):
    """One order's use of a code; amounts are minor units."""

    order_id: str
    state: Literal["reserved", "redeemed", "rolled_back"]
    amount: int
    rolled_back: int


class ExportedCoupon(Part):
    """A code that a customer was given."""

    action: str
    code: str
    kind: str
    value: int
    expires_at: Moment
    issued_at: Moment
    state: str
    uses: list[ExportedUse]


class Export(Part):
    """Everything that is stored of a customer; ``left_out`` counts what one answer cannot hold."""

    customer_id: str
    guests: list[str]
    facts: dict[str, Any] | None
    contact: dict[str, Said]
    supplied: dict[str, Said]
    withdrawn: dict[str, Moment]
    consent_ledger: list[ConsentEntry]
    consent_ledger_intact: bool
    address_ledger: list[ConsentEntry] = Field(
        description="What the owner of the address said by links in mails, for every account."
    )
    address_ledger_intact: bool
    orders: list[dict[str, Any]]
    decisions: list[DecisionRecord]
    effects: list[ExportedEffect]
    coupons: list[ExportedCoupon]
    codes_issued: dict[str, int] = Field(
        description="How many codes they were given by action, where the policy limits that."
    )
    left_out: dict[str, int]


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


class DropProgress(Part):
    """How far a drop has come, and when it will be done."""

    phase: Literal["fetching", "reading", "folding", "scoring", "finishing"] | None
    records: int | None = Field(
        description="How many there are, as far as they were read; null while none was."
    )
    done: int = Field(description="How many were folded, known already, or rejected.")
    rejected: int
    records_per_second: float | None = Field(
        description="In this phase; null where it cannot be known."
    )
    seconds_left: int | None = Field(
        description="Until all records are done with, at that pace; null where it cannot be known."
    )
    parts: int | None = Field(description="Of a divided file, in this phase; else null.")
    parts_done: int | None


class PartFailure(Part):
    """Why a part of a divided file failed."""

    part: str
    reason: str = Field(description="The class of the error, and its text where that is ours.")


class Drop(Part):
    """A dropped file: where it stands, and how its records add up."""

    drop_id: str
    key: str
    state: Literal["RUNNING", "COMPLETE", "PARTIAL", "REJECTED"]
    as_of: Moment
    started_at: Moment
    changed_at: Moment
    counts: dict[str, int]
    reason: str | None
    failed_parts: list[str] = Field(description="Of a PARTIAL drop, the first that failed.")
    failures: list[PartFailure] = Field(description="Why those of them failed that were worked on.")
    progress: DropProgress | None = Field(description="Null when it has come to its end.")


class DropList(Part):
    """Dropped files by when work on them began, newest first."""

    drops: list[Drop]
    next_cursor: str | None = Field(description="Gives the next page; null on the last.")


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
