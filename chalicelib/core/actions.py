"""Actions of a policy: what may be proposed, to whom, what it is worth, how a place shows it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from chalicelib.core.money import LARGEST_AMOUNT_MINOR

Placement = Literal["checkout", "mail", "batch", "home", "product", "chat"]
PLACEMENTS: tuple[Placement, ...] = ("checkout", "mail", "batch", "home", "product", "chat")
# Where a caller asks and is answered; at the others nobody waits, and mail goes out.
AskedAt = Literal["checkout", "home", "product", "chat"]
ASKED_PLACEMENTS: tuple[Placement, ...] = ("checkout", "home", "product", "chat")
REACHED_AT: frozenset[Placement] = frozenset({"mail", "batch"})
Trigger = Literal["segment_changed", "cart_abandoned"]
NAME = r"^[a-z0-9][a-z0-9-]{0,47}$"
REASON = r"^[a-z][a-z0-9_]{0,47}$"
LARGEST_FACTOR = 1_000.0
MOST_CONTENT_BYTES = 4_096
Scalar = str | int | float | bool


class Part(BaseModel):
    """A closed part of the policy: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class OfferLimits(Part):
    """How much of an offer there is; what is left out has no limit.

    Issuing a code counts against ``codes`` and ``codes_per_customer``. The budget, in minor units
    of the policy's currency, is held when a cart reserves a code and spent when an order uses it.
    """

    redemptions_per_code: int = Field(default=1, ge=1, le=100)
    codes_per_customer: int | None = Field(default=None, ge=1)
    codes: int | None = Field(default=None, ge=1)
    budget_minor: int | None = Field(default=None, ge=1, le=LARGEST_AMOUNT_MINOR)
    lock_minutes: int = Field(default=15, ge=1, le=24 * 60)

    @model_validator(mode="after")
    def _fits_together(self) -> OfferLimits:
        if (self.codes_per_customer or 0) > (self.codes or self.codes_per_customer or 0):
            raise ValueError("codes_per_customer: must be at most codes")
        return self

    @property
    def limit_anything(self) -> bool:
        """Whether issuing a code has to look at any of these."""
        return not (self.codes is self.codes_per_customer is self.budget_minor is None)


class OfferTerms(Part):
    """What an action offers: a percentage, an amount in minor units, or free shipping."""

    kind: Literal["percent_off", "amount_off", "free_shipping"]
    value: int = Field(ge=0)
    valid_days: int = Field(ge=1, le=365)
    limits: OfferLimits = OfferLimits()

    @model_validator(mode="after")
    def _value_fits_kind(self) -> OfferTerms:
        if self.kind == "percent_off" and not 1 <= self.value <= 100:
            raise ValueError("value: must be 1 to 100 percent")
        if self.kind == "amount_off" and self.value < 1:
            raise ValueError("value: must be at least one minor unit")
        if self.kind == "free_shipping" and self.value != 0:
            raise ValueError("value: must be 0 for free_shipping")
        budget_minor = self.limits.budget_minor
        if self.kind == "amount_off" and budget_minor is not None and budget_minor < self.value:
            raise ValueError("limits.budget_minor: must be at least value")
        return self


class MailTreatment(Part):
    """How an action is told by mail."""

    template: str = Field(pattern=NAME)
    purpose: Literal["transactional", "marketing_email"] = "marketing_email"
    repeat_after_days: int = Field(ge=1, le=365)


class Requirement(Part):
    """A condition in the policy's language, and the reason code where it does not hold.

    Without a ``reason`` the code names the first feature that stood in the way, such as
    ``churn_not_met`` or ``churn_unknown``.
    """

    when: str = Field(min_length=1)
    reason: str | None = Field(default=None, pattern=REASON)


def _spelt_out(value: Any) -> Any:
    return {"when": value} if isinstance(value, str) else value


Requirements = tuple[Annotated[Requirement, BeforeValidator(_spelt_out)], ...]


class Weight(Part):
    """How much more or less an action is worth in some context; all that hold are multiplied."""

    when: str = Field(min_length=1)
    weight: float = Field(ge=0, le=LARGEST_FACTOR, allow_inf_nan=False)


class Treatment(Part):
    """What a place renders of an action: opaque to Segue, handed over as it stands."""

    content: dict[str, Scalar] = Field(min_length=1, max_length=32)

    @model_validator(mode="after")
    def _stays_small(self) -> Treatment:
        size = sum(len(name) + len(str(value)) for name, value in self.content.items())
        if size > MOST_CONTENT_BYTES:
            raise ValueError(f"content: must be at most {MOST_CONTENT_BYTES} characters in all")
        return self


class Action(Part):
    """One thing that may be done; the conditions stand in the order in which they are asked.

    Eligibility (may they ever have it): ``segments``, ``eligibility``. Applicability (is it
    relevant now): ``placements``, ``triggers``, ``min_cart_minor``, ``applicability``. Suitability
    (is it right for them): ``min_churn``, ``max_expected_orders``, ``suitability``. Arbitration:
    ``propensity × weights × (value_minor − cost_minor) × lever``.

    Attributes:
        propensity: probability of acceptance, until outcomes have taught a better one.
        cost_minor: what an acceptance costs besides the offer, in minor units.
        lever: the business's own factor.
        treatments: what a place renders; a mail is told by ``mail``.
    """

    id: str = Field(pattern=NAME)
    placements: tuple[Placement, ...] = Field(min_length=1)
    triggers: tuple[Trigger, ...] = ()
    segments: tuple[str, ...] = ()
    eligibility: Requirements = ()
    min_cart_minor: int = Field(default=0, ge=0)
    applicability: Requirements = ()
    min_churn: float | None = Field(default=None, ge=0, le=1)
    max_expected_orders: float | None = Field(default=None, ge=0)
    suitability: Requirements = ()
    propensity: float = Field(gt=0, le=1)
    value_minor: int = Field(ge=0, le=LARGEST_AMOUNT_MINOR)
    cost_minor: int = Field(default=0, ge=0, le=LARGEST_AMOUNT_MINOR)
    lever: float = Field(default=1.0, ge=0, le=LARGEST_FACTOR, allow_inf_nan=False)
    weights: tuple[Weight, ...] = ()
    offer: OfferTerms | None = None
    mail: MailTreatment | None = None
    treatments: dict[Placement, Treatment] = {}

    @model_validator(mode="after")
    def _is_shown_somewhere(self) -> Action:
        if "mail" in self.placements and self.mail is None:
            raise ValueError("mail: the placement mail needs a mail treatment")
        if self.triggers and "mail" not in self.placements:
            raise ValueError("triggers: only actions of the placement mail can be triggered")
        for placement in self.treatments:
            if placement == "mail":
                raise ValueError("treatments.mail: a mail is told by the table mail")
            if placement not in self.placements:
                raise ValueError(f"treatments.{placement}: stands for no placement of the action")
        return self

    @property
    def touches_a_price(self) -> bool:
        """Whether it changes what somebody pays: then no protected attribute may be asked."""
        return self.offer is not None
