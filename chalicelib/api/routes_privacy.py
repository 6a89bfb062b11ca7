"""The routes of a person's rights, and of the switches that stop everything."""

from __future__ import annotations

from urllib.parse import unquote

from chalice.app import Request

from chalicelib.api import present_privacy
from chalicelib.api.boundary import Answer, answering, caller_of, correlation_of
from chalicelib.api.edge import GetEdge
from chalicelib.api.requests import body_as
from chalicelib.api.schemas import ConsentRequest, ControlRequest
from chalicelib.core.consents import Statement
from chalicelib.core.control import Switches
from chalicelib.core.instants import parse_instant
from chalicelib.flows import consent, erase, export, switches


@answering
def put_consent(request: Request, get_edge: GetEdge, customer_id: str) -> Answer:
    """``PUT /v1/customers/{customer_id}/consent``."""
    edge = get_edge()
    asked = body_as(request, ConsentRequest)
    said_at = parse_instant(asked.said_at, field="said_at")
    access = edge.patient()
    recorded = consent.record_consent(
        unquote(customer_id),
        Statement(
            asked.purpose,
            asked.granted,
            asked.basis,
            asked.wording,
            asked.source,
            said_at,
            asked.address_confirmed,
        ),
        store=access.store,
        keys=access.keys(),
        now=edge.now(),
        key_id=caller_of(request),
        correlation_id=correlation_of(request),
    )
    return Answer(present_privacy.consent(recorded))


@answering
def export_customer(request: Request, get_edge: GetEdge, customer_id: str) -> Answer:
    """``GET /v1/customers/{customer_id}/export``."""
    edge = get_edge()
    access = edge.patient()
    told = export.export_customer(
        unquote(customer_id), store=access.store, keys=access.keys(), now=edge.now()
    )
    return Answer(present_privacy.export(told, now=edge.now()))


@answering
def erase_customer(request: Request, get_edge: GetEdge, customer_id: str) -> Answer:
    """``DELETE /v1/customers/{customer_id}``; 202 while something is left to do."""
    edge = get_edge()
    access = edge.patient()
    told = erase.erase_customer(
        unquote(customer_id),
        store=access.store,
        keys=access.keys(),
        new_key=edge.new_secret,
        pause=edge.pause,
        now=edge.now(),
        key_id=caller_of(request),
        correlation_id=correlation_of(request),
    )
    return Answer(present_privacy.erasure(told), status=200 if told.is_complete else 202)


@answering
def get_control(request: Request, get_edge: GetEdge) -> Answer:
    """``GET /v1/control``."""
    edge = get_edge()
    state = switches.read_switches(store=edge.patient().store, now=edge.now())
    return Answer(present_privacy.control(state))


@answering
def put_control(request: Request, get_edge: GetEdge) -> Answer:
    """``PUT /v1/control``."""
    edge = get_edge()
    asked = body_as(request, ControlRequest)
    state = switches.flip(
        Switches(asked.sending, asked.pricing, asked.offers),
        store=edge.patient().store,
        now=edge.now(),
        key_id=caller_of(request),
        correlation_id=correlation_of(request),
    )
    return Answer(present_privacy.control(state))
