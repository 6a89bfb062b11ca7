"""What may be said to the interface: closed models, strict types, nothing coerced.

The models speak the interface's words; ``routes`` turns them into the core's values.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from chalicelib.core.actions import AskedAt
from chalicelib.core.money import LARGEST_AMOUNT_MINOR, MINOR_DIGITS
from chalicelib.core.subject import LONGEST_ID

MOST_LINES = 200
LARGEST_QUANTITY = 10_000
LARGEST_BODY_BYTES = 256 * 1024
# Of the longest cart, every letter of its SKUs in four bytes, in base 64.
LONGEST_QUOTE = 160 * 1024
FIELD_ERROR = "field"


def field_error(field: str, problem: str) -> PydanticCustomError:
    """An error of the whole body that names the field it is about."""
    return PydanticCustomError(FIELD_ERROR, "{problem}", {"field": field, "problem": problem})


def _currency(value: str) -> str:
    if value not in MINOR_DIGITS:
        raise PydanticCustomError("currency", "must be an upper-case ISO 4217 code such as USD")
    return value


# What str.isprintable() refuses: control, format and unassigned characters, line separators and
# every blank but the space.
PRINTABLE = r"^[^\p{C}\p{Zl}\p{Zp}\u{A0}\u{1680}\u{2000}-\u{200A}\u{202F}\u{205F}\u{3000}]+$"
Id = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_ID, pattern=PRINTABLE),
    # The same in a dialect that every reader of JSON Schema knows, less the rarer blanks.
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": LONGEST_ID,
            "pattern": r"^[^\x00-\x1f\x7f-\x9f]+$",
        }
    ),
]
# A name of a text or of a place in the shop's own books; never a person's words.
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/ -]{0,127}$")]
Currency = Annotated[
    str, AfterValidator(_currency), Field(json_schema_extra={"pattern": "^[A-Z]{3}$"})
]


class Part(BaseModel):
    """A closed object: unknown fields are refused, and ``"1"`` is not 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CartLine(Part):
    """One line of the cart."""

    sku: Id = Field(description="The shop's id of the article, as in its catalogue file.")
    quantity: int = Field(ge=1, le=LARGEST_QUANTITY, description="Pieces.")
    unit_price: int = Field(
        ge=0,
        le=LARGEST_AMOUNT_MINOR,
        description="What the shop shows for one piece, in minor units: 1999 for 19.99 USD.",
    )


class Cart(Part):
    """What the customer is about to buy."""

    lines: list[CartLine] = Field(
        max_length=MOST_LINES, description=f"At most {MOST_LINES}; a SKU may stand in several."
    )


class RequestContext(Part):
    """Where and how the customer is here."""

    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = Field(
        default=None, description="ISO 3166-1 alpha-2, such as US; the stored one when left out."
    )
    region: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,3}$")] | None = Field(
        default=None,
        description="The subdivision part of ISO 3166-2, such as NY; only together with a country.",
    )
    currency: Currency | None = Field(
        default=None, description="ISO 4217, such as USD; required with a cart."
    )
    session_id: Id | None = Field(
        default=None, description="Within a session, tier and offers stay what they were."
    )
    time_zone: (
        Annotated[
            str,
            StringConstraints(max_length=64, pattern=r"^[A-Za-z_]+(/[A-Za-z0-9_+-]+){0,2}$"),
        ]
        | None
    ) = Field(default=None, description="An IANA time zone, such as America/New_York.")
    pricing_opt_out: bool = Field(
        default=False, description="The customer refused personal prices; nothing of them is read."
    )
    gpc: bool = Field(
        default=False, description="Global Privacy Control was sent; as pricing_opt_out."
    )


class DecisionRequest(Part):
    """A checkout, or another place in the shop, asks for the next right action."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "customer_id": "c-123",
                    "placement": "checkout",
                    "context": {
                        "country": "US",
                        "region": "NY",
                        "currency": "USD",
                        "session_id": "s-1",
                        "time_zone": "America/New_York",
                    },
                    "cart": {"lines": [{"sku": "A1", "quantity": 1, "unit_price": 1999}]},
                }
            ],
            "oneOf": [{"required": ["customer_id"]}, {"required": ["anonymous_id"]}],
        },
    )

    customer_id: Id | None = Field(default=None, description="The shop's id of the customer.")
    anonymous_id: Id | None = Field(
        default=None, description="A guest's id, as the shop's events carry it."
    )
    placement: AskedAt = Field(default="checkout", description="Where the answer will be shown.")
    context: RequestContext = Field(default=RequestContext(), description="Where and how.")
    cart: Cart | None = Field(default=None, description="Left out, nothing is priced.")

    @model_validator(mode="after")
    def _fits_together(self) -> DecisionRequest:
        if self.customer_id is None and self.anonymous_id is None:
            raise field_error("customer_id", "or anonymous_id must be given")
        if self.customer_id is not None and self.anonymous_id is not None:
            raise field_error("anonymous_id", "must be left out when customer_id is given")
        if self.context.region is not None and self.context.country is None:
            raise field_error("context.country", "is required with context.region")
        if self.cart is not None and self.cart.lines and self.context.currency is None:
            raise field_error("context.currency", "is required with a cart, such as USD")
        return self


class QuoteRequest(Part):
    """Is this price still good?"""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"quote": "k1.eyJkIjoiZF8wMTkifQ.c2lnbmF0dXJl"}]}
    )

    quote: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_QUOTE)] = Field(
        description="price.quote of a decision."
    )


class ConsentRequest(Part):
    """What a customer said of one purpose, with its proof."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "purpose": "marketing_email",
                    "granted": True,
                    "basis": "consent",
                    "wording": "newsletter-2026-03",
                    "source": "preference-centre",
                    "said_at": "2026-11-22T09:30:00Z",
                    "address_confirmed": True,
                }
            ]
        }
    )

    purpose: Literal["transactional", "marketing_email", "profiling", "personalised_pricing"] = (
        Field(description="What they spoke of.")
    )
    granted: bool = Field(description="Granted, or withdrawn.")
    basis: Literal["consent", "contract", "legal_obligation", "legitimate_interest"] = Field(
        description="The legal basis (GDPR, article 6)."
    )
    wording: Reference = Field(description="The version of the text that they had before them.")
    source: Reference = Field(description="Where it was said, such as preference-centre.")
    said_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})] = Field(
        description="When it was said, ISO 8601."
    )
    address_confirmed: bool = Field(
        default=False,
        description=(
            "The owner of the address confirmed it by a link sent there. Only such a grant lifts "
            "what the owner of the address has withdrawn."
        ),
    )


class ControlRequest(Part):
    """The kill switches, all three of them."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"sending": False, "pricing": True, "offers": True}]}
    )

    sending: bool = Field(description="Whether mail goes out.")
    pricing: bool = Field(description="Whether prices are personal.")
    offers: bool = Field(description="Whether offers are made.")


def describe_field(model: type[BaseModel], location: tuple[Any, ...]) -> str | None:
    """The description of the field at a location of an error, None where there is none."""
    description: str | None = None
    current: Any = model
    for step in location:
        if isinstance(step, int):
            continue
        fields = getattr(current, "model_fields", {})
        if step not in fields:
            return None
        description = fields[step].description
        current = _model_in(fields[step].annotation)
    return description


def _model_in(annotation: Any) -> Any:
    """The model inside an annotation such as ``Cart | None`` or ``list[CartLine]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(each) for each in getattr(annotation, "__args__", ()))
    return next((each for each in inner if each is not None), None)
