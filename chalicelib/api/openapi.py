"""The interface as OpenAPI 3.1: built from the app's routes, the scopes and the models.

A route without an entry in ``operations`` is a KeyError here and a failing test, so the document
cannot fall behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from chalicelib.api import answers
from chalicelib.api.boundary import CORRELATION_HEADER, Routes
from chalicelib.api.mail_table import NEXT_CURSOR_HEADER
from chalicelib.api.operations import OPERATIONS, REPEATABLE, Operation
from chalicelib.api.problems import CONTENT_TYPE
from chalicelib.api.queries import USUAL_PAGE
from chalicelib.api.requests import IDEMPOTENCY_HEADER, LONGEST_IDEMPOTENCY_KEY
from chalicelib.api.scopes import SCOPES, Route
from chalicelib.console.site import HOME
from chalicelib.core.mail_list import ASKABLE
from chalicelib.flows.list_drops import LARGEST_PAGE as LARGEST_DROP_PAGE
from chalicelib.flows.list_mails import LARGEST_PAGE

_REF = "#/components/schemas/{model}"
_FORM = {"type": "object", "properties": {"List-Unsubscribe": {"const": "One-Click"}}}


_MESSAGE = {
    "type": "object",
    "description": "As Segment's spec has it; fields that Segue does not know are allowed.",
    "properties": {
        "type": {"enum": ["identify", "track", "page", "screen"]},
        "messageId": {"type": "string", "maxLength": 128},
        "userId": {"type": "string", "maxLength": 128},
        "anonymousId": {"type": "string", "maxLength": 128},
        "timestamp": {"type": "string", "format": "date-time"},
        "event": {"type": "string", "examples": ["Order Completed"]},
        "properties": {"type": "object"},
        "traits": {"type": "object"},
    },
    "required": ["type"],
    "examples": [
        {
            "type": "track",
            "event": "Order Completed",
            "messageId": "m-1",
            "userId": "c-123",
            "timestamp": "2026-01-31T09:30:00Z",
            "properties": {"order_id": "o-1", "total": 29.33, "currency": "USD"},
        }
    ],
}
_EVENTS = {
    "oneOf": [
        {"$ref": _REF.format(model="SegmentMessage")},
        {
            "type": "object",
            "properties": {
                "batch": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": 100,
                    "items": {"$ref": _REF.format(model="SegmentMessage")},
                }
            },
            "required": ["batch"],
        },
    ]
}


def document(routes: Routes, *, version: str, public_url: str) -> dict[str, Any]:
    """The whole document."""
    told = [answers.Problem, *(each.answer for each in OPERATIONS.values())]
    asked = [each.request for each in OPERATIONS.values()]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Segue",
            "version": version,
            "description": (
                "Shop events into the next right action. Amounts are integers in minor units, "
                "moments ISO 8601 in UTC. A body that is not JSON is 400, one that says something "
                "invalid is 422; both name the field and the fix."
            ),
        },
        "servers": [{"url": public_url}],
        "paths": {
            path: _path(path, methods)
            for path, methods in sorted(routes.items())
            if not path.startswith(HOME)  # pages for people are no part of the interface
        },
        "components": {
            "schemas": {
                **_schemas(asked, GenerateJsonSchema),
                **_schemas(told, _WithoutDefaults),
                "SegmentMessage": _MESSAGE,
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "segue_KEYID_SECRET; its scopes decide what it may do.",
                }
            },
        },
    }


class _WithoutDefaults(GenerateJsonSchema):
    """For answers: a field that may be left out has no value then."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Describe the value alone."""
        return self.generate_inner(schema["schema"])


def _schemas(
    models: Iterable[type[BaseModel] | None], generator: type[GenerateJsonSchema]
) -> dict[str, Any]:
    wanted = sorted({model for model in models if model is not None}, key=lambda m: m.__name__)
    _, schemas = models_json_schema(
        [(model, "validation") for model in wanted],
        ref_template=_REF,
        schema_generator=generator,
    )
    definitions: dict[str, Any] = schemas["$defs"]
    return definitions


