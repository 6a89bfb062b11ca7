"""From the ledger to the queue: every effect that was planned becomes one message for a worker.

The table's stream delivers each new effect at least once and in order; the queue then spreads
them over workers. A message repeated here finds its effect already claimed or done. The same
stream brings what events say of articles; that is taken into the catalogue once the effects are on
their way, so that nothing about an article can hold up a mail.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.core.errors import Transient
from chalicelib.core.kinds import EFFECT, SIGNAL
from chalicelib.core.ports import Queue, Store
from chalicelib.core.storage import Key
from chalicelib.flows.count_articles import Told, count_articles
from chalicelib.flows.effect_message import first_message
from chalicelib.flows.wordless import wordless
from chalicelib.telemetry import log_event

BatchAnswer = dict[str, list[dict[str, str]]]


@wordless
def from_stream(event: Mapping[str, Any], *, queue: Queue, store: Store, now: int) -> BatchAnswer:
    """Queue the message of each new effect in stream records; count what signals say.

    What is unreadable does not hold back its neighbours: they are taken first, and only then is
    the first unreadable record reported, from which the stream is tried again.

    Returns:
        Lambda's partial batch answer: the sequence number of the first record to try again.

    Raises:
        Transient: the queue did not take them all; the stream delivers the batch again.
    """
    batch = _read(event["Records"])
    if batch.bodies:
        queue.send(batch.bodies)
    again = [*batch.unreadable, *_count(batch, store, now)]
    log_event("effects_relayed", relayed=len(batch.bodies), failed=len(again))
    return {"batchItemFailures": [{"itemIdentifier": min(again, key=batch.order)}] if again else []}


@dataclass(slots=True)
class _Batch:
    """What the records of one batch say, each with its sequence number where it may come again."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    told: list[tuple[str, Told]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)

    def order(self, sequence_number: str) -> int:
        """Where in the batch a record stood."""
        return self.numbers.index(sequence_number)


def _read(records: Iterable[Mapping[str, Any]]) -> _Batch:
    batch = _Batch()
    for record in records:
        sort_key: str = record["dynamodb"]["Keys"]["sk"]["S"]
        if record["eventName"] != "INSERT" or sort_key not in _RELAYED:
            continue  # coupons and markers share the table
        number = record["dynamodb"]["SequenceNumber"]
        batch.numbers.append(number)
        try:
            if sort_key == SIGNAL.name:
                batch.told.append((number, _told(record)))
            elif (body := _body(record)) is not None:
                batch.bodies.append(body)
        except (KeyError, TypeError, ValueError) as error:
            batch.unreadable.append(number)
            log_event("effect_unreadable", event_id=number, error=type(error).__name__)
    return batch


_RELAYED = frozenset({EFFECT.name, SIGNAL.name})


def _count(batch: _Batch, store: Store, now: int) -> list[str]:
    """Take signals into the catalogue; returns where to begin again when that did not succeed."""
    if not batch.told:
        return []
    try:
        counted = count_articles([each for _, each in batch.told], store=store, now=now)
    except Transient as error:
        first = batch.told[0][0]
        log_event("articles_not_counted", event_id=first, error=type(error).__name__)
        return [first]
    log_event("articles_counted", count=counted.signals, products=counted.articles)
    return []


def _told(record: Mapping[str, Any]) -> Told:
    stored = record["dynamodb"]
    key = Key(SIGNAL, stored["Keys"]["pk"]["S"])
    return Told(key, SIGNAL.from_json(json.loads(stored["NewImage"]["body"]["S"])))


def _body(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """The message for a planned effect; None for one that was stored further along."""
    stored = json.loads(record["dynamodb"]["NewImage"]["body"]["S"])
    return first_message(stored) if stored["state"] == "PLANNED" else None
