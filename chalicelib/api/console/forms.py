"""What a posted form says: few short fields, each once; a page that takes a file says how long."""

from __future__ import annotations

from urllib.parse import parse_qsl

from chalice.app import Request

from chalicelib.api.boundary import body_of
from chalicelib.api.problems import Malformed, UnknownMedia
from chalicelib.core.errors import BadInput, TooLarge

LARGEST_FORM_BYTES = 16_384
MOST_FIELDS = 32
MEDIA_TYPE = "application/x-www-form-urlencoded"
WITH_FILES = "multipart/form-data"


def read_form(request: Request, *, most_bytes: int = LARGEST_FORM_BYTES) -> dict[str, str]:
    """The fields of a form, a file as its text; raises UnknownMedia, TooLarge, Malformed.

    Only a page that takes more than ``LARGEST_FORM_BYTES`` takes a form with files.
    """
    header = request.headers.get("content-type", "")
    media = header.partition(";")[0].strip().lower()
    takes = (MEDIA_TYPE, WITH_FILES) if most_bytes > LARGEST_FORM_BYTES else (MEDIA_TYPE,)
    if media not in takes:
        raise UnknownMedia.of("Content-Type", f"must be {' or '.join(takes)}")
    body = body_of(request)
    if len(body) > most_bytes:
        raise TooLarge.of("form", f"must be at most {most_bytes:,} bytes, not {len(body):,}")
    pairs = _pairs(body) if media == MEDIA_TYPE else _parts(body, header)
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Malformed.of("form", "must name each field once")
    return fields


def _pairs(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=MOST_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise Malformed.of("form", "cannot be read") from None


def _parts(body: bytes, header: str) -> list[tuple[str, str]]:
    """The parts of a form with files (RFC 7578), each as text; names of files are not looked at."""
    from email.parser import BytesParser  # noqa: PLC0415  (for one page of the console)
    from email.policy import HTTP  # noqa: PLC0415

    if not header.isascii() or not header.isprintable():
        raise Malformed.of("Content-Type", "cannot be read")
    head = f"Content-Type: {header}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    parts = message.get_payload()
    if not isinstance(parts, list) or not 0 < len(parts) <= MOST_FIELDS:
        raise Malformed.of("form", f"must have 1 to {MOST_FIELDS} fields")
    return [_part(each) for each in parts]


def _part(part: object) -> tuple[str, str]:
    from email.message import EmailMessage  # noqa: PLC0415

    if not isinstance(part, EmailMessage) or part.is_multipart():
        raise Malformed.of("form", "cannot be read")
    name = part.get_param("name", header="content-disposition")
    payload = part.get_payload(decode=True)
    if not isinstance(name, str) or not isinstance(payload, bytes):
        raise Malformed.of("form", "has a field without a name")
    try:
        return name, payload.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Malformed.of(name if name.isidentifier() else "form", "must be UTF-8 text") from None


def field_of(form: dict[str, str], name: str, *, says: str) -> str:
    """A field that must say something; raises BadInput with what to do."""
    value = form.get(name, "").strip()
    if not value:
        raise BadInput.of(name, says)
    return value


def number_of(form: dict[str, str], name: str, *, says: str) -> int:
    """A field that must be a whole number; raises BadInput with what to do."""
    value = form.get(name, "").strip()
    if not value.isascii() or not value.isdigit() or len(value) > len(str(10**9)):
        raise BadInput.of(name, says)
    return int(value)
