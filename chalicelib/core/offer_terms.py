"""The terms of an offer as a policy states them: what it gives, where it applies, how much of it.

Terms are promised with the code: what a customer was told stands until the code ends, whatever the
policy says by then. A shop applies an offer; the terms in the answer say to what.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.money import LARGEST_AMOUNT_MINOR
from chalicelib.core.offers import ANY_CART, Offer, OfferKind, Scope
from chalicelib.core.parts import Part
from chalicelib.core.subject import LONGEST_ID

MOST_IN_SCOPE = 100


def _one_line(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise ValueError("must be printable, without blanks around it")
    return name


# A name in the shop's own books: never words of a person.
Reference = Annotated[str, Field(min_length=1, max_length=LONGEST_ID), AfterValidator(_one_line)]


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
    """What an action offers.

    Attributes:
        kind: what it gives.
        value: percent for ``percent_off``, minor units for ``amount_off``, 0 for the others.
        gift_sku: the article that a ``gift`` is.
        access: what ``early_access`` opens, in the shop's own name for it; opaque to Segue.
        access_until: the moment from which everybody has that access; codes end then at the latest.
        min_spend_minor: what a cart must hold of what is in scope, at the prices quoted.
        skus: the articles in scope.
        categories: the catalogue's categories in scope. With neither, everything is.
        stacking: ``exclusive`` for an offer beside which a decision makes no other.
        limits: how much of it there is.
    """

    kind: OfferKind
    value: int = Field(default=0, ge=0, le=LARGEST_AMOUNT_MINOR)
    valid_days: int = Field(ge=1, le=365)
    gift_sku: Reference | None = None
    access: Reference | None = None
    access_until: AwareDatetime | None = None
    min_spend_minor: int = Field(default=0, ge=0, le=LARGEST_AMOUNT_MINOR)
    skus: tuple[Reference, ...] = Field(default=(), max_length=MOST_IN_SCOPE)
    categories: tuple[Reference, ...] = Field(default=(), max_length=MOST_IN_SCOPE)
    stacking: Literal["joint", "exclusive"] = "joint"
    limits: OfferLimits = OfferLimits()

    @model_validator(mode="after")
    def _fits_its_kind(self) -> OfferTerms:
        for problem in (*self._wrong_value(), *self._wrong_parts()):
            raise ValueError(problem)
        return self

    def model_copy(
        self, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> OfferTerms:
        """A copy, changed without validation, that has nothing remembered of the original."""
        copied = super().model_copy(update=update, deep=deep)
        for name in vars(copied).keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied

    def _wrong_value(self) -> Iterator[str]:
        if self.kind == "percent_off" and not 1 <= self.value <= 100:
            yield "value: must be 1 to 100 percent"
        if self.kind == "amount_off" and self.value < 1:
            yield "value: must be at least one minor unit"
        if self.kind not in ("percent_off", "amount_off") and self.value != 0:
            yield f"value: must be 0 for {self.kind}"
        budget_minor = self.limits.budget_minor
        if self.kind == "amount_off" and budget_minor is not None and budget_minor < self.value:
            yield "limits.budget_minor: must be at least value"

    def _wrong_parts(self) -> Iterator[str]:
        for name, kind in (("gift_sku", "gift"), ("access", "early_access")):
            stated = getattr(self, name) is not None
            if stated != (self.kind == kind):
                yield f"{name}: is for the kind {kind}" if stated else f"{name}: is missing"
        if self.access_until is not None and self.kind != "early_access":
            yield "access_until: is for the kind early_access"

    @cached_property
    def scope(self) -> Scope:
        """What a cart must hold for the offer to apply."""
        if not (self.min_spend_minor or self.skus or self.categories):
            return ANY_CART
        return Scope(self.min_spend_minor, self.skus, self.categories)

    @cached_property
    def opens_to_all_at(self) -> int | None:
        """When early access is none any more, None where that is open."""
        return None if self.access_until is None else int(self.access_until.timestamp())


def promise(action_id: str, terms: OfferTerms, *, code: str, as_of: int) -> Offer:
    """A new offer on these terms, which then stand whatever the policy becomes."""
    expires_at = as_of + terms.valid_days * DAY_SECONDS
    if terms.opens_to_all_at is not None:
        expires_at = min(expires_at, terms.opens_to_all_at)
    return Offer(
        action=action_id,
        code=code,
        kind=terms.kind,
        value=terms.value,
        expires_at=expires_at,
        scope=terms.scope,
        gift_sku=terms.gift_sku,
        access=terms.access,
        exclusive=terms.stacking == "exclusive",
    )
