"""The way of an effect on moto: ledger, stream, queue, worker, mail; real adapters throughout."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from chalicelib.aws.bus import EventBridgeBus
from chalicelib.aws.clients import Clients
from chalicelib.aws.mailer import SesMailer
from chalicelib.aws.queues import SqsQueue
from chalicelib.aws.store import DynamoStore
from chalicelib.core.control import SWITCH_COPIES, Switches
from chalicelib.core.effects import Effect
from chalicelib.core.kinds import CONTACT, EFFECT, SWITCH
from chalicelib.core.pace import Limits
from chalicelib.core.ports import LONGEST_DELAY_SECONDS
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer
from chalicelib.core.tokens import sign
from chalicelib.flows.act import ActPorts, from_messages
from chalicelib.flows.relay import from_stream
from chalicelib.flows.sweep import SweepPorts, sweep
from chalicelib.flows.unsubscribe import act_on
from chalicelib.mail.compose import UNSUBSCRIBE
from ops.pump import streams_client
from tests.fakes import SIGNING_KEYS
from tests.mail_makers import (
    EMAIL,
    NEW_YORK,
    NOW,
    SETTINGS,
    contact_of,
    effect,
    hash_of,
    mail_effect,
    parse,
)
from tests.stack import Stack, session

MAIL, EVENT = "e" * 32, "0" * 32


@pytest.fixture
def store(stack: Stack, clients: Clients) -> DynamoStore:
    """Storage on moto, with Ada in it."""
    store = DynamoStore(clients.dynamodb_patient, tables=stack.tables)
    contact = contact_of()
    store.write([Put(CONTACT.key(contact.subject.key), contact)], now=NOW)
    return store


@pytest.fixture
def ports(stack: Stack, clients: Clients, store: DynamoStore) -> ActPorts:
    """What the worker is given in production."""
    return ActPorts(
        store=store,
        bus=EventBridgeBus(clients.events, name=stack.bus_name),
        mailer=SesMailer(clients.sesv2, configuration_set=stack.configuration_set),
        later=SqsQueue(
            clients.sqs, url=stack.effects_queue_url, delay_seconds=LONGEST_DELAY_SECONDS
        ),
        keys=SIGNING_KEYS,
        mail=replace(SETTINGS, sender=stack.sender),
    )


def plan(store: DynamoStore, *effects: Effect) -> None:
    """Commit planned effects."""
    for each in effects:
        store.write([Put(EFFECT.key(each.effect_id), each)], now=NOW)


def stream_event(table: str) -> dict[str, Any]:
    """Everything that the table's stream holds, as Lambda would deliver it."""
    arn = session().client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
    streams = streams_client(session())
    shards = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    records: list[Any] = []
    for shard in shards:
        iterator = streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records += streams.get_records(ShardIterator=iterator)["Records"]
    return {"Records": records}


def queue_event(url: str) -> dict[str, Any]:
    """What the queue hands out now, as Lambda would deliver it."""
    messages = (
        session()
        .client("sqs")
        .receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        .get("Messages", [])
    )
    return {"Records": [{"messageId": m["MessageId"], "body": m["Body"]} for m in messages]}


def sent_mails() -> list[Any]:
    """What SES took."""
    sent: list[Any] = ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages
    return sent


def switch(store: DynamoStore, *, sending: bool) -> None:
    """Flip the kill switch, all copies."""
    for copy in range(SWITCH_COPIES):
        put = Put(SWITCH.key(str(copy)), Switches(sending=sending), WHATEVER)
        store.write([put], now=NOW)


def state(store: DynamoStore, effect_id: str) -> str:
    """Where an effect stands."""
    stored = store.read([EFFECT.key(effect_id)], now=NOW).value(EFFECT.key(effect_id))
    assert stored is not None
    return stored.state


def relay(stack: Stack, clients: Clients) -> None:
    """Let the relay see the whole stream."""
    queue = SqsQueue(clients.sqs, url=stack.effects_queue_url)
    event = stream_event(stack.tables["effects"])
    store = DynamoStore(clients.dynamodb_patient, tables=stack.tables)
    answer = from_stream(event, queue=queue, store=store, now=NOW)
    assert answer == {"batchItemFailures": []}


def test_from_the_ledger_to_the_mail(
    stack: Stack, clients: Clients, store: DynamoStore, ports: ActPorts
) -> None:
    """A planned mail and a planned event leave through SES and the bus, and are recorded."""
    plan(
        store,
        mail_effect(MAIL),
        effect("event", EVENT, action="Segment Changed", payload={"segment": "at_risk"}),
    )
    relay(stack, clients)

    answer = from_messages(queue_event(stack.effects_queue_url), ports=ports, now=NOW, worker="w")

    assert answer == {"batchItemFailures": []}
    assert (state(store, MAIL), state(store, EVENT)) == ("ACCEPTED", "ACCEPTED")
    (taken,) = sent_mails()
    assert EMAIL in taken.destinations
    mail = parse(taken.raw_data.encode())
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert NEW_YORK in mail.text
    assert NEW_YORK in mail.visible


