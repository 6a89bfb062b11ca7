"""The routes of a code: locked by a cart, used by an order, given free, taken back."""

from __future__ import annotations

from urllib.parse import unquote

from chalice.app import Request

from chalicelib.api.boundary import Answer, answering
from chalicelib.api.edge import Edge, GetEdge
from chalicelib.api.requests import body_as, repeat_of_call, subject_of
from chalicelib.api.schemas_offers import OfferRequest, ReleaseRequest, RevokeRequest
from chalicelib.flows import redeem, revoke
from chalicelib.flows.code_moves import Answered


@answering
def reserve_offer(request: Request, get_edge: GetEdge, code: str) -> Answer:
    """``POST /v1/offers/{code}/reserve``."""
    return _move_offer(request, get_edge(), "reserve", code)


@answering
def redeem_offer(request: Request, get_edge: GetEdge, code: str) -> Answer:
    """``POST /v1/offers/{code}/redeem``."""
    return _move_offer(request, get_edge(), "redeem", code)


@answering
def release_offer(request: Request, get_edge: GetEdge, code: str) -> Answer:
    """``POST /v1/offers/{code}/release``."""
    return _move_offer(request, get_edge(), "release", code)


@answering
def revoke_offer(request: Request, get_edge: GetEdge, code: str) -> Answer:
    """``POST /v1/offers/{code}/revoke``."""
    edge = get_edge()
    repeat_of = repeat_of_call(request)
    asked = body_as(request, RevokeRequest)
    answered = revoke.from_request(
        revoke.Revocation(unquote(code), asked.reason, repeat_of),
        store=edge.patient().store,
        now=edge.now(),
    )
    return _told(answered, "revoke")


def _move_offer(request: Request, edge: Edge, operation: redeem.Operation, code: str) -> Answer:
    repeat_of = repeat_of_call(request)
    asked: ReleaseRequest
    amount_minor, currency = 0, None
    if operation == "release":
        asked = body_as(request, ReleaseRequest)
    else:
        asked = using = body_as(request, OfferRequest)
        amount_minor, currency = using.amount, using.currency
    subject = subject_of(asked.customer_id, asked.anonymous_id)
    store, now = edge.patient().store, edge.now()
    call = redeem.OfferCall(
        operation, unquote(code), subject, asked.order_id, amount_minor, currency, repeat_of
    )
    answered = edge.rulebook().apply(
        lambda rules: redeem.from_request(call, store=store, rules=rules, now=now),
        store=store,
        now=now,
    )
    return _told(answered, operation)


def _told(answered: Answered, operation: str) -> Answer:
    return Answer(
        answered.body,
        metrics={} if answered.repeated else {"OfferMoves": 1},
        dimensions={"operation": operation},
        fields={
            "state": answered.body["state"],
            "repeated": answered.repeated,
            "rounds": answered.rounds,
        },
    )
