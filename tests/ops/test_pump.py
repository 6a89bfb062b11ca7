"""The pump delivers what AWS would, in the shapes and with the retries that AWS has."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
import pytest

from chalicelib.aws.packed import unpack
from chalicelib.aws.store import DynamoStore
from chalicelib.core.canonical import canonical_json
from chalicelib.core.effects import Effect
from chalicelib.core.kinds import COUPON, EFFECT, LIVE_OFFER, MESSAGE, RECORD, SESSION
from chalicelib.core.offers import Coupon, Offer
from chalicelib.core.sessions import Session
from chalicelib.core.storage import AtVersion, Put
from ops.pump import REVIEW_EVERY_SECONDS, Handlers, Pump, find_sources, streams_client
from ops.story.books import waiting
from tests.fakes import FixedClock
from tests.stack import Stack, session

NOW = 1_795_000_000


@dataclass(slots=True)
class Recorder:
    """Handlers that keep what they were given, and answer or raise as they are told."""

    calls: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    answers: list[Exception | Callable[[Mapping[str, Any]], Any]] = field(default_factory=list)

    def take(self, name: str, event: Mapping[str, Any]) -> Any:
        """Keep one call; play the next scripted answer."""
        self.calls.append((name, event))
        if not self.answers:
            return None
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer(event)

    def handlers(self) -> Handlers:
        """All of the handlers."""
        return Handlers(
            on_drop=lambda event, _: self.take("on_drop", event),
            on_effects_planned=lambda event, _: self.take("on_effects_planned", event),
            on_decided=lambda event, _: self.take("on_decided", event),
            on_effect=lambda event, _: self.take("on_effect", event),
            on_mail_event=lambda event, _: self.take("on_mail_event", event),
            on_review_due=lambda event, _: self.take("on_review_due", event),
            on_sweep=lambda event, _: self.take("on_sweep", event),
        )

    def names(self) -> list[str]:
        """Who was called, in order."""
        return [name for name, _ in self.calls]


@pytest.fixture
def recorder() -> Recorder:
    """Handlers that record."""
    return Recorder()


@pytest.fixture
def clock() -> FixedClock:
    """The pump's clock."""
    return FixedClock(NOW)


@pytest.fixture
def pump(stack: Stack, recorder: Recorder, clock: FixedClock) -> Pump:
    """A pump over a whole stack, past S3's test of the bucket's notification."""
    pump = Pump(
        recorder.handlers(),
        find_sources(session(), stack.environment, prefix="test"),
        sqs=boto3.client("sqs"),
        streams=streams_client(session()),
        clock=clock,
    )
    assert pump.step() == 1
    assert "s3:TestEvent" in recorder.calls.pop()[1]["Records"][0]["body"]
    return pump


@pytest.fixture
def store(stack: Stack) -> DynamoStore:
    """The store over the stack's tables."""
    client = boto3.client("dynamodb")
    return DynamoStore(lambda: client, tables=stack.tables)


def make_effect(effect_id: str) -> Effect:
    """A planned effect."""
    return Effect(effect_id, "mail", "winback-10", "c#1", "d_1", "r-1", planned_at=NOW)


def test_an_object_becomes_one_call(pump: Pump, recorder: Recorder, stack: Stack) -> None:
    """A dropped file reaches on_drop as an SQS record around the S3 notification, once."""
    boto3.client("s3").put_object(Bucket=stack.drops_bucket, Key="customers/a b.csv", Body=b"x")

    delivered = sum(pump.step() for _ in range(3))

    assert delivered == 1
    [(name, event)] = recorder.calls
    assert name == "on_drop"
    record = event["Records"][0]
    assert record["eventSource"] == "aws:sqs"
    notice = json.loads(record["body"])["Records"][0]["s3"]
    assert notice["bucket"]["name"] == stack.drops_bucket
    assert waiting(boto3.client("sqs"), stack.drops_queue_url) == 0


def test_only_new_effects_are_relayed(pump: Pump, recorder: Recorder, store: DynamoStore) -> None:
    """Changes of an effect, and other things in its table, pass the relay by."""
    effect = make_effect("e-1")
    coupon = Coupon(Offer("winback-10", "CODE", "percent_off", 10, NOW + 60), "c#1", "d_1", NOW)
    store.write([Put(EFFECT.key("e-1"), effect), Put(COUPON.key("CODE"), coupon)], now=NOW)
    store.write([Put(EFFECT.key("e-1"), effect, condition=AtVersion(1))], now=NOW)

    delivered = sum(pump.step() for _ in range(3))

    assert delivered == 2
    [(name, event), counted] = recorder.calls
    assert name == "on_effects_planned"
    assert counted == ("on_decided", event)
    change = event["Records"][0]["dynamodb"]
    assert change["NewImage"]["pk"] == {"S": "e#e-1"}
    json.dumps(event)  # Lambda's events are JSON: no datetime is left in it


