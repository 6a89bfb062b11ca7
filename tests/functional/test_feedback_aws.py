"""The way of a mail event on moto: topic, queue, worker, tables; real adapters throughout."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from chalicelib.adapters import aws_adapters
from chalicelib.aws.clients import Clients
from chalicelib.aws.store import DynamoStore
from chalicelib.core.address import address_hash
from chalicelib.core.breaker import Counts, shard_of
from chalicelib.core.effects import Effect
from chalicelib.core.kinds import ADDRESS, BREAKER, EFFECT, ENGAGEMENT
from chalicelib.core.storage import Put
from chalicelib.core.stripped import Copy, read_copy, signed_body
from chalicelib.flows.feedback import FeedbackPorts, from_messages
from chalicelib.flows.feedback_again import MOST_FAILURES
from chalicelib.mail.ses_events import read_mail_event
from chalicelib.settings import read_settings
from chalicelib.wiring import Parts
from ops.dead_letters import DeadLetters, count_messages
from ops.redrive import Stage, redrive_all
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
    messages = (
        session()
        .client("sqs")
        .receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"])
    )
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "body": message["Body"],
                "attributes": message["Attributes"],
            }
            for message in messages.get("Messages", [])
        ]
    }


@pytest.fixture
def ports(stack: Stack, clients: Clients) -> FeedbackPorts:
    """As the function is wired; only the keys are those by which tests know an address."""
    settings = read_settings(stack.environment)
    return replace(
        Parts(settings, aws_adapters(settings, clients)).feedback_ports(), keys=SIGNING_KEYS
    )


def effect_of(store: DynamoStore) -> Effect:
    """The mail as it stands."""
    found = store.read([EFFECT.key(ID)], now=NOW).value(EFFECT.key(ID))
    assert found is not None
    return found


def test_a_bounce_goes_from_the_topic_to_the_address(
    stack: Stack, store: DynamoStore, ports: FeedbackPorts
) -> None:
    """Published once, delivered twice: one transaction, and the second time nothing."""
    topic = stack.environment["SEGUE_MAIL_EVENTS_TOPIC"]
    url = queue_url(session(), "MailEventsQueue", prefix="test")
    accepted = replace(mail_effect(ID), state="ACCEPTED", posts=1)
    store.write([Put(EFFECT.key(ID), accepted)], now=NOW)
    names = ("send", "delivery", "bounce", "click")
    publish(topic, *(ses_event(name) for name in names))
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


def test_another_topic_is_not_believed(store: DynamoStore, ports: FeedbackPorts) -> None:
    """The queue admits only ours; should another get through, the code refuses it."""
    sns, sqs = session().client("sns"), session().client("sqs")
    url = queue_url(session(), "MailEventsQueue", prefix="test")
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    foreign = sns.create_topic(Name="foreign")["TopicArn"]
    sns.subscribe(TopicArn=foreign, Protocol="sqs", Endpoint=arn["QueueArn"])
    store.write([Put(EFFECT.key(ID), mail_effect(ID))], now=NOW)
    publish(foreign, ses_event("bounce"))
    answer = from_messages(received(url), ports=ports, now=NOW + 3600)

    assert answer == {"batchItemFailures": []}
    assert effect_of(store) == mail_effect(ID)
    address = ADDRESS.key(hash_of(EMAIL))
    assert store.read([address], now=NOW).value(address) is None


def test_what_fails_goes_through_the_real_queues_without_the_address(
    stack: Stack, store: DynamoStore, ports: FeedbackPorts
) -> None:
    """From the topic into a copy that waits, into the dead letters, by redrive into the ledger."""
    sqs = session().client("sqs")
    urls = {
        name: queue_url(session(), name, prefix="test")
        for name in ("MailEventsQueue", "MailEventsDeadLetters")
    }
    accepted = replace(mail_effect(ID), state="ACCEPTED", posts=1)
    publish(ports.topic, ses_event("bounce"))
    # Nothing is known of the mail yet because the table is not the right one: a kind of damage.
    broken = DynamoStore(lambda: session().client("dynamodb"), tables={"effects": "gone"})

    event = received(urls["MailEventsQueue"])
    [record] = event["Records"]
    assert EMAIL in record["body"]
    failing = replace(ports, store=broken)
    assert from_messages(event, ports=failing, now=NOW + 3600) == {"batchItemFailures": []}

    waiting = sqs.get_queue_attributes(
        QueueUrl=urls["MailEventsQueue"], AttributeNames=["ApproximateNumberOfMessagesDelayed"]
    )
    assert waiting["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "1"
    copy = copy_of(record["body"], ports)
    for failures in range(1, MOST_FAILURES):
        body = json.dumps(signed_body(replace(copy, failures=failures), keys=ports.keys))
        again = {"Records": [{**record, "body": body}]}
        assert from_messages(again, ports=failing, now=NOW + 3600) == {"batchItemFailures": []}
    assert count_messages(sqs, urls["MailEventsDeadLetters"]) == 1
    [parked] = received(urls["MailEventsDeadLetters"])["Records"]
    assert EMAIL not in parked["body"]
    assert read_copy(parked["body"], topic=ports.topic, keys=ports.keys) == copy

    store.write([Put(EFFECT.key(ID), accepted)], now=NOW)
    sqs.purge_queue(QueueUrl=urls["MailEventsQueue"])
    sqs.send_message(QueueUrl=urls["MailEventsDeadLetters"], MessageBody=parked["body"])
    known = DeadLetters("mail-events", "MailEventsDeadLetters", "MailEventsQueue")
    stage = Stage(urls, sqs, lambda: 0, lambda _name, _event: False, wait_seconds=0)
    assert redrive_all([known], stage) == {"mail-events": {"moved": 1}}
    event = received(urls["MailEventsQueue"])
    for _ in range(2):
        assert from_messages(event, ports=ports, now=NOW + 3600) == {"batchItemFailures": []}

    assert effect_of(store).state == "BOUNCED"
    address = ADDRESS.key(hash_of(EMAIL))
    assert store.read([address], now=NOW).version(address) == 1


def copy_of(body: str, ports: FeedbackPorts) -> Copy:
    """What is left of an event as it arrived."""
    hashed = partial(address_hash, secret=ports.keys.address_secret)
    event = read_mail_event(body, topic=ports.topic, hashed=hashed, now=NOW + 3600)
    assert event is not None
    return Copy(event, ports.topic, failures=0)
