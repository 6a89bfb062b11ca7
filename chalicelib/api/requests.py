"""Reading a request: its body, whom it is about, and whether it repeats another."""

from __future__ import annotations

from typing import Any, TypeVar

from chalice.app import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from chalicelib.api.boundary import body_of, caller_of
from chalicelib.api.problems import Malformed, invalid
from chalicelib.api.schemas import LARGEST_BODY_BYTES
from chalicelib.core.canonical import content_hash, sha256_hex
from chalicelib.core.errors import TooLarge
from chalicelib.core.repeats import RepeatOf
from chalicelib.core.subject import Subject, customer, guest

M = TypeVar("M", bound=BaseModel)
IDEMPOTENCY_HEADER = "Idempotency-Key"
LONGEST_IDEMPOTENCY_KEY = 255


def subject_of(customer_id: str | None, anonymous_id: str | None) -> Subject:
    """Whom a request is about: a customer, else a guest."""
    return guest(anonymous_id or "") if customer_id is None else customer(customer_id)


def repeat_of_call(request: Request) -> RepeatOf | None:
    """Who asks which route with which Idempotency-Key, when one was sent; raises Malformed."""
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is None:
        return None
    _check_idempotency_key(key)
    return caller_of(request), f"{request.method} {request.path}", key


def _check_idempotency_key(key: str) -> None:
    visible = key.isascii() and key.isprintable() and key.strip()
    if not visible or len(key) > LONGEST_IDEMPOTENCY_KEY:
        raise Malformed.of(
            IDEMPOTENCY_HEADER, f"must be 1 to {LONGEST_IDEMPOTENCY_KEY} printable ASCII characters"
        )


def raw_body(request: Request) -> bytes:
    """The body as it came; raises TooLarge, Malformed."""
    raw = body_of(request)
    if len(raw) > LARGEST_BODY_BYTES:
        raise TooLarge.of("body", f"must be at most {LARGEST_BODY_BYTES} bytes, not {len(raw)}")
    return raw


def body_hash(request: Request) -> str:
    """What two bodies that say the same have in common: order of fields and blanks do not count.

    A body that is no JSON is compared byte by byte. Raises TooLarge, Malformed.
    """
    raw = raw_body(request)
    try:
        return content_hash(from_json(raw))
    except ValueError:
        return sha256_hex(raw)


def body_as(request: Request, model: type[M]) -> M:
    """The body as a model; raises BadInput naming every field that is wrong."""
    raw = raw_body(request)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise invalid(error, model) from None


def json_body(request: Request) -> Any:
    """The body decoded; the flow refuses NaN, naming where it stands. Raises Malformed."""
    try:
        return from_json(raw_body(request))
    except ValueError as error:
        raise Malformed.of("body", f"must be JSON: {error}") from None
