"""The policy: one document that says what may be done for whom, named by its content hash."""

from __future__ import annotations

import tomllib
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from chalicelib.core.canonical import content_hash
from chalicelib.core.contact_policy import ContactPolicy
from chalicelib.core.errors import BadInput, FieldError
from chalicelib.core.law import Mode
from chalicelib.core.money import LARGEST_AMOUNT_MINOR, MINOR_DIGITS

Placement = Literal["checkout", "mail", "batch"]
Trigger = Literal["segment_changed", "cart_abandoned"]
_NAME = r"^[a-z0-9][a-z0-9-]{0,47}$"
_SEGMENT = r"^[a-z][a-z0-9_]{0,47}$"
BASE_TIER = "base"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OfferLimits(_Part):
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


class OfferTerms(_Part):
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


class MailTreatment(_Part):
    """How an action is told by mail."""

    template: str = Field(pattern=_NAME)
    purpose: Literal["transactional", "marketing_email"] = "marketing_email"
    repeat_after_days: int = Field(ge=1, le=365)


class Action(_Part):
    """One thing that may be done; the conditions stand in the order in which they are asked.

    Eligibility: ``segments``. Applicability: ``placements``, ``triggers``, ``min_cart_minor``.
    Suitability: ``min_churn``, ``max_expected_orders``. Arbitration: ``propensity × value_minor``.
    """

    id: str = Field(pattern=_NAME)
    placements: tuple[Placement, ...] = Field(min_length=1)
    triggers: tuple[Trigger, ...] = ()
    segments: tuple[str, ...] = ()
    min_cart_minor: int = Field(default=0, ge=0)
    min_churn: float | None = Field(default=None, ge=0, le=1)
    max_expected_orders: float | None = Field(default=None, ge=0)
    propensity: float = Field(gt=0, le=1)
    value_minor: int = Field(ge=0)
    offer: OfferTerms | None = None
    mail: MailTreatment | None = None

    @model_validator(mode="after")
    def _mail_reaches_somewhere(self) -> Action:
        if "mail" in self.placements and self.mail is None:
            raise ValueError("mail: the placement mail needs a mail treatment")
        if self.triggers and "mail" not in self.placements:
            raise ValueError("triggers: only actions of the placement mail can be triggered")
        return self

    @property
    def priority(self) -> float:
        """What arbitration ranks by: the expected value in minor units."""
        return self.propensity * self.value_minor


class PriceTier(_Part):
    """A personal price level: so many basis points below the published price."""

    name: str = Field(pattern=_NAME)
    segments: tuple[str, ...] = Field(min_length=1)
    min_churn: float | None = Field(default=None, ge=0, le=1)
    discount_basis_points: int = Field(ge=1, le=10_000)


class ScorecardRule(_Part):
    """One RFM rule of the fallback scorecard; the first rule that holds names the segment."""

    segment: str = Field(pattern=_SEGMENT)
    max_recency_days: float | None = Field(default=None, ge=0)
    min_recency_days: float | None = Field(default=None, ge=0)
    min_frequency: float | None = Field(default=None, ge=0)
    min_monetary_minor: float | None = Field(default=None, ge=0)
    max_tenure_days: float | None = Field(default=None, ge=0)


class Holdout(_Part):
    """The global holdout: customers for whom nothing is personalised, to measure against."""

    share_percent: float = Field(ge=0, le=50)
    salt: str = Field(min_length=1, max_length=64)


class Fallback(_Part):
    """The action that a placement shows when nothing else survives; it carries no offer."""

    action: str = Field(pattern=_NAME)


