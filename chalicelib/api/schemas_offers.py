"""What may be asked of a code; closed models as in ``schemas``."""

from __future__ import annotations

from pydantic import ConfigDict, Field, model_validator

from chalicelib.api.schemas import Currency, Id, Part, Reference, field_error
from chalicelib.core.money import LARGEST_AMOUNT_MINOR


class ReleaseRequest(Part):
    """A cart gives a code free."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"customer_id": "c-123", "order_id": "o-1"}],
            "oneOf": [{"required": ["customer_id"]}, {"required": ["anonymous_id"]}],
        }
    )

    customer_id: Id | None = Field(default=None, description="Whose code it is.")
    anonymous_id: Id | None = Field(default=None, description="The guest whose code it is.")
    order_id: Id = Field(description="The cart or order; the same one in every call about it.")

    @model_validator(mode="after")
    def _names_one_person(self) -> ReleaseRequest:
        if self.customer_id is None and self.anonymous_id is None:
            raise field_error("customer_id", "or anonymous_id must be given")
        if self.customer_id is not None and self.anonymous_id is not None:
            raise field_error("anonymous_id", "must be left out when customer_id is given")
        return self


class OfferRequest(ReleaseRequest):
    """A cart locks a code, or an order uses it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"customer_id": "c-123", "order_id": "o-1", "amount": 199, "currency": "USD"}
            ],
            "oneOf": [{"required": ["customer_id"]}, {"required": ["anonymous_id"]}],
        }
    )

    amount: int = Field(
        ge=0,
        le=LARGEST_AMOUNT_MINOR,
        description="The discount that the code gives here, in minor units: 199 for 1.99 USD.",
    )
    currency: Currency = Field(description="ISO 4217; the policy's, in which budgets are.")


class RevokeRequest(Part):
    """An operator takes a code back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "leaked 2026-11-27"}]})

    reason: Reference = Field(description="Why, such as a ticket's number; it names no person.")
