"""Events folded, without AWS: ``POST /v1/events`` in batches of 100, and the pure fold alone."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import app as ours
from benchmarks.decision import install
from benchmarks.people import CATALOGUE, KEY_ID, People, read_people
from chalicelib.core.fold import fold, join_order, recount
from chalicelib.core.instants import format_instant
from chalicelib.core.messages import Message, OrderCompleted, parse_message
from chalicelib.core.orders import OrderState
from ops.gateway import posted

CUSTOMERS = 400
BATCH = 100
# What a shop tells of one visit, in its shares: four articles seen, a checkout, an order.
VISIT = (*("Product Viewed",) * 4, "Checkout Started", "Order Completed")


@dataclass(frozen=True, slots=True)
class Events:
    """What was measured.

    Attributes:
        handled_per_cpu_second: events through the whole handler, from JSON to planned writes.
        folded_per_cpu_second: the same messages, parsed already, folded into their profiles.
        reads: calls to storage that read, for one batch.
        writes: calls to storage that write, for one batch.
    """

    handled_per_cpu_second: float
    folded_per_cpu_second: float
    reads: float
    writes: float


def measure(*, batches: int = 60) -> Events:
    """Measure both, after a warm-up of each."""
    people = read_people(CUSTOMERS)
    store = install(people)
    requests = _requests(people)
    _handle(itertools.islice(requests, 3))
    store.reads = store.writes = 0
    handled = _handle(itertools.islice(requests, batches))
    raw = itertools.islice(_messages(people), batches * BATCH)
    parsed = [parse_message(each, now=people.now, default_currency="USD") for each in raw]
    _fold(people, parsed[:BATCH])
    folded = _fold(people, parsed)
    return Events(
        handled_per_cpu_second=batches * BATCH / handled,
        folded_per_cpu_second=len(parsed) / folded,
        reads=store.reads / batches,
        writes=store.writes / batches,
    )


def _messages(people: People) -> Iterator[dict[str, Any]]:
    """Segment-spec messages without end: visits of one customer after the other."""
    shoppers = itertools.cycle(facts.subject.id for facts in people.facts)
    for visit, customer_id in enumerate(shoppers):
        for step, event in enumerate(VISIT):
            yield {
                "type": "track",
                "event": event,
                "messageId": f"m-{visit}-{step}",
                "userId": customer_id,
                "timestamp": format_instant(people.now - 60 + step),
                "properties": {
                    "order_id": f"o-{visit}",
                    "total": 15.99,
                    "currency": "USD",
                    "product_id": CATALOGUE[0].sku,
                    "sku": CATALOGUE[0].sku,
                },
            }


def _requests(people: People) -> Iterator[dict[str, Any]]:
    """Requests of a batch each, as API Gateway hands them over."""
    messages = _messages(people)
    while True:
        batch = list(itertools.islice(messages, BATCH))
        yield posted("/v1/events", {"batch": batch}, key_id=KEY_ID, scopes=("events",))


def _handle(requests: Iterator[dict[str, Any]]) -> float:
    """CPU seconds that the handler takes."""
    spent = 0
    for request in requests:
        begun = time.process_time_ns()
        response = ours.app(request, None)
        spent += time.process_time_ns() - begun
        told = json.loads(response["body"])
        if told.get("accepted") != BATCH:
            raise SystemExit(f"a batch was not accepted: {told}")
    return spent / 1e9


def _fold(people: People, messages: Sequence[Message]) -> float:
    """CPU seconds that folding the messages into their profiles takes."""
    profiles = {facts.subject.id: facts for facts in people.facts}
    begun = time.process_time_ns()
    for message in messages:
        customer_id = message.envelope.customer_id or ""
        facts = fold(profiles[customer_id], message)
        if isinstance(message, OrderCompleted):
            order = join_order(OrderState(message.order_id, facts.subject.key), message)
            facts = recount(facts, before=None, after=order)
        profiles[customer_id] = facts
    return (time.process_time_ns() - begun) / 1e9
