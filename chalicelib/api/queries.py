"""What may stand after the question mark: read strictly, like a body."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

from chalice.app import Request

from chalicelib.api.problems import Malformed
from chalicelib.core.errors import BadInput, FieldError

Format = Literal["json", "csv"]
USUAL_PAGE = 100
LONGEST_NAME = 64


class MailQuery(NamedTuple):
    """What is asked of the list of mails."""

    state: str | None
    format: Format
    limit: int
    cursor: str | None


class DropQuery(NamedTuple):
    """What is asked of the list of drops."""

    limit: int
    cursor: str | None


def drop_query(request: Request, *, largest_page: int) -> DropQuery:
    """The parameters of ``GET /v1/drops``; raises Malformed naming every one that is wrong."""
    given, errors = _given(request, known=DropQuery._fields)
    limit = _limit(given, errors, largest_page=largest_page)
    if errors:
        raise Malformed(*errors)
    return DropQuery(limit, given.get("cursor"))


def mail_query(request: Request, *, largest_page: int) -> MailQuery:
    """The parameters of ``GET /v1/messages``; raises Malformed naming every one that is wrong."""
    given, errors = _given(request, known=MailQuery._fields)
    limit = _limit(given, errors, largest_page=largest_page)
    wanted = given.get("format", "json")
    if wanted not in ("json", "csv"):
        errors.append(FieldError("format", "must be json or csv"))
    if errors:
        raise Malformed(*errors)
    return MailQuery(
        given.get("state"), "csv" if wanted == "csv" else "json", limit, given.get("cursor")
    )


def _limit(given: Mapping[str, str], errors: list[FieldError], *, largest_page: int) -> int:
    """How long a page is to be; what is wrong with that joins the other errors."""
    page = given.get("limit", str(USUAL_PAGE))
    limit = int(page) if page.isascii() and page.isdigit() and len(page) < 10 else 0
    if not 1 <= limit <= largest_page:
        errors.append(FieldError("limit", f"must be a whole number from 1 to {largest_page}"))
    return limit


def as_malformed(error: BadInput) -> Malformed:
    """The same complaint about what stands in the address, where nothing is a body."""
    return Malformed(*error.errors)


def _given(request: Request, *, known: Collection[str]) -> tuple[dict[str, str], list[FieldError]]:
    """Each parameter once; what is unknown or repeated is an error."""
    given: dict[str, str] = {}
    errors: list[FieldError] = []
    parameters = request.query_params
    if parameters is None:
        return given, errors
    for name in parameters:
        if name not in known:
            errors.append(FieldError(name[:LONGEST_NAME], "is not a parameter of this route"))
        elif len(values := parameters.getlist(name)) > 1:
            errors.append(FieldError(name, "must be given once"))
        else:
            given[name] = values[0]
    return given, errors
