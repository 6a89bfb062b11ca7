"""From the ledger to the queue: every effect that was planned becomes one message for a worker.

The table's stream delivers each new effect at least once and in order; the queue then spreads
them over workers. A message repeated here finds its effect already claimed or done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chalicelib.core.kinds import EFFECT
from chalicelib.core.ports import Queue
from chalicelib.flows.effect_message import first_message
from chalicelib.flows.wordless import wordless
from chalicelib.telemetry import log_event

BatchAnswer = dict[str, list[dict[str, str]]]


@wordless
def from_stream(event: Mapping[str, Any], *, queue: Queue) -> BatchAnswer:
    """Queue the message of each new effect in stream records.

    What is unreadable does not hold back its neighbours: they are queued first, and only then is
    the first unreadable record reported, from which the stream is tried again.

    Returns:
        Lambda's partial batch answer: the sequence number of the first record to try again.

    Raises:
        Transient: the queue did not take them all; the stream delivers the batch again.
    """
    bodies: list[dict[str, Any]] = []
    unreadable: list[str] = []
    for record in event["Records"]:
        if not _announces_effect(record):
            continue
        try:
            body = _body(record)
        except (KeyError, TypeError, ValueError) as error:
            sequence_number = record["dynamodb"]["SequenceNumber"]
            unreadable.append(sequence_number)
            log_event("effect_unreadable", event_id=sequence_number, error=type(error).__name__)
        else:
            if body is not None:
                bodies.append(body)
    if bodies:
        queue.send(bodies)
    log_event("effects_relayed", relayed=len(bodies), failed=len(unreadable))
    return {"batchItemFailures": [{"itemIdentifier": first} for first in unreadable[:1]]}


def _announces_effect(record: Mapping[str, Any]) -> bool:
    """Whether the record is a new item of the ledger; coupons and markers share its table."""
    sort_key: str = record["dynamodb"]["Keys"]["sk"]["S"]
    return bool(record["eventName"] == "INSERT") and sort_key == EFFECT.name


def _body(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The message for a planned effect; None for one that was stored further along."""
    stored = json.loads(record["dynamodb"]["NewImage"]["body"]["S"])
    return first_message(stored) if stored["state"] == "PLANNED" else None
