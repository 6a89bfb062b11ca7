"""One planned mail and what is known by now, composed into the message that goes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core.catalogue import Product
from chalicelib.core.contact import Contact
from chalicelib.core.effects import Effect
from chalicelib.core.errors import Broken, Refused
from chalicelib.core.law import NO_LAW, Jurisdictions, Ruling, rule_at
from chalicelib.core.offers import Offer, offer_from_json
from chalicelib.core.tokens import SigningKeys, sign
from chalicelib.mail.mime import deliverable, parse_mailbox, to_bytes
from chalicelib.mail.render import Content, render
from chalicelib.mail.words import greeting_name, offer_words, product_title

UNSUBSCRIBE = "unsubscribe"


@dataclass(frozen=True, slots=True)
class MailSettings:
    """What the operator says of every mail.

    Attributes:
        sender: the From mailbox, ``Example Shop <hello@shop.example>``.
        postal_address: where the sender can be found, shown in every mail.
        public_url: base URL of the API with its stage and without a trailing slash.
        currency: ISO 4217 code that the policy's amounts are in.
        shop_url: where the button leads; without it mails have no button.
        jurisdictions: the dated table of law, asked again in the moment of sending.
    """

    sender: str
    postal_address: str
    public_url: str
    currency: str
    shop_url: str | None = None
    jurisdictions: Jurisdictions = NO_LAW


@dataclass(frozen=True, slots=True)
class Plan:
    """What the effect of kind ``mail`` says is to be sent; nothing personal.

    ``mode`` is the pricing mode under which it was planned: what was offered under a ban was made
    without any knowledge of the person.
    """

    template: str
    purpose: str
    segment: str
    disclosures: tuple[str, ...]
    offer: Offer | None
    sku: str | None
    title: str | None
    currency: str | None
    mode: str | None = None


@dataclass(frozen=True, slots=True)
class Composed:
    """A message ready to go, and whom it goes to."""

    raw: bytes
    sender: str
    recipient: str


def plan_from_payload(payload: Mapping[str, Any]) -> Plan:
    """Read an effect's payload; raises Broken when it is not what planning writes."""
    try:
        offer = payload.get("offer")
        return Plan(
            template=payload["template"],
            purpose=payload["purpose"],
            segment=payload["segment"],
            disclosures=tuple(payload["disclosures"]),
            offer=None if offer is None else offer_from_json(offer),
            sku=payload.get("sku"),
            title=payload.get("title"),
            currency=payload.get("currency"),
            mode=payload.get("mode"),
        )
    except (KeyError, TypeError) as error:
        raise Broken(f"a planned mail is unreadable ({type(error).__name__})") from None


def compose(
    effect: Effect,
    *,
    contact: Contact,
    address_hash: str,
    product: Product | None,
    settings: MailSettings,
    keys: SigningKeys,
    now: int,
) -> Composed:
    """Render the mail of an effect for the person that ``contact`` describes.

    Raises Refused(``address_unusable``) when no mail can reach the address, Broken when the
    template or the settings are at fault.
    """
    plan = plan_from_payload(effect.payload)
    email = contact.text("email")
    if email is None:
        raise Refused("no_address")
    recipient = deliverable(email)
    sender = parse_mailbox(settings.sender)
    link = None
    if plan.purpose != "transactional":
        link = unsubscribe_url(
            address_hash,
            purpose=plan.purpose,
            effect_id=effect.effect_id,
            public_url=settings.public_url,
            keys=keys,
        )
    title = plan.title if product is None else product.title
    offer = None
    if plan.offer is not None:
        currency = plan.currency or settings.currency
        offer = offer_words(plan.offer, currency=currency, time_zone=contact.text("time_zone"))
    letter = render(
        Content(
            template=plan.template,
            segment=plan.segment,
            brand=sender.brand,
            postal_address=settings.postal_address,
            purpose=plan.purpose,
            unsubscribe_url=link,
            shop_url=settings.shop_url,
            name=greeting_name(contact.text("first_name")),
            title=product_title(title),
            offer=offer,
            disclosures=disclosures_now(plan, contact, settings.jurisdictions, now=now),
        )
    )
    raw = to_bytes(
        letter,
        effect_id=effect.effect_id,
        sender=sender,
        recipient=recipient,
        unsubscribe_url=link,
        now=now,
    )
    return Composed(raw, settings.sender, recipient)


def disclosures_now(
    plan: Plan, contact: Contact, jurisdictions: Jurisdictions, *, now: int
) -> tuple[str, ...]:
    """What was to be shown when the mail was planned, and what the law has come to ask since."""
    if plan.offer is None:
        return plan.disclosures
    since = law_now(contact, jurisdictions, now=now).disclosures
    return tuple(dict.fromkeys((*plan.disclosures, *since)))


def banned_now(plan: Plan, contact: Contact, jurisdictions: Jurisdictions, *, now: int) -> bool:
    """Whether the place has come to forbid the offer since it was made for this person."""
    if plan.offer is None or plan.mode == "ban":
        return False
    return law_now(contact, jurisdictions, now=now).mode == "ban"


def law_now(contact: Contact, jurisdictions: Jurisdictions, *, now: int) -> Ruling:
    """What holds where the reader is, whatever the operator's own mode."""
    return rule_at(
        jurisdictions,
        country=contact.text("country"),
        region=contact.text("region"),
        at=now,
        default="allow",
    )


def unsubscribe_url(
    address_hash: str, *, purpose: str, effect_id: str, public_url: str, keys: SigningKeys
) -> str:
    """The link that withdraws consent to a purpose for an address; it never expires.

    It names the address by its hash alone, and the account by the mail that it was sent, so that
    a forwarded or logged link tells nothing.
    """
    payload = {"a": address_hash, "p": purpose, "e": effect_id}
    token = sign(keys, purpose=UNSUBSCRIBE, payload=payload)
    return f"{public_url}/u/{token}"
