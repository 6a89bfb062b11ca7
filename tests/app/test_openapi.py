"""``GET /v1/openapi.json``: valid OpenAPI 3.1 of the routes that there are, and true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

import app as segue
from chalicelib.api import answers, views
from chalicelib.api.operations import OPERATIONS
from chalicelib.api.schemas import DecisionRequest
from chalicelib.api.scopes import CONSOLE, SCOPES
from chalicelib.core.messages import parse_message
from tests.storefront import Storefront, open_storefront
from tests.unit.core.situations import NOW


@pytest.fixture
def shop() -> Iterator[Storefront]:
    """A shop that knows one buyer, c-1."""
    with open_storefront() as storefront:
        yield storefront


@pytest.fixture
def described(shop: Storefront) -> dict[str, Any]:
    """The document as anybody gets it."""
    response = shop.call("GET", "/v1/openapi.json", scopes=None)
    assert response.status_code == 200
    document: dict[str, Any] = response.json_body
    return document


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Every operation by method and path."""
    return {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters"
    }


def test_the_document_is_valid_openapi_3_1(described: dict[str, Any]) -> None:
    """No complaint of the validator."""
    assert described["openapi"] == "3.1.0"
    assert list(OpenAPIV31SpecValidator(described).iter_errors()) == []


def test_every_route_is_described_with_its_scope(described: dict[str, Any]) -> None:
    """Routes, methods and scopes are those of the app; open ones say that they are."""
    routes = {(method, path) for path, methods in segue.app.routes.items() for method in methods}
    found = operations(described)

    assert set(found) == routes - CONSOLE  # pages for people are no part of it
    for route, operation in found.items():
        scope = SCOPES[route]
        assert operation.get("x-scope") == scope
        assert operation["security"] == ([] if scope is None else [{"bearer": []}])


def test_operation_ids_are_unique(described: dict[str, Any]) -> None:
    """Generated clients name their functions by them."""
    ids = [operation["operationId"] for operation in operations(described).values()]

    assert len(set(ids)) == len(ids)


def test_every_refusal_is_a_problem_document(described: dict[str, Any]) -> None:
    """Each 4xx and 5xx is described by the one schema."""
    for operation in operations(described).values():
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                assert response["content"] == {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                }


def test_the_example_request_is_a_request(described: dict[str, Any]) -> None:
    """Whoever copies it is answered."""
    [example] = described["components"]["schemas"]["DecisionRequest"]["examples"]

    assert DecisionRequest.model_validate_json(json.dumps(example)).customer_id == "c-123"


def test_the_example_message_is_a_message(described: dict[str, Any]) -> None:
    """And whoever copies that one is folded."""
    [example] = described["components"]["schemas"]["SegmentMessage"]["examples"]

    assert parse_message(example, now=NOW, default_currency="USD").envelope.customer_id == "c-123"


def test_health_and_problem_answers_are_as_described(shop: Storefront) -> None:
    """What is answered validates against the models that the document is made of."""
    health = shop.call("GET", "/v1/health", scopes=None)
    refusal = shop.call("GET", "/v1/decisions/none")
    folded = shop.call(
        "POST", "/v1/events", body={"batch": [{"type": "page", "userId": "u"}, {"type": "x"}]}
    )

    views.Health.model_validate(health.json_body)
    answers.Problem.model_validate(refusal.json_body)
    answers.EventsAccepted.model_validate(folded.json_body)
    assert folded.status_code == 202


def test_a_route_without_a_description_is_noticed() -> None:
    """The table of descriptions names the routes of the app and no other."""
    routes = {(method, path) for path, methods in segue.app.routes.items() for method in methods}

    assert set(OPERATIONS) == routes - CONSOLE
