"""What each route does, asks and answers, as the description of the interface tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from chalicelib.api import answers, views, views_policies
from chalicelib.api.schemas import (
    ConsentRequest,
    ControlRequest,
    DecisionRequest,
    QuoteRequest,
)
from chalicelib.api.schemas_offers import OfferRequest, ReleaseRequest, RevokeRequest
from chalicelib.api.schemas_policies import SimulationRequest
from chalicelib.api.scopes import Route
from chalicelib.core.policy import Policy


@dataclass(frozen=True, slots=True)
class Operation:
    """How one route is described.

    Attributes:
        name: unique id of the operation.
        summary: one line.
        answer: the model of the answer; None for a page.
        status: of the answer.
        request: the model of the body, where there is one.
        refusals: statuses besides those that every route of its kind may answer.
    """

    name: str
    summary: str
    answer: type[BaseModel] | None
    status: int = 200
    request: type[BaseModel] | None = None
    refusals: Sequence[int] = ()


OPERATIONS: Mapping[Route, Operation] = {
    ("POST", "/v1/decisions"): Operation(
        "decide",
        "Decide for a checkout: segment, price, offers, and why.",
        answers.Decision,
        request=DecisionRequest,
    ),
    ("GET", "/v1/decisions/{decision_id}"): Operation(
        "getDecision", "The whole record of a decision.", views.DecisionRecord, refusals=(404,)
    ),
    ("POST", "/v1/decisions/{decision_id}/replay"): Operation(
        "replayDecision",
        "Decide a record again and compare.",
        views.Replay,
        refusals=(404, 409),
    ),
    ("POST", "/v1/decisions/{decision_id}/review"): Operation(
        "requestReview",
        "Note that a person shall look at a decision.",
        views.Review,
        status=202,
        refusals=(404, 409),
    ),
    ("POST", "/v1/quotes/verify"): Operation(
        "verifyQuote", "Is this price still good?", answers.QuoteVerdict, request=QuoteRequest
    ),
    ("POST", "/v1/offers/{code}/reserve"): Operation(
        "reserveOffer",
        "Lock a code for a cart, and hold its discount in the action's budget.",
        answers.OfferStanding,
        request=OfferRequest,
        refusals=(404, 409),
    ),
    ("POST", "/v1/offers/{code}/redeem"): Operation(
        "redeemOffer",
        "Use a code for an order, reserved or not.",
        answers.OfferStanding,
        request=OfferRequest,
        refusals=(404, 409),
    ),
    ("POST", "/v1/offers/{code}/release"): Operation(
        "releaseOffer",
        "Give a locked code free, and what it holds back to the budget.",
        answers.OfferStanding,
        request=ReleaseRequest,
        refusals=(404, 409),
    ),
    ("POST", "/v1/offers/{code}/revoke"): Operation(
        "revokeOffer",
        "Take a code back for good; a cart that holds it loses it, with its money.",
        answers.OfferRevoked,
        request=RevokeRequest,
        refusals=(404, 409),
    ),
    ("POST", "/v1/events"): Operation(
        "acceptEvents",
        "Segment-spec messages, one or a batch of at most 100.",
        answers.EventsAccepted,
        status=202,
        refusals=(409,),
    ),
    ("GET", "/v1/customers/{customer_id}"): Operation(
        "getCustomer",
        "Facts, segment, scores, consent, recent decisions and mails of a customer.",
        views.Customer,
        refusals=(404,),
    ),
    ("PUT", "/v1/customers/{customer_id}/consent"): Operation(
        "putConsent",
        "Write down what a customer said of a purpose, with its proof.",
        views.RecordedConsent,
        request=ConsentRequest,
        refusals=(409,),
    ),
    ("GET", "/v1/customers/{customer_id}/export"): Operation(
        "exportCustomer",
        "Everything that is stored of a customer, to take along.",
        views.Export,
        refusals=(404,),
    ),
    ("DELETE", "/v1/customers/{customer_id}"): Operation(
        "eraseCustomer",
        "Forget a customer for good; ERASING asks to be called again.",
        views.Erasure,
    ),
    ("GET", "/v1/control"): Operation("getControl", "How the kill switches stand.", views.Control),
    ("PUT", "/v1/control"): Operation(
        "putControl",
        "Flip the kill switches, effective on the very next send or decision.",
        views.Control,
        request=ControlRequest,
    ),
    ("GET", "/v1/policies"): Operation(
        "listPolicies", "Which policies there are, and which decided when.", views_policies.Policies
    ),
    ("POST", "/v1/policies"): Operation(
        "storePolicy",
        "Validate and keep a policy; what is wrong is named by its path.",
        views_policies.PolicyStored,
        status=201,
        request=Policy,
    ),
    ("GET", "/v1/policies/{policy_hash}"): Operation(
        "getPolicy",
        "A stored policy, who wrote it, and its simulations.",
        views_policies.PolicyView,
        refusals=(404,),
    ),
    ("POST", "/v1/policies/{policy_hash}/simulations"): Operation(
        "addSimulation",
        "Write down that a policy was simulated, and what came out.",
        views_policies.PolicyView,
        status=201,
        request=SimulationRequest,
        refusals=(404,),
    ),
    ("POST", "/v1/policies/{policy_hash}/activate"): Operation(
        "activatePolicy",
        "Let a policy decide from the next decision on, or go back to one that did.",
        views_policies.Policies,
        refusals=(404, 409),
    ),
    ("GET", "/v1/messages"): Operation(
        "listMessages",
        "Mails by state, newest first: who was not sent, and why.",
        views.MessageList,
        refusals=(400,),
    ),
    ("GET", "/v1/drops"): Operation(
        "listDrops",
        "Dropped files, newest first: where each stands.",
        views.DropList,
        refusals=(400,),
    ),
    ("GET", "/v1/drops/{drop_id}"): Operation(
        "getDrop", "A dropped file's progress and counts.", views.Drop, refusals=(404,)
    ),
    ("GET", "/u/{token}"): Operation(
        "showUnsubscribe", "Ask whether to unsubscribe; changes nothing.", None
    ),
    ("POST", "/u/{token}"): Operation("unsubscribe", "Unsubscribe (RFC 8058).", None),
    ("GET", "/v1/health"): Operation("getHealth", "Versions and hashes.", views.Health),
    ("GET", "/v1/openapi.json"): Operation("getOpenApi", "This document.", None),
}
# Where an Idempotency-Key is heard.
REPEATABLE = frozenset({
    ("POST", "/v1/decisions"),
    ("POST", "/v1/events"),
    ("POST", "/v1/offers/{code}/reserve"),
    ("POST", "/v1/offers/{code}/redeem"),
    ("POST", "/v1/offers/{code}/release"),
    ("POST", "/v1/offers/{code}/revoke"),
})  # fmt: skip
