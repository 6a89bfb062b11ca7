"""Queue and bus on moto, and their partial failures on a server of our own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import boto3
import pytest

from chalicelib.aws.bus import EventBridgeBus
from chalicelib.aws.clients import Clients
from chalicelib.aws.queues import SqsQueue
from chalicelib.core.errors import Broken, Transient
from chalicelib.core.ports import BusEvent
from tests.loopback import Loopback, Reaction, Reply, Request, in_turn
from tests.stack import Stack

QUEUE_URL = "http://127.0.0.1/000000000000/effects"
EVENT = BusEvent(
    event_id="e-1",
    detail_type="Segment Changed",
    correlation_id="c-1",
    causation_id="m-1",
    data={"from": "loyal", "to": "at_risk"},
)


def test_every_message_arrives_whole(stack: Stack, clients: Clients) -> None:
    """More messages than one call takes arrive as JSON, each once."""
    bodies = [{"effect_id": f"e-{n}", "correlation_id": "ü"} for n in range(23)]

    SqsQueue(clients.sqs, url=stack.effects_queue_url).send(bodies)

    arrived = _receive_all(stack.effects_queue_url)
    assert sorted(arrived, key=lambda b: b["effect_id"]) == sorted(
        bodies, key=lambda b: b["effect_id"]
    )


def test_large_messages_travel_in_smaller_batches(stack: Stack, clients: Clients) -> None:
    """Ten messages that are together too large for one call arrive nevertheless."""
    bodies = [{"n": n, "text": "x" * 60_000} for n in range(10)]

    SqsQueue(clients.sqs, url=stack.effects_queue_url).send(bodies)

    assert sorted(b["n"] for b in _receive_all(stack.effects_queue_url)) == list(range(10))


def test_a_delayed_message_says_so() -> None:
    """A queue with a delay sends each message with it; SQS holds it back."""
    with Loopback(lambda request: _sqs_answer(request, [])) as server:
        client = Clients(endpoint_url=server.url).sqs
        SqsQueue(client, url=QUEUE_URL, delay_seconds=900).send([{"n": 0}])
        SqsQueue(client, url=QUEUE_URL).send([{"n": 0}])

    delays = [r.json()["Entries"][0]["DelaySeconds"] for r in server.requests]
    assert delays == [900, 0]


def test_a_message_beyond_the_limit_is_refused(clients: Clients) -> None:
    """A single message that no queue takes is refused before anything is sent."""
    with pytest.raises(ValueError, match="a queue takes"):
        SqsQueue(clients.sqs, url=QUEUE_URL).send([{"text": "x" * 300_000}])


def _sqs_answer(request: Request, failing: Sequence[str], *, fault: bool = False) -> Reply:
    ids = [entry["Id"] for entry in request.json()["Entries"]]
    return Reply({
        "Successful": [
            {"Id": name, "MessageId": name, "MD5OfMessageBody": ""}
            for name in ids
            if name not in failing
        ],
        "Failed": [
            {"Id": name, "Code": "InternalError", "SenderFault": fault}
            for name in ids
            if name in failing
        ],
    })  # fmt: skip


def _queue(server: Loopback) -> SqsQueue:
    return SqsQueue(Clients(endpoint_url=server.url).sqs, url=QUEUE_URL, sleep=_no_sleep)


def test_only_messages_that_failed_are_sent_again() -> None:
    """A partial failure sends the failed messages alone once more."""

    def once(request: Request) -> Reaction:
        return _sqs_answer(request, ["1"] if len(server.requests) == 1 else [])

    with Loopback(once) as server:
        _queue(server).send([{"n": 0}, {"n": 1}, {"n": 2}])

    assert [[e["Id"] for e in r.json()["Entries"]] for r in server.requests] == [
        ["0", "1", "2"],
        ["1"],
    ]


def test_messages_that_keep_failing_are_transient() -> None:
    """Three failures of one message raise Transient; the flow's own redelivery takes over."""
    with (
        Loopback(lambda request: _sqs_answer(request, ["1"])) as server,
        pytest.raises(Transient, match="1 messages"),
    ):
        _queue(server).send([{"n": 0}, {"n": 1}])

    assert len(server.requests) == 3


def test_a_message_that_is_our_fault_is_broken() -> None:
    """A failure that SQS blames on the sender is not tried again."""
    with (
        Loopback(lambda request: _sqs_answer(request, ["0"], fault=True)) as server,
        pytest.raises(Broken),
    ):
        _queue(server).send([{"n": 0}])

    assert len(server.requests) == 1


def test_an_event_has_the_promised_envelope(stack: Stack, clients: Clients) -> None:
    """Every event arrives under source "segue" with metadata and data in its detail."""
    _send_bus_to_queue(stack)

    EventBridgeBus(clients.events, name=stack.bus_name).publish([EVENT] * 11)

    arrived = _receive_all(stack.effects_queue_url)
    assert len(arrived) == 11
    assert (arrived[0]["source"], arrived[0]["detail-type"]) == ("segue", "Segment Changed")
    assert arrived[0]["detail"] == {
        "metadata": {
            "event_id": "e-1",
            "schema_version": 1,
            "correlation_id": "c-1",
            "causation_id": "m-1",
        },
        "data": {"from": "loyal", "to": "at_risk"},
    }


def _bus(server: Loopback) -> EventBridgeBus:
    return EventBridgeBus(Clients(endpoint_url=server.url).events, name="b", sleep=_no_sleep)


def _put_answer(*codes: str | None) -> Reply:
    entries = [{"EventId": "1"} if code is None else {"ErrorCode": code} for code in codes]
    return Reply({"FailedEntryCount": sum(map(bool, codes)), "Entries": entries})


def test_only_events_that_failed_are_published_again() -> None:
    """A partial failure publishes the failed events alone once more."""
    with Loopback(in_turn(_put_answer(None, "ThrottlingException"), _put_answer(None))) as server:
        _bus(server).publish([EVENT, EVENT])

    assert [len(request.json()["Entries"]) for request in server.requests] == [2, 1]


def test_events_that_keep_failing_are_transient() -> None:
    """Three failures of an event raise Transient."""
    with (
        Loopback(in_turn(_put_answer("InternalFailure"))) as server,
        pytest.raises(Transient, match="1 events"),
    ):
        _bus(server).publish([EVENT])

    assert len(server.requests) == 3


def test_an_event_that_is_refused_is_broken() -> None:
    """An event that EventBridge itself refuses is not tried again."""
    with (
        Loopback(in_turn(_put_answer("MalformedDetail"))) as server,
        pytest.raises(Broken, match="MalformedDetail"),
    ):
        _bus(server).publish([EVENT])

    assert len(server.requests) == 1


def _receive_all(url: str) -> list[dict[str, Any]]:
    sqs = boto3.client("sqs", "us-east-1")
    bodies: list[dict[str, Any]] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [json.loads(message["Body"]) for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies


def _send_bus_to_queue(stack: Stack) -> None:
    events, sqs = boto3.client("events", "us-east-1"), boto3.client("sqs", "us-east-1")
    answer = sqs.get_queue_attributes(QueueUrl=stack.effects_queue_url, AttributeNames=["QueueArn"])
    events.put_rule(
        Name="all", EventBusName=stack.bus_name, EventPattern=json.dumps({"source": ["segue"]})
    )
    events.put_targets(
        Rule="all",
        EventBusName=stack.bus_name,
        Targets=[{"Id": "q", "Arn": answer["Attributes"]["QueueArn"]}],
    )


def _no_sleep(seconds: float) -> None:
    del seconds