class Policy(_Part):
    """The whole document."""

    schema_version: Literal[1]
    name: str = Field(pattern=_NAME)
    default_currency: str
    price_mode: Mode = "discount_only"
    quote_valid_seconds: int = Field(ge=60, le=86_400)
    cart_abandoned_after_seconds: int = Field(ge=60, le=7 * 86_400)
    unknown_segment: str = Field(pattern=_SEGMENT)
    offers_per_decision: int = Field(ge=0, le=5)
    holdout: Holdout
    contact_policy: ContactPolicy = ContactPolicy()
    fallbacks: dict[Placement, Fallback]
    scorecard: tuple[ScorecardRule, ...] = Field(min_length=1)
    price_tiers: tuple[PriceTier, ...] = ()
    actions: tuple[Action, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Policy:
        if self.default_currency not in MINOR_DIGITS:
            raise ValueError("default_currency: must be an ISO 4217 code such as USD")
        ids = [action.id for action in self.actions]
        names = [tier.name for tier in self.price_tiers]
        for field, values in (("actions.id", ids), ("price_tiers.name", names)):
            twice = {value for value in values if values.count(value) > 1}
            if twice:
                raise ValueError(f"{field}: {min(twice)} stands twice")
        if BASE_TIER in names:
            raise ValueError(f"price_tiers.name: {BASE_TIER} is the published price")
        last = self.scorecard[-1]
        if last.model_dump(exclude={"segment"}, exclude_none=True):
            raise ValueError("scorecard: the last rule must hold for everyone")
        return self

    @model_validator(mode="after")
    def _falls_back_everywhere(self) -> Policy:
        ids = {action.id for action in self.actions}
        for placement in ("checkout", "mail", "batch"):
            if placement not in self.fallbacks:
                raise ValueError(f"fallbacks.{placement}: every placement needs a fallback action")
            if self.fallbacks[placement].action in ids:
                raise ValueError(
                    f"fallbacks.{placement}.action: is already an action with conditions"
                )
        return self

    @model_validator(mode="after")
    def _strangers_get_no_more_than_there_is(self) -> Policy:
        """Whoever is unknown may ask again under another name, so such an offer needs an end."""
        for index, action in enumerate(self.actions):
            open_to_strangers = not action.segments or self.unknown_segment in action.segments
            if action.offer is None or "checkout" not in action.placements or not open_to_strangers:
                continue
            limits = action.offer.limits
            if limits.codes is limits.budget_minor is None:
                raise ValueError(
                    f"actions.{index}.offer.limits: an offer to the segment {self.unknown_segment} "
                    "needs codes or budget_minor; or name the segments that it is for"
                )
        return self

    @cached_property
    def hash(self) -> str:
        """``sha256:…`` of the canonical document."""
        return content_hash(self.model_dump(mode="json"))

    @cached_property
    def churn_thresholds(self) -> tuple[float, ...]:
        """Every churn probability at which a decision may change."""
        stated = [action.min_churn for action in self.actions]
        stated += [tier.min_churn for tier in self.price_tiers]
        return tuple(sorted({value for value in stated if value is not None}))

    def actions_at(self, placement: str) -> tuple[Action, ...]:
        """The actions that a placement knows, in document order."""
        return self._by_placement.get(placement, ())

    @cached_property
    def _by_placement(self) -> dict[str, tuple[Action, ...]]:
        return {
            placement: tuple(a for a in self.actions if placement in a.placements)
            for placement in ("checkout", "mail", "batch")
        }

    def limits_of(self, action_id: str) -> OfferLimits:
        """The limits of an action's offer; those of an offer without any where it has none."""
        action = self.action(action_id)
        return OfferLimits() if action is None or action.offer is None else action.offer.limits

    def action(self, action_id: str) -> Action | None:
        """The action with this id."""
        return next((action for action in self.actions if action.id == action_id), None)


def policy_from_json(document: Any) -> Policy:
    """Validate a decoded document; raises BadInput naming the path of each error."""
    try:
        return Policy.model_validate(document)
    except ValidationError as error:
        raise BadInput(
            *(
                FieldError(".".join(map(str, item["loc"])) or "policy", item["msg"])
                for item in error.errors(include_url=False)
            )
        ) from None


def policy_from_toml(text: str) -> Policy:
    """Read a policy as a person writes it; raises BadInput."""
    try:
        return policy_from_json(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadInput.of("policy", f"is not TOML: {error}") from None
