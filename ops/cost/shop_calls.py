"""What a shop sends, as API Gateway hands it to the functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.core.instants import format_instant
from ops.gateway import posted
from ops.key import IssuedKey
from ops.seed import CATALOGUE
from ops.story.script import checkout

Json = dict[str, Any]


def authorizer_event(text: str) -> Json:
    """A bearer key to be looked at."""
    return {
        "type": "TOKEN",
        "authorizationToken": f"Bearer {text}",
        "methodArn": "arn:aws:execute-api:us-east-1:000000000000:api/api/POST/v1/decisions",
    }


def checkout_request(key: IssuedKey, customer_id: str, *, session_id: str) -> Json:
    """A checkout of two articles."""
    body = checkout(customer_id, country="US", region="TX", session_id=session_id)
    return _request(key, "/v1/decisions", body)


def events_request(key: IssuedKey, batch: Sequence[Mapping[str, Any]]) -> Json:
    """A batch of messages."""
    return _request(key, "/v1/events", {"batch": list(batch)})


def messages(customer_ids: Sequence[str], *, at: int, only: str | None = None) -> list[Json]:
    """One message of each customer: views, of every ten one checkout and one order.

    ``only`` names one event that all of them send.
    """
    told = []
    for nth, customer_id in enumerate(customer_ids):
        event = only or {8: "Checkout Started", 9: "Order Completed"}.get(
            nth % 10, "Product Viewed"
        )
        told.append(
            {
                "type": "track",
                "event": event,
                "messageId": f"cost-{event[:5].lower()}-{customer_id}-{at}",
                "timestamp": format_instant(at),
                "userId": customer_id,
                "properties": _properties(event, customer_id, at=at, nth=nth),
            }
        )
    return told


def _properties(event: str, customer_id: str, *, at: int, nth: int) -> Json:
    article = CATALOGUE[nth % len(CATALOGUE)]
    match event:
        case "Product Viewed":
            return {"sku": article.sku}
        case "Order Completed":
            line = {"sku": article.sku, "quantity": 1, "price": "15.99"}
            return {
                "order_id": f"cost-{customer_id}-{at}",
                "total": "15.99",
                "currency": "USD",
                "products": [line],
            }
    return {}


def _request(key: IssuedKey, path: str, body: Mapping[str, Any]) -> Json:
    return posted(path, body, key_id=key.api_key.key_id, scopes=tuple(key.api_key.scopes))
