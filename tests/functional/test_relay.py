"""From the ledger's stream to the queue."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.aws.items import item_of, key_of
from chalicelib.core.address import AddressState
from chalicelib.core.effects import Effect
from chalicelib.core.errors import Transient
from chalicelib.core.kinds import ADDRESS, EFFECT, LIVE_OFFER
from chalicelib.core.storage import Put
from chalicelib.flows.relay import from_stream
from tests.fakes import MemoryQueue, MemoryStore
from tests.mail_makers import NOW, TEN_PERCENT, mail_effect, message_of


def record(put: Put[Any], *, name: str = "INSERT", number: int = 1) -> dict[str, Any]:
    """A stream record as DynamoDB delivers it (NEW_IMAGE)."""
    return {
        "eventID": f"event-{number}",
        "eventName": name,
        "eventSource": "aws:dynamodb",
        "dynamodb": {
            "Keys": key_of(put.key),
            "NewImage": item_of(put, version=1),
            "SequenceNumber": f"{number:021}",
            "StreamViewType": "NEW_IMAGE",
        },
    }


def effect_record(effect: Effect, **changes: Any) -> dict[str, Any]:
    """The record of a stored effect."""
    return record(Put(EFFECT.key(effect.effect_id), effect, expires_at=NOW + 1), **changes)


def unreadable(number: int) -> dict[str, Any]:
    """The record of an effect that something damaged."""
    broken = effect_record(mail_effect(), number=number)
    broken["dynamodb"]["NewImage"]["body"] = {"S": "not JSON"}
    return broken


def body_of(effect_id: str) -> dict[str, Any]:
    """The message that names an effect."""
    return message_of(mail_effect(effect_id))


def relayed(event: dict[str, Any], queue: MemoryQueue) -> Any:
    """What the relay answers to an event, over storage that it has no use for."""
    return from_stream(event, queue=queue, store=MemoryStore(), now=NOW)


def test_each_planned_effect_becomes_one_message() -> None:
    """Its name, what ties it together and its age, nothing else, in the order of the stream."""
    queue = MemoryQueue()
    ids = [f"{index:032x}" for index in range(25)]
    records = [effect_record(mail_effect(name), number=n) for n, name in enumerate(ids)]

    assert relayed({"Records": records}, queue) == {"batchItemFailures": []}
    assert queue.drain() == [body_of(name) for name in ids]


@pytest.mark.parametrize(
    "other",
    [
        effect_record(mail_effect(), name="MODIFY"),
        effect_record(replace(mail_effect(), state="CLAIMED")),
        record(Put(LIVE_OFFER.key("c#c-1", "winback-10"), TEN_PERCENT)),
        record(Put(ADDRESS.key("0" * 40), AddressState())),
    ],
)
def test_nothing_else_is_relayed(other: dict[str, Any]) -> None:
    """Moves of an effect, and whatever shares its table, are no new work."""
    queue = MemoryQueue()

    assert relayed({"Records": [other]}, queue) == {"batchItemFailures": []}
    assert queue.drain() == []


def test_what_ttl_removes_is_not_relayed() -> None:
    """A removal has no new image, and is no new work."""
    removed = effect_record(mail_effect(), name="REMOVE")
    del removed["dynamodb"]["NewImage"]

    assert relayed({"Records": [removed]}, MemoryQueue()) == {"batchItemFailures": []}


def test_an_unreadable_record_does_not_hold_back_its_neighbours() -> None:
    """The good ones are queued first; the stream is tried again from the first bad one."""
    queue = MemoryQueue()
    records = [
        effect_record(mail_effect("a" * 32), number=1),
        unreadable(2),
        effect_record(mail_effect("b" * 32), number=3),
        unreadable(4),
    ]

    answer = relayed({"Records": records}, queue)

    assert answer == {"batchItemFailures": [{"itemIdentifier": f"{2:021}"}]}
    assert queue.drain() == [body_of("a" * 32), body_of("b" * 32)]


@pytest.mark.parametrize("body", ["[]", "7", "{}", '{"state": "PLANNED"}', "null"])
def test_every_damage_is_reported(body: str) -> None:
    """A body that is JSON and still no effect is unreadable too."""
    damaged = effect_record(mail_effect(), number=9)
    damaged["dynamodb"]["NewImage"]["body"] = {"S": body}

    answer = relayed({"Records": [damaged]}, MemoryQueue())

    assert answer == {"batchItemFailures": [{"itemIdentifier": f"{9:021}"}]}


def test_a_queue_that_does_not_answer_brings_the_batch_back() -> None:
    """The stream delivers again; what was queued already is recognised by the ledger."""
    queue = MemoryQueue()
    queue.fail_next(Transient("SendMessageBatch"))
    event = {"Records": [effect_record(mail_effect())]}

    with pytest.raises(Transient):
        relayed(event, queue)

    assert relayed(event, queue) == {"batchItemFailures": []}
    assert queue.drain() == [body_of("e" * 32)]


def test_nothing_to_relay_asks_nobody() -> None:
    """A batch without planned effects costs no call."""
    queue = MemoryQueue()
    queue.fail_next(Transient("must not be called"))

    assert relayed({"Records": []}, queue) == {"batchItemFailures": []}
