"""The way of a mail event on moto: topic, queue, worker, tables; real adapters throughout."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.store import DynamoStore
from chalicelib.core.breaker import Counts, shard_of
from chalicelib.core.effects import Effect
from chalicelib.core.kinds import ADDRESS, BREAKER, EFFECT, ENGAGEMENT
from chalicelib.core.storage import Put
from chalicelib.flows.feedback import FeedbackPorts, from_messages
from ops.resources import queue_url
from tests.fakes import SIGNING_KEYS
from tests.mail_events import ses_event
from tests.mail_makers import EMAIL, NOW, hash_of, mail_effect
from tests.stack import Stack, session

ID = "e" * 32


@pytest.fixture
def store(stack: Stack, clients: Clients) -> DynamoStore:
    """Storage on moto."""
    return DynamoStore(clients.dynamodb_patient, tables=stack.tables)


def publish(topic: str, *events: dict[str, Any]) -> None:
    """As SES does."""
    for event in events:
        session().client("sns").publish(TopicArn=topic, Message=json.dumps(event))


def received(url: str) -> dict[str, Any]:
    """Lambda's SQS event of what is in a queue."""
    messages = session().client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return {
        "Records": [
            {"messageId": message["MessageId"], "body": message["Body"]}
            for message in messages.get("Messages", [])
        ]
    }


def effect_of(store: DynamoStore) -> Effect:
    """The mail as it stands."""
    found = store.read([EFFECT.key(ID)], now=NOW).value(EFFECT.key(ID))
    assert found is not None
    return found


def test_a_bounce_goes_from_the_topic_to_the_address(stack: Stack, store: DynamoStore) -> None:
    """Published once, delivered twice: one transaction, and the second time nothing."""
    topic = stack.environment["SEGUE_MAIL_EVENTS_TOPIC"]
    url = queue_url(session(), "MailEventsQueue", prefix="test")
    accepted = replace(mail_effect(ID), state="ACCEPTED", posts=1)
    store.write([Put(EFFECT.key(ID), accepted)], now=NOW)
    names = ("send", "delivery", "bounce", "click")
    publish(topic, *(ses_event(name) for name in names))
    ports = FeedbackPorts(store, SIGNING_KEYS, topic)
    event = received(url)
    assert len(event["Records"]) == len(names)

    for _ in range(2):
        assert from_messages(event, ports=ports, now=NOW + 3600) == {"batchItemFailures": []}

    assert (effect_of(store).state, effect_of(store).reason) == (
        "BOUNCED",
        "bounce_permanent_general",
    )
    address, shard = ADDRESS.key(hash_of(EMAIL)), BREAKER.key(shard_of(ID))
    found = store.read([address, shard, ENGAGEMENT.key(ID)], now=NOW)
    state, tally = found.value(address), found.value(shard)
    assert state is not None
    assert set(state.suppressed) == {"marketing", "transactional"}
    assert tally is not None
    assert list(tally.by_day.values()) == [Counts(sent=1, bounced=1)]
    assert found.version(shard) == 2
    assert found.version(ENGAGEMENT.key(ID)) == 1


def test_another_topic_is_not_believed(stack: Stack, store: DynamoStore) -> None:
    """The queue admits only ours; should another get through, the code refuses it."""
    sns, sqs = session().client("sns"), session().client("sqs")
    url = queue_url(session(), "MailEventsQueue", prefix="test")
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    foreign = sns.create_topic(Name="foreign")["TopicArn"]
    sns.subscribe(TopicArn=foreign, Protocol="sqs", Endpoint=arn["QueueArn"])
    store.write([Put(EFFECT.key(ID), mail_effect(ID))], now=NOW)
    publish(foreign, ses_event("bounce"))
    ports = FeedbackPorts(store, SIGNING_KEYS, stack.environment["SEGUE_MAIL_EVENTS_TOPIC"])

    answer = from_messages(received(url), ports=ports, now=NOW + 3600)

    assert answer == {"batchItemFailures": []}
    assert effect_of(store) == mail_effect(ID)
    address = ADDRESS.key(hash_of(EMAIL))
    assert store.read([address], now=NOW).value(address) is None
