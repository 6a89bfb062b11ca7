"""What the shop says in the story, as plain data: events in Segment's words, and checkouts.

Everything is built from the seeded contacts and the moment ``now``, so a test can read it, and two
runs at one moment say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.core.decide import in_holdout
from chalicelib.core.instants import format_instant
from chalicelib.core.policy import Policy
from chalicelib.core.subject import customer
from ops.seed import CATALOGUE, Contact

Json = dict[str, Any]
# A checkout left alone becomes abandoned this long after the story begins: late enough that the
# schedule finds it and not the event itself.
ABANDONED_AFTER_SECONDS = 15
NEWCOMER = "demo-newcomer"
_GUEST = "demo-guest-1"


@dataclass(frozen=True, slots=True)
class Scene:
    """A batch of events with what it shows."""

    shows: str
    messages: tuple[Json, ...]


def scenes(contacts: Sequence[Contact], *, now: int, policy: Policy) -> tuple[Scene, ...]:
    """The live events of the story, in order."""
    mailable = [each for each in contacts if _may_be_mailed(each, policy)]
    browser, leaver, buyer = mailable[0], mailable[1], mailable[-1]
    left_at = now + ABANDONED_AFTER_SECONDS - policy.cart_abandoned_after_seconds
    view = _viewed(browser.customer_id, "CD-1008", at=now - 120)
    return (
        Scene(
            "a customer looks at a product; the tracking library sends it twice",
            (view, _viewed(browser.customer_id, "CD-1002", at=now - 60), view),
        ),
        Scene(
            "a customer starts a checkout and leaves: silence will tell",
            (
                _viewed(leaver.customer_id, "CD-1006", at=left_at - 30),
                _track("Checkout Started", left_at, userId=leaver.customer_id),
            ),
        ),
        Scene(
            "a guest looks around, says who they are, and buys",
            (
                _track("Product Viewed", now - 90, {"sku": "CD-1010"}, anonymousId=_GUEST),
                _identified(now - 40),
                _ordered(NEWCOMER, now - 20, amount="14.99"),
            ),
        ),
        Scene(
            "somebody who had been away buys again",
            (_ordered(buyer.customer_id, now - 10, amount="30.98"),),
        ),
    )


def checkout(customer_id: str, *, country: str, region: str, session_id: str) -> Json:
    """A known customer's checkout with two articles, one of them without a floor."""
    return {
        "customer_id": customer_id,
        "placement": "checkout",
        "context": {
            "country": country,
            "region": region,
            "currency": "USD",
            "session_id": session_id,
        },
        "cart": {"lines": [_line("CD-1001", 1), _line("CD-1004", 2)]},
    }


def guest_checkout() -> Json:
    """A guest's checkout: known by an anonymous id alone."""
    return {
        "anonymous_id": "demo-guest-2",
        "placement": "checkout",
        "context": {"country": "US", "region": "CA", "currency": "USD", "session_id": "demo-g"},
        "cart": {"lines": [_line("BX-2001", 1)]},
    }


def pick_shopper(
    contacts: Sequence[Contact], segments: Mapping[str, str], *, policy: Policy, region: str
) -> Contact:
    """A customer of a region for whom the policy has most to say; raises LookupError.

    Segments that get a price tier come first, in the policy's order, then any other customer.
    Whoever objected to personal prices or is in nobody's file is passed over.
    """
    wanted = [segment for tier in policy.price_tiers for segment in tier.segments]
    there = [
        contact
        for contact in contacts
        if contact.place.region == region
        and contact.consent_personalised_pricing != "false"
        and contact.customer_id in segments
    ]
    if not there:
        raise LookupError(f"no scored customer lives in {region}")

    def rank(contact: Contact) -> int:
        segment = segments[contact.customer_id]
        return wanted.index(segment) if segment in wanted else len(wanted)

    return min(there, key=rank)


def _may_be_mailed(contact: Contact, policy: Policy) -> bool:
    """Whether the customer agreed to mail, objects to nothing, and is in no group left alone."""
    return (
        contact.consent_marketing_email == "true"
        and contact.consent_personalised_pricing != "false"
        and not in_holdout(policy, customer(contact.customer_id).key)
    )


def _line(sku: str, quantity: int) -> Json:
    article = next(each for each in CATALOGUE if each.sku == sku)
    return {"sku": sku, "quantity": quantity, "unit_price": article.base_price_minor}


def _viewed(customer_id: str, sku: str, *, at: int) -> Json:
    return _track("Product Viewed", at, {"sku": sku}, userId=customer_id)


def _ordered(customer_id: str, at: int, *, amount: str) -> Json:
    properties = {"order_id": f"demo-{customer_id}-{at}", "total": amount, "currency": "USD"}
    return _track("Order Completed", at, properties, userId=customer_id)


def _identified(at: int) -> Json:
    return {
        "type": "identify",
        "messageId": f"demo-identify-{at}",
        "timestamp": format_instant(at),
        "userId": NEWCOMER,
        "anonymousId": _GUEST,
        "traits": {
            "email": "newcomer@example.com",
            "country": "US",
            "region": "NY",
            "timeZone": "America/New_York",
            "consent_marketing_email": True,
        },
    }


def _track(event: str, at: int, properties: Mapping[str, Any] | None = None, **who: str) -> Json:
    slug = event.lower().replace(" ", "-")
    name = "-".join(who.values())
    return {
        "type": "track",
        "event": event,
        "messageId": f"demo-{slug}-{name}-{at}",
        "timestamp": format_instant(at),
        "properties": dict(properties or {}),
        **who,
    }
