"""What every HTTP request passes through, on its way in and out.

In: a correlation id, a route that exists, a key whose scope fits. Out: problem documents for
whatever went wrong, the correlation id as a header, and one log line. Nothing of a body, a header
or a customer reaches that line.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping
from functools import wraps
from time import perf_counter
from typing import Any, Concatenate, ParamSpec

from chalice.app import Request, Response, RouteEntry
from pydantic_core import to_json

from chalicelib.api.problems import (
    CONTENT_TYPE,
    Malformed,
    MethodUnknown,
    UnknownMedia,
    kind_of,
    problem,
)
from chalicelib.api.scopes import check_scope
from chalicelib.core.errors import BadInput, NotFound, SegueError
from chalicelib.telemetry import emit_metrics, log_event

P = ParamSpec("P")
Routes = Mapping[str, Mapping[str, RouteEntry]]
CORRELATION_HEADER = "X-Correlation-Id"
_CORRELATION = "segueCorrelationId"  # where a request's context carries it
_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,127}\Z")
_REJECTED = (400, 413, 422)
# A decision holds prices and codes of one person: no cache on the way may keep it.
_JSON_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}


class Answer(Response):
    """A response, and what log and metrics shall say about it."""

    def __init__(
        self,
        body: Mapping[str, Any] | str,
        *,
        status: int = 200,
        headers: Mapping[str, str] = _JSON_HEADERS,
        metrics: Mapping[str, float] | None = None,
        dimensions: Mapping[str, str] | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        text = body if isinstance(body, str) else to_json(body).decode()
        super().__init__(body=text, headers=dict(headers), status_code=status)
        self.metrics = metrics or {}
        self.dimensions = dimensions or {}
        self.fields = fields or {}

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:
        """As API Gateway wants it: always text, so Chalice need not look whether it is binary."""
        return {
            "headers": self.headers,
            "multiValueHeaders": {},
            "statusCode": self.status_code,
            "body": self.body,
        }


def guard(
    request: Request | None,
    get_response: Callable[[Request | None], Response],
    *,
    routes: Routes,
    new_id: Callable[[], str],
) -> Response:
    """Chalice's middleware for HTTP: see the module."""
    started = perf_counter()
    if request is None:  # not an event of API Gateway; Chalice answers it itself
        return get_response(request)
    correlation_id = _sane_correlation_id(request) or new_id()
    request.context[_CORRELATION] = correlation_id
    try:
        _check_route(request, routes)
    except BadInput as error:
        response: Response = refuse(error, correlation_id=correlation_id)
    else:
        response = get_response(request)
        if not isinstance(response, Answer):
            response = _only_ours(response, correlation_id=correlation_id)
    response.headers[CORRELATION_HEADER] = correlation_id
    _log(request, response, correlation_id, latency_ms=(perf_counter() - started) * 1000)
    return response


def answering(
    route: Callable[Concatenate[Request, P], Answer],
) -> Callable[Concatenate[Request | None, P], Answer]:
    """Turn whatever a route raises into a problem document: the one place that catches all."""

    @wraps(route)
    def answered(request: Request | None, /, *args: P.args, **kwargs: P.kwargs) -> Answer:
        if request is None:  # Chalice's type allows it; within a request it never is
            raise RuntimeError("a route was called outside of a request")
        try:
            return route(request, *args, **kwargs)
        except Exception as error:
            return refuse(error, correlation_id=correlation_of(request))

    return answered


def correlation_of(request: Request) -> str:
    """The id that ties everything of this request together."""
    correlation_id: str = request.context[_CORRELATION]
    return correlation_id


def caller_of(request: Request) -> str:
    """The id of the API key that asks."""
    key_id: str = request.context.get("authorizer", {}).get("principalId", "")
    return key_id


def body_of(request: Request) -> bytes:
    """The body as bytes; raises Malformed when the gateway's encoding of it is broken."""
    try:
        body = request.raw_body
    except ValueError:
        raise Malformed.of("body", "is not base64 although it says so") from None
    return body.encode() if isinstance(body, str) else body


def refuse(error: Exception, *, correlation_id: str) -> Answer:
    """Answer an error with its problem document."""
    kind = kind_of(error)
    headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
    if isinstance(error, MethodUnknown):
        headers["Allow"] = error.errors[0].problem.removeprefix("must be ")
    if kind.status == 503:
        headers["Retry-After"] = "1"
    fields: dict[str, Any] = {"error": type(error).__name__}
    if kind.status >= 500:
        # Our own messages name no person; those of others may, so only their place is told.
        fields["reason"] = str(error) if isinstance(error, SegueError) else None
        fields["traceback"] = _places(error)
    return Answer(
        problem(error, correlation_id=correlation_id),
        status=kind.status,
        headers=headers,
        # What is not there, and whom one may not ask, is no bad input.
        metrics={"Rejects": 1} if kind.status in _REJECTED else {},
        fields=fields,
    )


def _check_route(request: Request, routes: Routes) -> None:
    """Raise unless the route exists and the key may use it."""
    if request.path not in routes:
        raise NotFound.of("path", "names no route; GET /v1/openapi.json lists them")
    methods = routes[request.path]
    if request.method not in methods:
        raise MethodUnknown.of("method", f"must be {', '.join(sorted(methods))}")
    held = request.context.get("authorizer", {}).get("scopes", "")
    check_scope((request.method, request.path), held=held.split())


def _only_ours(response: Response, *, correlation_id: str) -> Response:
    """Chalice's own refusals as problem documents; everything else as it is."""
    if response.status_code < 400:
        return response
    if response.status_code == 415:
        return refuse(
            UnknownMedia.of("Content-Type", "must be application/json"),
            correlation_id=correlation_id,
        )
    # A route that raised past ``answering``, or a fault of Chalice: ours either way.
    return refuse(RuntimeError("unanswered"), correlation_id=correlation_id)


def _sane_correlation_id(request: Request) -> str | None:
    """The caller's own id, where it can do no harm in a log; else the gateway's."""
    sent = request.headers.get(CORRELATION_HEADER) or request.context.get("requestId", "")
    return sent if _SANE_ID.match(sent) else None


def _log(request: Request, response: Response, correlation_id: str, *, latency_ms: float) -> None:
    fields = {
        "correlation_id": correlation_id,
        "method": request.method,
        "route": request.path,
        "status": int(response.status_code),
        "key_id": caller_of(request) or None,
        **getattr(response, "fields", {}),
    }
    latency_ms = round(latency_ms, 3)
    if isinstance(response, Answer) and response.metrics:
        if response.status_code >= 400:  # how long a refusal took says nothing of answers
            emit_metrics("request", response.metrics, latency_ms=latency_ms, **fields)
            return
        metrics = {**response.metrics, "LatencyMs": latency_ms}
        emit_metrics("request", metrics, dimensions=response.dimensions, **fields)
    else:
        log_event("request", latency_ms=latency_ms, **fields)


def _places(error: Exception) -> list[str]:
    """Where it happened, without a word of what the data was."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