def test_the_stream_again_mails_nobody_twice(
    stack: Stack, clients: Clients, store: DynamoStore, ports: ActPorts
) -> None:
    """The moves of an effect are in the stream too; relayed as a whole again, one mail remains."""
    plan(store, mail_effect(MAIL))
    for worker in ("w-1", "w-2"):
        relay(stack, clients)
        from_messages(queue_event(stack.effects_queue_url), ports=ports, now=NOW, worker=worker)

    assert len(sent_mails()) == 1


def test_unsubscribing_stops_the_next_mail(store: DynamoStore, ports: ActPorts) -> None:
    """A withdrawal in storage suppresses the mail that was planned before it."""
    plan(store, mail_effect(MAIL))
    payload = {"a": hash_of(EMAIL), "p": "marketing_email"}
    token = sign(SIGNING_KEYS, purpose=UNSUBSCRIBE, payload=payload)

    assert act_on(token, store=store, keys=SIGNING_KEYS, now=NOW).status == 200
    body = json.dumps({"effect_id": MAIL, "correlation_id": "c"})
    event = {"Records": [{"messageId": "m", "body": body}]}

    assert from_messages(event, ports=ports, now=NOW, worker="w") == {"batchItemFailures": []}
    assert state(store, MAIL) == "SUPPRESSED"
    assert sent_mails() == []


def waiting_in(url: str) -> tuple[int, int]:
    """How many messages of a queue are visible, and how many are delayed."""
    told = session().client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    said = told["Attributes"]
    return (
        int(said["ApproximateNumberOfMessages"]),
        int(said["ApproximateNumberOfMessagesDelayed"]),
    )


def test_with_sending_off_the_mail_waits_in_the_ledger(
    stack: Stack, clients: Clients, store: DynamoStore, ports: ActPorts
) -> None:
    """The effect stays planned and nothing is in the queue; a sweep brings it back in time."""
    plan(store, mail_effect(MAIL))
    switch(store, sending=False)
    body = json.dumps({"effect_id": MAIL, "correlation_id": "c"})
    event = {"Records": [{"messageId": "m", "body": body}]}

    assert from_messages(event, ports=ports, now=NOW, worker="w") == {"batchItemFailures": []}

    assert state(store, MAIL) == "PLANNED"
    assert waiting_in(stack.effects_queue_url) == (0, 0)

    switch(store, sending=True)
    sweeping = SweepPorts(store, SqsQueue(clients.sqs, url=stack.effects_queue_url))
    assert sweep(ports=sweeping, now=NOW + 899, correlation_id="s")["queued"] == 0
    assert sweep(ports=sweeping, now=NOW + 900, correlation_id="s")["queued"] == 1
    event = queue_event(stack.effects_queue_url)
    assert from_messages(event, ports=ports, now=NOW + 901, worker="w-2") == {
        "batchItemFailures": []
    }
    assert state(store, MAIL) == "ACCEPTED"


def test_a_wait_for_the_rate_has_one_message_with_a_delay(
    stack: Stack, store: DynamoStore, ports: ActPorts
) -> None:
    """It names the hold that it was sent for, so that whatever came before it is void."""
    plan(store, mail_effect(MAIL))
    full = replace(ports, limits=Limits(per_second=0))
    body = json.dumps({"effect_id": MAIL, "correlation_id": "c"})
    event = {"Records": [{"messageId": f"m-{n}", "body": body} for n in range(3)]}

    assert from_messages(event, ports=full, now=NOW, worker="w") == {"batchItemFailures": []}

    assert state(store, MAIL) == "PLANNED"
    assert waiting_in(stack.effects_queue_url) == (0, 1)


def test_a_refused_address_fails_alone(store: DynamoStore, ports: ActPorts) -> None:
    """SES refuses one address for good: that effect ends FAILED, its neighbour is sent."""
    stranger = customer("c-2")
    odd = contact_of(stranger, email="no.such..mailbox@example.com")
    store.write([Put(CONTACT.key(stranger.key), odd)], now=NOW)
    plan(store, mail_effect("f" * 32, subject=stranger), mail_effect(MAIL))
    event = {
        "Records": [
            {"messageId": name, "body": json.dumps({"effect_id": name, "correlation_id": "c"})}
            for name in ("f" * 32, MAIL)
        ]
    }

    assert from_messages(event, ports=ports, now=NOW, worker="w") == {"batchItemFailures": []}

    assert (state(store, "f" * 32), state(store, MAIL)) == ("FAILED", "ACCEPTED")
    assert len(sent_mails()) == 1
