"""What a posted form says: few short fields, each once."""

from __future__ import annotations

from urllib.parse import parse_qsl

from chalice.app import Request

from chalicelib.api.boundary import body_of
from chalicelib.api.problems import Malformed, UnknownMedia
from chalicelib.core.errors import BadInput, TooLarge

LARGEST_FORM_BYTES = 16_384
MOST_FIELDS = 32
MEDIA_TYPE = "application/x-www-form-urlencoded"


def read_form(request: Request) -> dict[str, str]:
    """The fields of a form; raises UnknownMedia, TooLarge, Malformed."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != MEDIA_TYPE:
        raise UnknownMedia.of("Content-Type", f"must be {MEDIA_TYPE}")
    body = body_of(request)
    if len(body) > LARGEST_FORM_BYTES:
        raise TooLarge.of("form", f"must be at most {LARGEST_FORM_BYTES} bytes")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=MOST_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise Malformed.of("form", "cannot be read") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Malformed.of("form", "must name each field once")
    return fields


def field_of(form: dict[str, str], name: str, *, says: str) -> str:
    """A field that must say something; raises BadInput with what to do."""
    value = form.get(name, "").strip()
    if not value:
        raise BadInput.of(name, says)
    return value
