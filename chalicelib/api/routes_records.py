"""Routes for decisions that were made: look at one, re-execute it, ask for a person."""

from __future__ import annotations

from dataclasses import asdict
from urllib.parse import unquote

from chalice.app import Request

from chalicelib.api import present
from chalicelib.api.boundary import Answer, answering, caller_of, correlation_of
from chalicelib.api.edge import GetEdge
from chalicelib.core.record import rules_hash_of
from chalicelib.core.seal import is_intact
from chalicelib.flows import read, review


@answering
def get_decision(request: Request, get_edge: GetEdge, decision_id: str) -> Answer:
    """``GET /v1/decisions/{decision_id}``."""
    edge = get_edge()
    access = edge.patient()
    keys = access.keys()
    record = read.find_record(unquote(decision_id), store=access.store, keys=keys, now=edge.now())
    named = rules_hash_of(record)
    rules = edge.rulebook().find_or_current(named, store=access.store, now=edge.now())
    body = present.decision_record(record, intact=is_intact(record, keys))
    # Imported here: a checkout never needs it.
    from chalicelib.core.plain_words import explain_to_customer  # noqa: PLC0415

    told = explain_to_customer(record, rules=rules)
    asked = review.find_review(record["decision_id"], store=access.store, now=edge.now())
    body["explanation"] = None if told is None else asdict(told)
    body["review"] = None if asked is None else present.review(record["decision_id"], asked)
    return Answer(body)


@answering
def request_review(request: Request, get_edge: GetEdge, decision_id: str) -> Answer:
    """``POST /v1/decisions/{decision_id}/review``."""
    edge = get_edge()
    access = edge.patient()
    named = unquote(decision_id)
    asked = review.request_review(
        named,
        store=access.store,
        keys=access.keys(),
        now=edge.now(),
        key_id=caller_of(request),
        correlation_id=correlation_of(request),
    )
    return Answer(present.review(named, asked), status=202)


@answering
def replay_decision(request: Request, get_edge: GetEdge, decision_id: str) -> Answer:
    """``POST /v1/decisions/{decision_id}/replay``."""
    edge = get_edge()
    access = edge.patient()
    altered = read.replay(
        unquote(decision_id),
        store=access.store,
        book=edge.rulebook(),
        keys=access.keys(),
        now=edge.now(),
    )
    return Answer({"same": not altered, "differences": list(altered)})