def test_a_relay_that_fails_is_repeated(pump: Pump, recorder: Recorder, store: DynamoStore) -> None:
    """The stream does not move on before its batch was taken."""
    store.write([Put(EFFECT.key("e-1"), make_effect("e-1"))], now=NOW)
    recorder.answers = [RuntimeError("no")]

    for _ in range(3):
        pump.step()

    assert recorder.names() == ["on_effects_planned", "on_decided", "on_effects_planned"]
    assert recorder.calls[0] == recorder.calls[2]


def test_a_new_decision_reaches_the_log_as_lambda_would_hand_it_over(
    pump: Pump, recorder: Recorder, store: DynamoStore
) -> None:
    """Once, with its packed body in base64; a session in the same table is no decision."""
    record = {"subject": "c#1", "decided_at": NOW}
    session = Session("d_1", "h", None, (), {}, known=True)
    store.write([Put(RECORD.key("d_1"), record), Put(SESSION.key("s"), session)], now=NOW)

    delivered = sum(pump.step() for _ in range(3))

    assert delivered == 1
    [(name, event)] = recorder.calls
    assert name == "on_decided"
    [change] = json.loads(json.dumps(event))["Records"]
    assert unpack(b64decode(change["dynamodb"]["NewImage"]["body"]["B"])) == canonical_json(record)


def test_only_changes_that_are_counted_reach_the_log(
    pump: Pump, recorder: Recorder, store: DynamoStore
) -> None:
    """A mail that the provider took, and a live code; not a mail that is under way."""
    effect, live = make_effect("e-1"), Offer("winback-10", "CODE", "percent_off", 10, NOW + 60)
    key, at = EFFECT.key("e-1"), LIVE_OFFER.key("c#1", "winback-10")
    store.write([Put(key, effect), Put(at, live), Put(MESSAGE.key("m-1"), {})], now=NOW)
    store.write([Put(key, replace(effect, state="CLAIMED"), AtVersion(1))], now=NOW)
    store.write([Put(key, replace(effect, state="ACCEPTED"), AtVersion(2))], now=NOW)
    store.write([Put(at, replace(live, spent=True), AtVersion(1))], now=NOW)

    for _ in range(3):
        pump.step()

    read = [
        (record["eventName"], record["dynamodb"]["Keys"]["sk"]["S"])
        for name, event in recorder.calls
        if name == "on_decided"
        for record in event["Records"]
    ]
    assert read == [
        ("INSERT", "effect"),
        ("MODIFY", "effect"),
        ("MODIFY", "live"),
        ("INSERT", "message"),
    ]


def test_failed_items_stay_and_the_others_go(pump: Pump, recorder: Recorder, stack: Stack) -> None:
    """A partial batch response deletes exactly what succeeded."""
    send(stack.effects_queue_url, "good", "bad")
    recorder.answers = [
        lambda event: {
            "batchItemFailures": [
                {"itemIdentifier": each["messageId"]}
                for each in event["Records"]
                if each["body"] == "bad"
            ]
        }
    ]

    delivered = pump.step()

    assert delivered == 2
    assert waiting(boto3.client("sqs"), stack.effects_queue_url) == 1


def test_a_batch_that_raises_stays_whole(pump: Pump, recorder: Recorder, stack: Stack) -> None:
    """A handler that raises loses no message; they come again after their visibility timeout."""
    send(stack.effects_queue_url, "one", "two")
    recorder.answers = [RuntimeError("no")]

    pump.step()

    assert waiting(boto3.client("sqs"), stack.effects_queue_url) == 2


def test_effects_come_ten_at_a_time(pump: Pump, recorder: Recorder, stack: Stack) -> None:
    """A batch holds what the event source mapping allows."""
    send(stack.effects_queue_url, *map(str, range(12)))

    pump.step()
    pump.step()

    assert [len(event["Records"]) for _, event in recorder.calls] == [10, 2]


def test_the_schedules_come_once_a_minute(
    pump: Pump, recorder: Recorder, clock: FixedClock
) -> None:
    """The first review and sweep are one period after the start, in the shape of EventBridge."""
    pump.step()
    clock.forward(REVIEW_EVERY_SECONDS)
    for _ in range(2):
        pump.step()
    clock.forward(REVIEW_EVERY_SECONDS)
    pump.step()

    assert recorder.names() == ["on_review_due", "on_sweep"] * 2
    assert {event["detail-type"] for _, event in recorder.calls} == {"Scheduled Event"}
    assert recorder.calls[1][1]["resources"][0].endswith("rule/on_sweep")


def test_a_schedule_that_fails_does_not_hold_up_the_other(
    pump: Pump, recorder: Recorder, clock: FixedClock
) -> None:
    """The sweep runs although the review before it raised."""
    recorder.answers = [RuntimeError("no")]
    clock.forward(REVIEW_EVERY_SECONDS)

    pump.step()

    assert recorder.names() == ["on_review_due", "on_sweep"]


def send(queue_url: str, *bodies: str) -> None:
    """Queue messages."""
    for body in bodies:
        boto3.client("sqs").send_message(QueueUrl=queue_url, MessageBody=body)
