"""What a checkout and a sender of events are answered, as models; ``views`` has what is looked up.

OpenAPI is built from them, and tests hold real answers to them. Nothing at runtime needs them, so
a checkout never imports this module. A default stands where a field may be left out.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Moment = Annotated[
    str, Field(json_schema_extra={"format": "date-time", "examples": ["2026-11-22T09:30:00Z"]})
]

Amount = Annotated[int, Field(description="Minor units: 1999 is 19.99 USD.")]


class Part(BaseModel):
    """A closed object."""

    model_config = ConfigDict(extra="forbid")


class FieldProblem(Part):
    """One thing that is wrong, and the fix."""

    field: str
    problem: str


class Problem(Part):
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


class Segment(Part):
    """Where the customer stands; ``fallback`` when the model did not say so."""

    name: str
    model: str
    fallback: bool


class Scores(Part):
    """Propensities over the model's horizon; null where no model served or nothing may be read."""

    churn: float | None = Field(description="Probability of no order.")
    expected_orders: float | None


class PricedLine(Part):
    """One line as priced; ``reason`` where something about it was special."""

    sku: str
    quantity: int
    base_unit_price: Amount
    unit_price: Amount
    reason: str = ""
    was: Amount = Field(
        default=0,
        description="Lowest published price of the last 30 days, now included, in minor units. "
        "It stands here only where 30 days are known and the unit price lies below it; without it "
        "no reduction may be announced.",
    )
    percent_off: int = Field(
        default=0, description="The reduction from ``was`` in whole percent, rounded down."
    )
    adjustments: list[str] = Field(
        default=[], description="Rules of stock and demand that moved the discount."
    )


class Price(Part):
    """The cart as priced; ``quote`` proves it until ``expires_at`` of the answer."""

    tier: str = Field(description="base is the published price.")
    reason: str
    mode: Literal["allow", "disclose", "discount_only", "ban"] | None
    currency: str
    disclosures: list[str] = Field(description="Exact texts that must stand with the price.")
    lines: list[PricedLine]
    total: Amount
    quote: str | None


class Terms(Part):
    """What an offer gives, and what a cart must hold for it; the shop applies it.

    What may be left out is left out where it says nothing.
    """

    action: str
    code: str
    kind: Literal["percent_off", "amount_off", "free_shipping", "gift", "early_access"]
    value: int = Field(description="Percent, minor units, or 0 for the other kinds.")
    min_spend: Amount = 0
    skus: list[str] = Field(default=[], description="It is about these articles alone,")
    categories: list[str] = Field(
        default=[], description="and those of these categories; without either, about all."
    )
    gift_sku: str = Field(default="", description="The article that a gift is.")
    access: str = Field(default="", description="What early access opens, in the shop's own name.")
    exclusive: bool = Field(
        default=False, description="Nothing else may be taken off beside it in the same order."
    )


class Offer(Terms):
    """An offer with its unique code."""

    expires_at: Moment


class Reason(Part):
    """What became of one action, and the layer of the engagement policy that said so.

    The action ``cart_price``, with the article's ``sku``, stands for a price in the cart that is
    not the catalogue's.
    """

    action: str
    outcome: Literal["chosen", "rejected"]
    layer: str
    reason: str
    sku: str = ""


class Experiment(Part):
    """Whether nothing was personalised, to measure against, and the arms of experiments."""

    holdout: bool
    arms: dict[str, str] = Field(description="The arm that the customer is in, by experiment.")
    not_running: list[str] = Field(
        default=[],
        description="Experiments whose policy or model could not be used; the champion decided.",
    )


class Treatment(Part):
    """What a place renders of one action: opaque to Segue."""

    action: str
    content: dict[str, str | int | float | bool]


class Decision(Part):
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
    treatments: list[Treatment] = Field(
        description="What the place renders of the actions that won, as the policy spells it."
    )
    reasons: list[Reason]
    experiment: Experiment
    policy: str
    expires_at: Moment


class QuotedLine(Part):
    """One line of a quote."""

    sku: str
    quantity: int
    unit_price: Amount


class QuoteVerdict(Part):
    """Whether a quote still holds; of one that we did not sign, nothing is said."""

    valid: bool
    reason: Literal["not_signed_here", "expired"] | None
    decision_id: str = ""
    currency: str = ""
    lines: list[QuotedLine] = []
    total: Amount = 0
    expires_at: Moment = ""


class OfferStanding(Terms):
    """How a code stands, and one order's part in it.

    Checked are the code's state, whose it is, its budget, the currency, and that the amount is at
    most ``value`` of an amount off and 0 of early access. What is in the cart is not known here:
    that the articles are in scope, come to the minimum spend and get no more than the percentage
    is for the shop to see, by these terms.
    """

    state: Literal["live", "reserved", "redeemed", "rolled_back", "expired", "revoked"]
    order_id: str
    amount: Amount = Field(description="The discount that this order holds or has used.")
    rolled_back: Amount = Field(description="How much of it was given back.")
    currency: str
    redemptions_left: int
    reserved_until: Moment | None
    expires_at: Moment


class OfferRevoked(Part):
    """A code that was taken back, as it was when that was done first."""

    code: str
    action: str
    state: Literal["revoked"]
    reason: str | None
    revoked_at: Moment
    redeemed: int = Field(description="How many orders had used it before; they stay as they are.")
    expires_at: Moment


class RejectedMessage(Part):
    """A message that was refused, by its place in the body."""

    index: int
    errors: list[FieldProblem]


class EventsAccepted(Part):
    """What became of each message; only the rejected ones need to be sent again, corrected."""

    accepted: int
    duplicates: int
    rejected: list[RejectedMessage]
