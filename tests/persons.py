"""Ann, of whom everything is stored that can be: each name and word of hers holds the canary."""

from __future__ import annotations

from typing import Any

from tests.makers import identify, order_event, track
from tests.storefront import Storefront
from tests.unit.core.situations import NOW

CANARY = "canary"
ANN = "canary-ann-4711"
GUEST = "canary-guest"
EMAIL = "canary.ann@example.com"
DAY_SECONDS = 86_400


def settle_in(shop: Storefront) -> dict[str, Any]:
    """Let Ann browse as a guest, buy, agree to mail and check out; returns that answer."""
    at = NOW - 100 * DAY_SECONDS
    told = shop.call(
        "POST",
        "/v1/events",
        body={
            "batch": [
                track("Product Viewed", visitor=GUEST, sku="canary-sku", at=at),
                order_event("Order Completed", "canary-o-0", visitor=GUEST, total=30, at=at),
                identify(
                    user=ANN,
                    visitor=GUEST,
                    email=EMAIL,
                    firstName="Canaryann",
                    consent_marketing_email=True,
                    at=at + 1,
                ),
                order_event("Order Completed", "canary-o-1", user=ANN, total=30, at=at + 2),
                order_event("Order Refunded", "canary-o-1", user=ANN, total=3, at=at + 3),
            ]
        },
    )
    assert told.json_body["accepted"] == 5, told.json_body
    assert consent(shop).status_code == 200
    return shop.decide(ANN)


def consent(shop: Storefront, customer_id: str = ANN, **changes: Any) -> Any:
    """Record a consent: marketing granted, unless told otherwise."""
    body = {
        "purpose": "marketing_email",
        "granted": True,
        "basis": "consent",
        "wording": "newsletter-3",
        "source": "form",
        "said_at": "2026-01-01T00:00:00Z",
        **changes,
    }
    return shop.call("PUT", f"/v1/customers/{customer_id}/consent", body=body)


def stored_text(shop: Storefront) -> str:
    """All that is stored, keys and bodies, in small letters."""
    return shop.store.dump().casefold()
