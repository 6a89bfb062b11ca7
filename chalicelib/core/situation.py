"""Everything that a decision is made from, as one value: same situation, same decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from chalicelib.core.actions import Placement, Trigger
from chalicelib.core.catalogue import Product
from chalicelib.core.contact import Contact, Scalar
from chalicelib.core.control import Switches
from chalicelib.core.facts import Facts
from chalicelib.core.learning import Learning
from chalicelib.core.offers import Offer
from chalicelib.core.shown_prices import ShownPrice
from chalicelib.core.subject import Subject


class Line(NamedTuple):
    """One line of a cart; ``unit_price_minor`` is what the shop shows."""

    sku: str
    quantity: int
    unit_price_minor: int


@dataclass(frozen=True, slots=True)
class Context:
    """Where and how the customer is here; None where the caller did not say."""

    country: str | None = None
    region: str | None = None
    currency: str | None = None
    session_id: str | None = None
    time_zone: str | None = None
    pricing_opt_out: bool = False
    gpc: bool = False


@dataclass(frozen=True, slots=True)
class Permissions:
    """What the customer's stored statements permit; no address and no name.

    Attributes:
        has_address: whether a mail could reach them.
        consents: purposes on which they said something.
    """

    has_address: bool = False
    consents: Mapping[str, bool] = field(default_factory=dict)

    def objects_to(self, purpose: str) -> bool:
        """Whether they said no."""
        return self.consents.get(purpose) is False

    def agrees_to(self, purpose: str) -> bool:
        """Whether they said yes."""
        return self.consents.get(purpose) is True


class KeptPrice(NamedTuple):
    """What a session was quoted for one article, and the published price then, in minor units."""

    base: int
    unit: int


@dataclass(frozen=True, slots=True)
class Held:
    """What the customer was already shown in this session; ``prices`` are by article."""

    tier: str | None
    offers: tuple[Offer, ...]
    prices: Mapping[str, KeptPrice] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Situation:
    """The gathered inputs of one decision.

    Attributes:
        decision_id: chosen before deciding, since codes derive from it.
        as_of: the moment at which the customer is described.
        facts: None for an unknown customer.
        products: catalogue entries of the cart's SKUs.
        held: what this session was shown.
        live_offers: live codes of this customer, by action.
        contacted: actions for which the address was contacted within their interval.
        limited: actions that may issue no further code, each with the reason.
        supplied: what the shop said of the customer, as far as the policy declares it.
        shown: what this customer was quoted lately, where the policy limits the step of a day.
        learned: what outcomes have taught; None where nothing was, or the policy does not explore.
        redeemed_at: when the customer last used a code, as far as it is known.
        mails_left: how many more marketing mails the cap leaves; None where none is planned.
        opted_out: whether a privacy signal forbids reading any feature of this customer.
    """

    decision_id: str
    subject: Subject
    placement: Placement
    as_of: int
    trigger: Trigger | None = None
    context: Context = field(default_factory=Context)
    lines: tuple[Line, ...] = ()
    facts: Facts | None = None
    permissions: Permissions = field(default_factory=Permissions)
    switches: Switches = field(default_factory=Switches)
    products: Mapping[str, Product] = field(default_factory=dict)
    held: Held | None = None
    live_offers: Mapping[str, Offer] = field(default_factory=dict)
    contacted: frozenset[str] = frozenset()
    limited: Mapping[str, str] = field(default_factory=dict)
    supplied: Mapping[str, Scalar] = field(default_factory=dict)
    shown: Mapping[str, ShownPrice] = field(default_factory=dict)
    learned: Learning | None = None
    redeemed_at: int | None = None
    mails_left: int | None = None
    opted_out: bool = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Settle once what every action is asked about."""
        context, permissions = self.context, self.permissions
        opted_out = context.pricing_opt_out or context.gpc
        if permissions.consents and not opted_out:
            opted_out = permissions.objects_to("personalised_pricing") or permissions.objects_to(
                "profiling"
            )
        object.__setattr__(self, "opted_out", opted_out)


def permissions_of(contact: Contact | None) -> Permissions:
    """Reduce a contact to what a decision may know of it."""
    if contact is None:
        return Permissions()
    consents = {
        name.removeprefix("consent_"): bool(said.value)
        for name, said in contact.fields.items()
        if name.startswith("consent_")
    }
    return Permissions(has_address=contact.text("email") is not None, consents=consents)


def place_of(context: Context, contact: Contact | None) -> Context:
    """The context with the stored country, region and zone where the caller named no country.

    Whoever names the stored country without a region means the stored region, too.
    """
    if contact is None:
        return context
    if context.country is not None:
        if context.region is None and context.country == contact.text("country"):
            return replace(context, region=contact.text("region"))
        return context
    return Context(
        country=contact.text("country"),
        region=contact.text("region"),
        currency=context.currency,
        session_id=context.session_id,
        time_zone=context.time_zone or contact.text("time_zone"),
        pricing_opt_out=context.pricing_opt_out,
        gpc=context.gpc,
    )
