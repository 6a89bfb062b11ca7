"""How a legacy export looks: a closed document in ``policies/mappings/``, one for each export."""

from __future__ import annotations

from collections.abc import Mapping as Document
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from chalicelib.core.errors import BadInput, FieldError
from chalicelib.core.money import MINOR_DIGITS

OrderField = Literal[
    "order_id",
    "customer_id",
    "ordered_at",
    "quantity",
    "currency",
    "unit_price",
    "amount",
    "sku",
    "status",
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Returns(_Part):
    """What a return and a cancellation look like.

    Attributes:
        negative_quantity: a negative quantity is a return of what the row is worth.
        cancelled_statuses: values of the status column that cancel the whole order.
    """

    negative_quantity: bool = False
    cancelled_statuses: tuple[str, ...] = ()


class Mapping(_Part):
    """One legacy export.

    Attributes:
        columns: where each of our fields stands: the export's column name, or with
            ``header = false`` its position counted from 1.
        delimiter: one character, or ``whitespace`` for columns aligned with blanks.
        header: whether the first record names the columns.
        encoding: a Python codec name.
        decimal: the decimal separator of amounts.
        date_format: as ``strptime`` reads it; None means ISO 8601.
        currency: the currency of every row, where no column says it.
        returns: how cancellations and returns look.
    """

    columns: dict[OrderField, str | int]
    delimiter: str = Field(default=",", pattern=r"^(.|\t|whitespace)$")
    header: bool = True
    encoding: str = "utf-8"
    decimal: Literal[".", ","] = "."
    date_format: str | None = None
    currency: str | None = None
    returns: Returns = Returns()

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, value: str | None) -> str | None:
        if value is not None and value not in MINOR_DIGITS:
            raise ValueError("must be an ISO 4217 code such as USD")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Mapping:
        for needed in ("customer_id", "ordered_at"):
            if needed not in self.columns:
                raise ValueError(f"columns.{needed}: must be mapped")
        if ("amount" in self.columns) == ("unit_price" in self.columns):
            raise ValueError("columns: map either amount or unit_price")
        if "unit_price" in self.columns and "quantity" not in self.columns:
            raise ValueError("columns.quantity: must be mapped with unit_price")
        if (self.currency is None) == ("currency" not in self.columns):
            raise ValueError("currency: give either a constant or a column")
        if not self.header and any(isinstance(at, str) for at in self.columns.values()):
            raise ValueError("columns: positions from 1 are needed without a header")
        corrects = self.returns.negative_quantity or self.returns.cancelled_statuses
        if corrects and "order_id" not in self.columns:
            raise ValueError("returns: corrections need a mapped order_id")
        return self


CANONICAL_COLUMNS: tuple[OrderField, ...] = (
    "order_id",
    "customer_id",
    "ordered_at",
    "quantity",
    "currency",
    "unit_price",
    "amount",
    "sku",
)


def mapping_from_json(document: Document[str, Any]) -> Mapping:
    """Validate a mapping; raises BadInput naming the path of each error."""
    try:
        return Mapping.model_validate(document)
    except ValidationError as error:
        raise BadInput(
            *(
                FieldError(".".join(map(str, each["loc"])) or "mapping", each["msg"])
                for each in error.errors(include_url=False)
            )
        ) from None
