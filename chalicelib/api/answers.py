"""What the interface answers, as models: OpenAPI is built from them, tests hold answers to them.

Nothing at runtime needs them, so a checkout never imports this module.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Moment = Annotated[
    str, Field(json_schema_extra={"format": "date-time", "examples": ["2026-11-22T09:30:00Z"]})
]
Amount = Annotated[int, Field(description="Minor units: 1999 is 19.99 USD.")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FieldProblem(_Part):
    """One thing that is wrong, and the fix."""

    field: str
    problem: str


class Problem(_Part):
    """An RFC 9457 problem document.

    The gateway answers some refusals itself, before Segue sees them; those have ``type``,
    ``title``, ``status`` and ``detail`` alone.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:segue:problem:invalid",
                    "title": "Unprocessable Content",
                    "status": 422,
                    "detail": "Something in the request is not valid.",
                    "instance": "urn:segue:request:0190c0ffee00aa55",
                    "errors": [
                        {
                            "field": "context.currency",
                            "problem": "is required with a cart, such as USD",
                        }
                    ],
                }
            ]
        },
    )

    type: str
    title: str
    status: int = 0
    detail: str
    instance: str = ""
    errors: list[FieldProblem] = []
    reason: str = ""


class Segment(_Part):
    """Where the customer stands; ``fallback`` when the model did not say so."""

    name: str
    model: str
    fallback: bool


class Scores(_Part):
    """Propensities over the model's horizon; null where no model served or nothing may be read."""

    churn: float | None = Field(description="Probability of no order.")
    expected_orders: float | None


class PricedLine(_Part):
    """One line as priced; ``reason`` where something about it was special."""

    sku: str
    quantity: int
    base_unit_price: Amount
    unit_price: Amount
    reason: str = ""


class Price(_Part):
    """The cart as priced; ``quote`` proves it until ``expires_at`` of the answer."""

    tier: str = Field(description="base is the published price.")
    reason: str
    mode: Literal["allow", "disclose", "discount_only", "ban"] | None
    currency: str
    disclosures: list[str] = Field(description="Exact texts that must stand with the price.")
    lines: list[PricedLine]
    total: Amount
    quote: str | None


class Offer(_Part):
    """An offer with its unique code."""

    action: str
    code: str
    kind: Literal["percent_off", "amount_off", "free_shipping"]
    value: int = Field(description="Percent, minor units, or 0 for free shipping.")
    expires_at: Moment


class Reason(_Part):
    """What became of one action, and the layer of the engagement policy that said so."""

    action: str
    outcome: Literal["chosen", "rejected"]
    layer: str
    reason: str


class Experiment(_Part):
    """Whether nothing was personalised, to measure against."""

    holdout: bool
    arms: dict[str, str]


class Decision(_Part):
    """The next right action for this checkout."""

    decision_id: str
    customer_id: str = ""
    anonymous_id: str = ""
    degraded: bool = Field(
        description="Storage did not answer in time: the cart's own prices, no offer, no quote."
    )
    segment: Segment
    scores: Scores
    price: Price | None = Field(description="Null without a cart.")
    offers: list[Offer]
    reasons: list[Reason]
    experiment: Experiment
    policy: str
    expires_at: Moment


class RecordedModel(_Part):
    """The model that scored."""

    name: str
    hash: str


class DecisionRecord(_Part):
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


class Replay(_Part):
    """Whether the same inputs still give the same decision."""

    same: bool
    differences: list[str] = Field(description="Names of the parts that came out otherwise.")


class QuotedLine(_Part):
    """One line of a quote."""

    sku: str
    quantity: int
    unit_price: Amount


class QuoteVerdict(_Part):
    """Whether a quote still holds; of one that we did not sign, nothing is said."""

    valid: bool
    reason: Literal["not_signed_here", "expired"] | None
    decision_id: str = ""
    currency: str = ""
    lines: list[QuotedLine] = []
    total: Amount = 0
    expires_at: Moment = ""


class RejectedMessage(_Part):
    """A message that was refused, by its place in the body."""

    index: int
    errors: list[FieldProblem]


class EventsAccepted(_Part):
    """What became of each message; only the rejected ones need to be sent again, corrected."""

    accepted: int
    duplicates: int
    rejected: list[RejectedMessage]


class Order(_Part):
    """One order that counts."""

    at: Moment
    amount: Amount
    currency: str


class Viewed(_Part):
    """The last product viewed."""

    at: Moment
    sku: str


class Facts(_Part):
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


class Consent(_Part):
    """What they said of one purpose; null where they never said anything."""

    granted: bool | None
    said_at: Moment | None


class RecentDecision(_Part):
    """A decision in a line."""

    decision_id: str
    decided_at: Moment
    placement: str
    trigger: str | None
    segment: str
    tier: str
    actions: list[str]


class Message(_Part):
    """A mail that a decision planned, and where it stands."""

    effect_id: str
    decision_id: str | None
    action: str
    state: str
    reason: str | None
    planned_at: Moment
    changed_at: Moment | None


class Customer(_Part):
    """What is known of a customer; never an address or a name."""

    customer_id: str
    segment: Segment
    scores: Scores
    facts: Facts | None
    consent: dict[str, Consent]
    has_address: bool
    decisions: list[RecentDecision]
    messages: list[Message]


class Drop(_Part):
    """A dropped file: where it stands, and how its records add up."""

    drop_id: str
    key: str
    state: Literal["RUNNING", "COMPLETE", "REJECTED"]
    as_of: Moment
    started_at: Moment
    changed_at: Moment
    counts: dict[str, int]
    reason: str | None


class HealthModel(_Part):
    """The scorer that serves; ``rejected`` names why it is not the packaged model."""

    name: str
    hash: str
    engine: Literal["portable", "joblib", "scorecard"]
    fallback: bool
    rejected: str | None


class Health(_Part):
    """What runs here."""

    status: Literal["ok", "fallback"]
    version: str
    python: str
    model: HealthModel
    policy: str
    jurisdictions: str
