"""Routes for policies: store, simulate, activate, roll back."""

from __future__ import annotations

from urllib.parse import unquote

from chalice.app import Request

from chalicelib.api import present_policies
from chalicelib.api.boundary import Answer, answering, caller_of, correlation_of
from chalicelib.api.edge import GetEdge
from chalicelib.api.requests import body_as, json_body
from chalicelib.api.schemas_policies import SimulationRequest
from chalicelib.flows import policies


@answering
def list_policies(request: Request, get_edge: GetEdge) -> Answer:
    """``GET /v1/policies``."""
    edge = get_edge()
    shown = policies.show(
        store=edge.patient().store, packaged=edge.rulebook().packaged, now=edge.now()
    )
    return Answer(present_policies.policies(shown))


@answering
def store_policy(request: Request, get_edge: GetEdge) -> Answer:
    """``POST /v1/policies``; the body is the policy as JSON."""
    edge = get_edge()
    stored = policies.store_policy(
        json_body(request),
        store=edge.patient().store,
        rules=edge.rulebook().packaged,
        now=edge.now(),
        key_id=caller_of(request),
        correlation_id=correlation_of(request),
    )
    return Answer({"hash": stored.hash, "name": stored.name}, status=201)


@answering
def get_policy(request: Request, get_edge: GetEdge, policy_hash: str) -> Answer:
    """``GET /v1/policies/{policy_hash}``."""
    edge = get_edge()
    named = unquote(policy_hash)
    stored = policies.find_policy(named, store=edge.patient().store, now=edge.now())
    return Answer(present_policies.policy(named, stored))


@answering
def add_simulation(request: Request, get_edge: GetEdge, policy_hash: str) -> Answer:
    """``POST /v1/policies/{policy_hash}/simulations``."""
    edge = get_edge()
    asked = body_as(request, SimulationRequest)
    named = unquote(policy_hash)
    stored = policies.add_simulation(
        named,
        subject=asked.subject,
        figures=asked.figures,
        store=edge.patient().store,
        now=edge.now(),
        key_id=caller_of(request),
        correlation_id=correlation_of(request),
    )
    return Answer(present_policies.policy(named, stored), status=201)


@answering
def activate_policy(request: Request, get_edge: GetEdge, policy_hash: str) -> Answer:
    """``POST /v1/policies/{policy_hash}/activate``; also takes back an activation."""
    edge = get_edge()
    shown = policies.activate_policy(
        unquote(policy_hash),
        store=edge.patient().store,
        packaged=edge.rulebook().packaged,
        now=edge.now(),
        key_id=caller_of(request),
        correlation_id=correlation_of(request),
    )
    return Answer(present_policies.policies(shown))