def _path(path: str, methods: Mapping[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        method.lower(): _operation((method, path)) for method in sorted(methods)
    }
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    if names:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ]
    return described


def _operation(route: Route) -> dict[str, Any]:
    operation, scope = OPERATIONS[route], SCOPES[route]
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "security": [] if scope is None else [{"bearer": []}],
        "parameters": [*_headers(route), *_queries(route)],
        "responses": {str(operation.status): _answer(route, operation)},
    }
    if scope is not None:
        described["x-scope"] = scope
    body = _request(route, operation)
    if body is not None:
        described["requestBody"] = {"required": True, "content": body}
    for status in sorted(_refusals(operation, has_body=body is not None, open_=scope is None)):
        described["responses"][str(status)] = _problem(status)
    return described


def _headers(route: Route) -> Iterator[dict[str, Any]]:
    yield {
        "name": CORRELATION_HEADER,
        "in": "header",
        "description": "Comes back with the answer and stands in every log line; else one is made.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{7,127}$"},
    }
    if route in REPEATABLE:
        yield {
            "name": IDEMPOTENCY_HEADER,
            "in": "header",
            "description": "The same key with the same body gets the same answer.",
            "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_IDEMPOTENCY_KEY},
        }


def _queries(route: Route) -> Iterator[dict[str, Any]]:
    for name, schema, description in _QUERIES.get(route, ()):
        yield {"name": name, "in": "query", "description": description, "schema": schema}


def _limit(largest_page: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": largest_page, "default": USUAL_PAGE}


_QUERIES: Mapping[Route, Sequence[tuple[str, dict[str, Any], str]]] = {
    ("GET", "/v1/messages"): (
        (
            "state",
            {"enum": list(ASKABLE)},
            "not_sent: suppressed, failed, abandoned, in doubt or held. All states when left out.",
        ),
        ("format", {"enum": ["json", "csv"], "default": "json"}, "A table is UTF-8."),
        ("limit", _limit(LARGEST_PAGE), "Mails of a page; it may hold fewer and not be the last."),
        ("cursor", {"type": "string"}, f"next_cursor or {NEXT_CURSOR_HEADER} of the last page."),
    ),
    ("GET", "/v1/drops"): (
        ("limit", _limit(LARGEST_DROP_PAGE), "Drops of a page."),
        ("cursor", {"type": "string"}, "next_cursor of the last page."),
    ),
}


def _request(route: Route, operation: Operation) -> dict[str, Any] | None:
    if operation.request is not None:
        reference = {"$ref": _REF.format(model=operation.request.__name__)}
        return {"application/json": {"schema": reference}}
    if route == ("POST", "/v1/events"):
        return {"application/json": {"schema": _EVENTS}}
    if route == ("POST", "/u/{token}"):
        kinds = ("application/x-www-form-urlencoded", "multipart/form-data")
        return {kind: {"schema": _FORM} for kind in kinds}
    return None


def _answer(route: Route, operation: Operation) -> dict[str, Any]:
    if operation.answer is not None:
        schema: dict[str, Any] = {"$ref": _REF.format(model=operation.answer.__name__)}
        content = {"application/json": {"schema": schema}}
        if route == ("GET", "/v1/messages"):
            content["text/csv"] = {"schema": {"type": "string"}}
    elif route[1] == "/v1/openapi.json":
        content = {"application/json": {"schema": {"type": "object"}}}
    else:
        content = {"text/html": {"schema": {"type": "string"}}}
    return {
        "description": HTTPStatus(operation.status).phrase,
        "headers": {CORRELATION_HEADER: {"schema": {"type": "string"}}},
        "content": content,
    }


def _refusals(operation: Operation, *, has_body: bool, open_: bool) -> set[int]:
    statuses = {500, *operation.refusals}
    if not open_:
        statuses |= {401, 403, 429, 503}
    if has_body and operation.answer is not None:
        statuses |= {400, 413, 415, 422}
    if operation.name == "decide":
        # Storage that does not answer degrades a checkout; it does not refuse it.
        statuses -= {503}
    return statuses


def _problem(status: int) -> dict[str, Any]:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {CONTENT_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}},
    }
