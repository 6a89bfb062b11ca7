"""How a legacy export looks: a closed document in ``policies/mappings/``, one for each export.

    currency = "EUR"
    date_format = "%d.%m.%Y"
    delimiter = ";"
    decimal = ","

    [columns]
    order_id = "Auftrag"
    customer_id = "Kunde"
    ordered_at = "Datum"
    amount = "Betrag"

Without ``order_id`` an id is derived from customer, moment, amount and occurrence.
"""

from __future__ import annotations

from collections.abc import Mapping as Document
from typing import Any, Literal
from zoneinfo import ZoneInfo

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
Encoding = Literal["utf-8", "utf-16", "latin-1", "cp1250", "cp1251", "cp1252", "iso8859-15"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Returns(_Part):
    """What a return and a cancellation look like.

    Attributes:
        negative_quantity: a negative quantity (or, where there is none, a negative amount) is a
            return of what the row is worth; otherwise such a row is rejected.
        cancelled_statuses: values of the status column that cancel the whole order.
        returned_statuses: values of the status column that return what the row is worth.
    """

    negative_quantity: bool = False
    cancelled_statuses: tuple[str, ...] = Field(default=(), strict=False)
    returned_statuses: tuple[str, ...] = Field(default=(), strict=False)


class Mapping(_Part):
    """One legacy export.

    Attributes:
        columns: where each of our fields stands: the export's column name, or with
            ``header = false`` its position counted from 1.
        delimiter: one character, or ``whitespace`` for columns aligned with blanks.
        header: whether the first record names the columns.
        encoding: of the text; a byte-order mark is dropped.
        decimal: the decimal separator of amounts.
        thousands: what stands between groups of three digits; None when nothing does.
        date_format: as ``strptime`` reads it; None means ISO 8601.
        time_zone: the IANA zone of moments that name no offset.
        currency: the currency of every row, where no column says it.
        returns: how cancellations and returns look.
    """

    columns: dict[OrderField, str | int]
    delimiter: str = Field(default=",", pattern=r"^([^\w\s\"\\]|\t|whitespace)$")
    header: bool = True
    encoding: Encoding = "utf-8"
    decimal: Literal[".", ","] = "."
    thousands: Literal[".", ",", " ", "'"] | None = None
    date_format: str | None = Field(default=None, min_length=2)
    time_zone: str = "UTC"
    currency: str | None = None
    returns: Returns = Returns()

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, value: str | None) -> str | None:
        if value is not None and value not in MINOR_DIGITS:
            raise ValueError("must be an ISO 4217 code such as USD")
        return value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, OSError, ValueError):
            raise ValueError("must be an IANA time zone such as Europe/Berlin") from None
        return value

    @model_validator(mode="after")
    def _amounts_fit(self) -> Mapping:
        if ("amount" in self.columns) == ("unit_price" in self.columns):
            raise ValueError("columns: map either amount or unit_price")
        if "unit_price" in self.columns and "quantity" not in self.columns:
            raise ValueError("columns.quantity: must be mapped with unit_price")
        if (self.currency is None) == ("currency" not in self.columns):
            raise ValueError("currency: give either a constant or a column")
        if self.thousands == self.decimal:
            raise ValueError("thousands: must differ from decimal")
        return self

    @model_validator(mode="after")
    def _columns_fit(self) -> Mapping:
        for needed in ("customer_id", "ordered_at"):
            if needed not in self.columns:
                raise ValueError(f"columns.{needed}: must be mapped")
        for field, place in self.columns.items():
            if self.header and isinstance(place, int):
                raise ValueError(f"columns.{field}: must be a name, since there is a header")
            if not self.header and (isinstance(place, str) or place < 1):
                raise ValueError(f"columns.{field}: must be a position from 1 without a header")
        if len(set(self.columns.values())) < len(self.columns):
            raise ValueError("columns: two fields cannot stand in one place")
        return self

    @model_validator(mode="after")
    def _corrections_fit(self) -> Mapping:
        returns = self.returns
        statuses = (*returns.cancelled_statuses, *returns.returned_statuses)
        if (returns.negative_quantity or statuses) and "order_id" not in self.columns:
            raise ValueError("columns.order_id: must be mapped, or no row can correct an order")
        if bool(statuses) != ("status" in self.columns):
            raise ValueError("columns.status: must be mapped exactly when returns name statuses")
        if len(set(statuses)) < len(statuses):
            raise ValueError("returns: a status has one meaning")
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
        raise BadInput(*(_field_error(each) for each in error.errors(include_url=False))) from None


def _field_error(each: Any) -> FieldError:
    """The path of one error; rules over several fields name theirs before a colon."""
    path = ".".join(map(str, each["loc"]))
    problem = each["msg"].removeprefix("Value error, ")
    if not path and ": " in problem:
        path, problem = problem.split(": ", 1)
    return FieldError(path or "mapping", problem)
