"""Who may do what: every scope is tried on every route, and nothing is open by accident."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from chalice.app import ChaliceAuthorizer

import app as segue
from chalicelib.api.scopes import CONSOLE, Route, check_scope
from chalicelib.api.scopes import SCOPES as SCOPE_OF
from chalicelib.core.control import SCOPES
from chalicelib.core.errors import Forbidden
from tests.storefront import Storefront, key_text, open_storefront
from tests.unit.core.situations import NOW

ROUTES: list[Route] = [
    (method, path) for path, methods in segue.app.routes.items() for method in methods
]
OPEN = {
    ("GET", "/v1/health"),
    ("GET", "/v1/openapi.json"),
    ("GET", "/u/{token}"),
    ("POST", "/u/{token}"),
}
# The console has a cookie of its own: tests/functional/test_console_*.py say who gets in there.
CLOSED = [route for route in ROUTES if route not in OPEN | CONSOLE]


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer."""
    with open_storefront() as storefront:
        yield storefront


def concrete(path: str) -> str:
    """A path as a caller would write it."""
    return "/".join("x" if part.startswith("{") else part for part in path.split("/"))


def name(route: Route) -> str:
    """A route as a test's id."""
    return " ".join(route)


def test_every_route_has_an_entry_and_every_entry_a_route() -> None:
    """The table of scopes and the app speak of the same routes."""
    assert {*SCOPE_OF, *CONSOLE} == set(ROUTES)
    assert not {*SCOPE_OF} & CONSOLE
    assert {route for route, scope in SCOPE_OF.items() if scope is None} == OPEN


@pytest.mark.parametrize("route", ROUTES, ids=name)
def test_every_route_but_the_open_ones_has_the_authorizer(route: Route) -> None:
    """The gateway turns away whoever has no key before the app is asked."""
    method, path = route
    authorizer: Any = segue.app.routes[path][method].authorizer

    if route in OPEN | CONSOLE:
        assert authorizer is None
    else:
        assert isinstance(authorizer, ChaliceAuthorizer)
        assert authorizer.name == "bearer"
        assert authorizer.config.ttl_seconds == 60


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("route", CLOSED, ids=name)
def test_each_scope_opens_its_own_routes_alone(shop: Storefront, route: Route, scope: str) -> None:
    """A key with one scope gets 403 everywhere else, naming the scope that is needed."""
    method, path = route

    response = shop.call(method, concrete(path), body={}, scopes=[scope])

    if scope == SCOPE_OF[route]:
        assert response.status_code != 403
    else:
        assert response.status_code == 403
        assert response.json_body["type"] == "urn:segue:problem:forbidden"
        assert str(SCOPE_OF[route]) in response.json_body["errors"][0]["problem"]
        assert shop.calls() == []


@pytest.mark.parametrize("route", CLOSED, ids=name)
def test_a_key_without_scopes_opens_nothing(shop: Storefront, route: Route) -> None:
    """Deny by default."""
    method, path = route

    assert shop.call(method, concrete(path), body={}, scopes=[]).status_code == 403


@pytest.mark.parametrize("route", CLOSED, ids=name)
def test_no_key_is_401_and_a_wrong_one_403(shop: Storefront, route: Route) -> None:
    """Both are turned away by the gateway, here Chalice's local one."""
    method, path = route
    wrong = {"Authorization": f"Bearer {key_text('nobody made this one')}"}

    assert shop.call(method, concrete(path), body={}, scopes=None).status_code == 401
    assert shop.call(method, concrete(path), scopes=None, headers=wrong).status_code == 403
    assert shop.calls() == []


def test_a_revoked_key_is_403(shop: Storefront) -> None:
    """A key stops with its revocation."""
    text = shop.issue_key("decide", revoked_at=NOW)

    response = shop.call(
        "POST", "/v1/decisions", scopes=None, headers={"Authorization": f"Bearer {text}"}
    )

    assert response.status_code == 403
    assert [line["reason"] for line in shop.lines("key_refused")] == ["revoked"]


@pytest.mark.parametrize("route", sorted(OPEN), ids=name)
def test_the_open_routes_ask_for_no_key(shop: Storefront, route: Route) -> None:
    """Health, the description and unsubscribing answer anybody."""
    method, path = route

    assert shop.call(method, concrete(path), scopes=None).status_code in (200, 404)


def test_a_route_without_an_entry_is_refused() -> None:
    """Whoever adds a route and forgets its scope has opened nothing."""
    with pytest.raises(Forbidden, match="no key may do this"):
        check_scope(("GET", "/v1/forgotten"), held=SCOPES)
