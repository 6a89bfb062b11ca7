"""One function for each route: read the request, call the flow, say what came of it.

Each takes the request and a callable that gives the edge, so that even settings that cannot be
read are answered with a problem document. An id in a path comes as it was sent, percent-encoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from chalice.app import AuthRequest, AuthResponse, Request

from chalicelib.api.boundary import Answer, answering, body_of, correlation_of
from chalicelib.api.edge import GetEdge
from chalicelib.api.requests import (
    body_as,
    body_hash,
    json_body,
    repeat_of_call,
    subject_of,
)
from chalicelib.api.schemas import DecisionRequest, QuoteRequest
from chalicelib.core.answer import broken_prices
from chalicelib.core.errors import BadInput
from chalicelib.core.situation import Context, Line
from chalicelib.flows.authorize import Caller, Unknown, recognise
from chalicelib.flows.checkout import Answered, answer_by
from chalicelib.flows.gather import CheckoutCall
from chalicelib.flows.wordless import wordless
from chalicelib.late import late
from chalicelib.telemetry import log_event

if TYPE_CHECKING:
    from chalicelib.api import mail_table, openapi, present, queries
    from chalicelib.flows import health, list_drops, list_mails, once, quotes, read, unsubscribe
else:  # a checkout needs none of it
    mail_table, openapi, present, queries = late(
        "chalicelib.api", "mail_table", "openapi", "present", "queries"
    )
    health, list_drops, list_mails, once = late(
        "chalicelib.flows", "health", "list_drops", "list_mails", "once"
    )
    quotes, read, unsubscribe = late("chalicelib.flows", "quotes", "read", "unsubscribe")


@wordless
def authorize(request: AuthRequest, get_edge: GetEdge) -> AuthResponse:
    """Say who is calling; what they may do is checked at the route, which the gateway cannot.

    A key that nobody knows may do nothing: the gateway answers 403. Raises Transient when
    storage does not answer: the gateway then answers 500, and asks again next time.
    """
    edge = get_edge()
    who = recognise(
        request.token,
        store=edge.key_store(),
        remembered=edge.remembered_keys,
        now=edge.now(),
    )
    match who:
        case Caller(key_id, scopes):
            return AuthResponse(["*"], key_id, {"scopes": " ".join(scopes)})
        case Unknown(reason, key_id):
            log_event("key_refused", reason=reason, key_id=key_id)
            return AuthResponse([], "nobody")


@answering
def create_decision(request: Request, get_edge: GetEdge) -> Answer:
    """``POST /v1/decisions``."""
    edge = get_edge()
    call = _checkout_call(request, call_id=edge.new_id())
    book = edge.rulebook()  # read from disk by a new process, which the deadline must not pay for
    access = edge.hurried()
    answered = answer_by(
        book,
        call,
        store=access.store,
        keys=access.keys,
        now=edge.now(),
        correlation_id=correlation_of(request),
        learned=edge.learned,
    )
    return _told(answered, call.placement)


@answering
def verify_quote(request: Request, get_edge: GetEdge) -> Answer:
    """``POST /v1/quotes/verify``."""
    edge = get_edge()
    asked = body_as(request, QuoteRequest)
    verdict = quotes.judge(asked.quote, keys=edge.hurried().keys(), now=edge.now())
    return Answer(present.quote(verdict))


@answering
def accept_events(request: Request, get_edge: GetEdge) -> Answer:
    """``POST /v1/events``: what is refused is told, and the others count."""
    edge = get_edge()
    repeat_of, now = repeat_of_call(request), edge.now()

    def fold() -> Mapping[str, Any]:
        return edge.fold_events(json_body(request), now=now, correlation_id=correlation_of(request))

    if repeat_of is None:
        told = fold()
    else:
        told = once.once(
            fold,
            repeat_of=repeat_of,
            request_hash=body_hash(request),
            store=edge.patient().store,
            now=now,
            owner=edge.new_id(),
        )
    return Answer(
        told,
        status=202,
        metrics={"Rejects": len(told["rejected"])},
        fields={
            "accepted": told["accepted"],
            "duplicates": told["duplicates"],
            "rejected": len(told["rejected"]),
            "erased": told.get("erased"),
        },
    )


@answering
def get_customer(request: Request, get_edge: GetEdge, customer_id: str) -> Answer:
    """``GET /v1/customers/{customer_id}``."""
    edge = get_edge()
    access = edge.patient()
    view = read.view_customer(
        unquote(customer_id),
        store=access.store,
        rules=edge.rulebook().current,
        keys=access.keys(),
        now=edge.now(),
    )
    return Answer(present.customer(view))


@answering
def list_messages(request: Request, get_edge: GetEdge) -> Answer:
    """``GET /v1/messages``."""
    edge = get_edge()
    asked = queries.mail_query(request, largest_page=list_mails.LARGEST_PAGE)
    access = edge.patient()
    try:
        page = list_mails.list_mails(
            asked.state,
            store=access.store,
            keys=access.keys(),
            now=edge.now(),
            limit=asked.limit,
            cursor=asked.cursor,
        )
    except BadInput as error:
        raise queries.as_malformed(error) from None
    told = {"format": asked.format, "mails": len(page.mails)}
    if asked.format == "csv":
        headers = mail_table.csv_headers(page)
        return Answer(mail_table.as_csv(page), headers=headers, fields=told)
    return Answer(mail_table.as_json(page), fields=told)


@answering
def get_drops(request: Request, get_edge: GetEdge) -> Answer:
    """``GET /v1/drops``."""
    edge = get_edge()
    asked = queries.drop_query(request, largest_page=list_drops.LARGEST_PAGE)
    access, now = edge.patient(), edge.now()
    try:
        page = list_drops.list_drops(
            store=access.store, keys=access.keys(), now=now, limit=asked.limit, cursor=asked.cursor
        )
    except BadInput as error:
        raise queries.as_malformed(error) from None
    return Answer(present.drops(page, now=now), fields={"drops": len(page.drops)})


@answering
def get_drop(request: Request, get_edge: GetEdge, drop_id: str) -> Answer:
    """``GET /v1/drops/{drop_id}``."""
    edge = get_edge()
    now = edge.now()
    state = read.find_drop(unquote(drop_id), store=edge.patient().store, now=now)
    return Answer(present.drop(state, now=now))


@answering
def show_unsubscribe(request: Request, get_edge: GetEdge, token: str) -> Answer:
    """``GET /u/{token}``: asks, and changes nothing."""
    page = unsubscribe.show(token, keys=get_edge().patient().keys())
    return Answer(page.html, status=page.status, headers=page.headers)


@answering
def unsubscribe_now(request: Request, get_edge: GetEdge, token: str) -> Answer:
    """``POST /u/{token}``, from the page or from a mail program (RFC 8058)."""
    edge = get_edge()
    access = edge.patient()
    page = unsubscribe.act_on(
        token,
        store=access.store,
        keys=access.keys(),
        now=edge.now(),
        form=body_of(request),
    )
    return Answer(page.html, status=page.status, headers=page.headers)


@answering
def get_health(request: Request, get_edge: GetEdge) -> Answer:
    """``GET /v1/health``."""
    edge = get_edge()
    rules = edge.rulebook().current
    return Answer(
        health.report(
            rules=rules,
            engine=edge.engine,
            rejected=edge.rejected(),
            version=edge.version,
            python=edge.python,
        )
    )


@answering
def get_openapi(request: Request, get_edge: GetEdge, routes: Any) -> Answer:
    """``GET /v1/openapi.json``."""
    edge = get_edge()
    return Answer(openapi.document(routes, version=edge.version, public_url=edge.public_url))


def _checkout_call(request: Request, *, call_id: str) -> CheckoutCall:
    repeat_of = repeat_of_call(request)
    asked = body_as(request, DecisionRequest)
    said = asked.context
    return CheckoutCall(
        subject=subject_of(asked.customer_id, asked.anonymous_id),
        context=Context(
            said.country,
            said.region,
            said.currency,
            said.session_id,
            said.time_zone,
            said.pricing_opt_out,
            said.gpc,
        ),
        lines=()
        if asked.cart is None
        else tuple([Line(line.sku, line.quantity, line.unit_price) for line in asked.cart.lines]),
        call_id=call_id,
        repeat_of=repeat_of,
        placement=asked.placement,
    )


def _told(answered: Answered, placement: str) -> Answer:
    body = answered.body
    segment = body["segment"]
    decided = answered.how == "decided"
    failed = broken_prices(body["price"]) if decided else 0
    return Answer(
        body,
        metrics={
            "Decisions": int(decided),
            "Segments": int(decided),
            "Fallbacks": int(decided and segment["fallback"]),
            "Degraded": int(answered.how == "degraded"),
            **({"PriceRulesFailed": failed} if failed else {}),
        },
        dimensions={"placement": placement, "segment": segment["name"]},
        fields={
            "decision_id": body["decision_id"],
            "model": segment["model"],
            "degraded": body["degraded"],
            "repeated": answered.how == "repeated",
            "rounds": answered.rounds,
            "offers": len(body["offers"]),
            "error": answered.cause,
        },
    )
