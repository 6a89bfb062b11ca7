"""Which scope each route asks of a key: one table, and what does not stand in it is refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from chalicelib.core.errors import Forbidden

Scope = Literal["decide", "events", "read", "operate", "privacy"]
Route = tuple[str, str]

# None: open to everyone. An unsubscribe link carries its own proof.
SCOPES: Mapping[Route, Scope | None] = {
    ("POST", "/v1/decisions"): "decide",
    ("GET", "/v1/decisions/{decision_id}"): "read",
    ("POST", "/v1/decisions/{decision_id}/replay"): "read",
    ("POST", "/v1/decisions/{decision_id}/review"): "privacy",
    ("POST", "/v1/quotes/verify"): "decide",
    ("POST", "/v1/offers/{code}/reserve"): "decide",
    ("POST", "/v1/offers/{code}/redeem"): "decide",
    ("POST", "/v1/offers/{code}/release"): "decide",
    ("POST", "/v1/offers/{code}/revoke"): "operate",
    ("POST", "/v1/events"): "events",
    ("GET", "/v1/customers/{customer_id}"): "read",
    ("PUT", "/v1/customers/{customer_id}/consent"): "privacy",
    ("GET", "/v1/customers/{customer_id}/export"): "privacy",
    ("DELETE", "/v1/customers/{customer_id}"): "privacy",
    ("GET", "/v1/control"): "operate",
    ("PUT", "/v1/control"): "operate",
    ("GET", "/v1/policies"): "operate",
    ("POST", "/v1/policies"): "operate",
    ("GET", "/v1/policies/{policy_hash}"): "operate",
    ("POST", "/v1/policies/{policy_hash}/simulations"): "operate",
    ("POST", "/v1/policies/{policy_hash}/activate"): "operate",
    ("GET", "/v1/messages"): "read",
    ("GET", "/v1/drops/{drop_id}"): "read",
    ("GET", "/u/{token}"): None,
    ("POST", "/u/{token}"): None,
    ("GET", "/v1/health"): None,
    ("GET", "/v1/openapi.json"): None,
}

# The operator's pages: their cookie is checked by ``console.door``, its key's scopes by the page.
CONSOLE: frozenset[Route] = frozenset({
    ("GET", "/console"),
    ("GET", "/console/activity"),
    ("GET", "/console/static/{name}"),
    ("GET", "/console/sign-in"),
    ("POST", "/console/sign-in"),
    ("POST", "/console/sign-out"),
    ("GET", "/console/switches/{name}"),
    ("POST", "/console/switches/{name}"),
    ("GET", "/console/customers"),
    ("POST", "/console/customers"),
    ("GET", "/console/customers/{customer_id}"),
    ("GET", "/console/customers/{customer_id}/export"),
    ("GET", "/console/customers/{customer_id}/erase"),
    ("POST", "/console/customers/{customer_id}/erase"),
    ("GET", "/console/decisions/{decision_id}"),
    ("POST", "/console/decisions/{decision_id}/replay"),
    ("GET", "/console/messages"),
    ("GET", "/console/drops"),
    ("GET", "/console/drops/{drop_id}"),
    ("GET", "/console/drops/{drop_id}/rejects"),
    ("GET", "/console/policies"),
    ("GET", "/console/policies/{policy_hash}"),
    ("POST", "/console/policies/{policy_hash}/activate"),
    ("GET", "/console/model"),
})  # fmt: skip


def check_scope(route: Route, *, held: Collection[str]) -> None:
    """Raise Forbidden unless the route is open, or its scope is among those that the key holds."""
    if route in CONSOLE:
        return
    if route not in SCOPES:
        raise Forbidden.of("scope", "no key may do this")
    needed = SCOPES[route]
    if needed is not None and needed not in held:
        raise Forbidden.of("scope", f"this route needs a key with the scope {needed}")
