"""Actions of a policy: what may be proposed, to whom, what it is worth, how a place shows it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from chalicelib.core.money import LARGEST_AMOUNT_MINOR
from chalicelib.core.offer_terms import OfferLimits as OfferLimits
from chalicelib.core.offer_terms import OfferTerms as OfferTerms
from chalicelib.core.parts import NAME as NAME
from chalicelib.core.parts import REASON
from chalicelib.core.parts import Part as Part

Placement = Literal["checkout", "mail", "batch", "home", "product", "chat"]
PLACEMENTS: tuple[Placement, ...] = ("checkout", "mail", "batch", "home", "product", "chat")
# Where a caller asks and is answered; at the others nobody waits, and mail goes out.
AskedAt = Literal["checkout", "home", "product", "chat"]
ASKED_PLACEMENTS: tuple[Placement, ...] = ("checkout", "home", "product", "chat")
REACHED_AT: frozenset[Placement] = frozenset({"mail", "batch"})
Trigger = Literal["segment_changed", "cart_abandoned"]
LARGEST_FACTOR = 1_000.0
MOST_CONTENT_BYTES = 4_096
Scalar = str | int | float | bool


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
        exclusion_groups: of each, one action at the most is chosen in a decision.
        before: actions that come only after this one, whatever their priority.
        control_share_percent: of the customers for whom it would compete, so many never have it.
        control_salt: another one deals the control group anew; without it the id is taken.
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
    treatments: dict[Placement, Treatment] = Field(default={})
    exclusion_groups: tuple[Annotated[str, Field(pattern=NAME)], ...] = ()
    before: tuple[str, ...] = ()
    control_share_percent: float = Field(default=0, ge=0, le=50, allow_inf_nan=False)
    control_salt: str | None = Field(default=None, min_length=1, max_length=64)

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
