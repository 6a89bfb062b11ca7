"""Refusals as RFC 9457 problem documents; which error is which status stands in one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ValidationError

from chalicelib.api.schemas import FIELD_ERROR, LARGEST_BODY_BYTES, PRINTABLE, describe_field
from chalicelib.core.coupons import CodeUnknown
from chalicelib.core.errors import (
    BadInput,
    Broken,
    FieldError,
    Forbidden,
    KeyReused,
    NotFound,
    Refused,
    TooLarge,
    Transient,
)

MOST_ERRORS = 20
LONGEST_STEP = 64  # an unknown field is named after the caller, who may have named it at length
CONTENT_TYPE = "application/problem+json"


class Malformed(BadInput):
    """The request cannot be read at all: no JSON, or a header that says nothing."""


class MethodUnknown(BadInput):
    """The route exists, not with this method."""


class UnknownMedia(BadInput):
    """The body is of a type that the route does not read."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a class of errors looks like from outside."""

    status: HTTPStatus
    slug: str
    detail: str


# From the most special class to the most general: the first that fits decides.
KINDS: Sequence[tuple[type[Exception], Kind]] = (
    (Malformed, Kind(HTTPStatus.BAD_REQUEST, "malformed", "The request could not be read.")),
    (Forbidden, Kind(HTTPStatus.FORBIDDEN, "forbidden", "This key may not do that.")),
    (NotFound, Kind(HTTPStatus.NOT_FOUND, "not-found", "There is no such thing.")),
    (
        MethodUnknown,
        Kind(HTTPStatus.METHOD_NOT_ALLOWED, "method", "The route has no such method."),
    ),
    (
        TooLarge,
        Kind(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too-large",
            f"A body holds at most {LARGEST_BODY_BYTES} bytes.",
        ),
    ),
    (
        UnknownMedia,
        Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media-type", "The route reads other bodies."),
    ),
    (
        KeyReused,
        Kind(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "This Idempotency-Key came before with another body.",
        ),
    ),
    (
        BadInput,
        Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", "Something in the request is not valid."),
    ),
    (CodeUnknown, Kind(HTTPStatus.NOT_FOUND, "code-unknown", "No such code was issued.")),
    (Refused, Kind(HTTPStatus.CONFLICT, "refused", "A rule said no.")),
    (
        Transient,
        Kind(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "Storage did not answer; try again."),
    ),
    (Broken, Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "broken", "Something of ours is damaged.")),
    (
        Exception,
        Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something of ours went wrong."),
    ),
)
# Titles as RFC 9110 has them; older Pythons know older names.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}


def kind_of(error: Exception) -> Kind:
    """What an error looks like from outside."""
    return next(kind for cause, kind in KINDS if isinstance(error, cause))


def problem(error: Exception, *, correlation_id: str) -> dict[str, Any]:
    """The problem document of an error; only what is the caller's business is said.

    >>> problem(NotFound.of("decision_id", "names no decision"), correlation_id="r-1")["status"]
    404
    """
    kind = kind_of(error)
    document: dict[str, Any] = {
        "type": f"urn:segue:problem:{kind.slug}",
        "title": _TITLES.get(kind.status, kind.status.phrase),
        "status": int(kind.status),
        "detail": kind.detail,
        "instance": f"urn:segue:request:{correlation_id}",
    }
    match error:
        case BadInput(errors=errors):
            document["errors"] = [{"field": each.field, "problem": each.problem} for each in errors]
        case Refused(reason=reason):
            document["reason"] = reason
    return document


def invalid(error: ValidationError, model: type[BaseModel]) -> BadInput:
    """What a body has wrong, each error naming its field and the fix."""
    listed = error.errors(include_url=False, include_input=False)
    if listed[0]["type"] == "json_invalid":
        return Malformed.of("body", f"must be JSON: {listed[0]['ctx']['error']}")
    return BadInput(*(_field_error(each, model) for each in listed[:MOST_ERRORS]))


def _instruction(message: str) -> str:
    """What pydantic says of a value, as what the caller must do."""
    for subject in ("Input should", "String should", "List should"):
        message = message.replace(subject, "must")
    return message.replace(" after validation", "")


def _field_error(error: Any, model: type[BaseModel]) -> FieldError:
    location: tuple[Any, ...] = error["loc"]
    field = ".".join(str(step)[:LONGEST_STEP] for step in location) or "body"
    match error["type"]:
        case "extra_forbidden":
            return FieldError(field, "is not a field of this request; leave it out")
        case "missing":
            text = "is required"
        case other if other == FIELD_ERROR:
            return FieldError(error["ctx"]["field"], error["msg"])
        case "string_pattern_mismatch" if error["ctx"]["pattern"] == PRINTABLE:
            text = "must not contain control characters"
        case "model_type" | "dict_type":
            text = "must be a JSON object"
        case _:
            text = _instruction(error["msg"])
    description = describe_field(model, location)
    return FieldError(field, text if description is None else f"{text} ({description})")
