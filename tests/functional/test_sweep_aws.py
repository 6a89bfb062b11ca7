"""The sweep on the real store and queue, as moto has them."""

from __future__ import annotations

import json
from dataclasses import replace

import boto3

from chalicelib.aws.clients import Clients
from chalicelib.aws.queues import SqsQueue
from chalicelib.aws.store import DynamoStore
from chalicelib.core.kinds import EFFECT
from chalicelib.core.overdue import GRACE_SECONDS
from chalicelib.core.storage import Put
from chalicelib.flows.sweep import SweepPorts, sweep
from tests.mail_makers import NOW, mail_effect
from tests.stack import create_tables
from tests.stores import no_sleep


def test_what_is_overdue_is_queued_and_noted(aws: None, clients: Clients) -> None:
    """Found by the index, sent in batches, and not found again by the next run."""
    tables = create_tables(clients.dynamodb_patient())
    store = DynamoStore(clients.dynamodb_patient, tables=tables, sleep=no_sleep)
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="effects")["QueueUrl"]
    ports = SweepPorts(store, SqsQueue(clients.sqs, url=url, sleep=no_sleep))
    ids = [f"{number:032x}" for number in range(25)]
    for each in ids:
        store.write([Put(EFFECT.key(each), mail_effect(each))], now=NOW)
    done = replace(mail_effect("d" * 32), state="ACCEPTED")
    store.write([Put(EFFECT.key(done.effect_id), done)], now=NOW)

    first = sweep(ports=ports, now=NOW + GRACE_SECONDS, correlation_id="s-1")
    second = sweep(ports=ports, now=NOW + GRACE_SECONDS + 60, correlation_id="s-2")

    assert (first["queued"], second["due"]) == (len(ids), 0)
    queued = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        queued += [json.loads(each["Body"])["effect_id"] for each in messages]
    assert sorted(queued) == ids
    key = EFFECT.key(ids[0])
    noted = store.read([key], now=NOW).value(key)
    assert noted == replace(mail_effect(ids[0]), queued_at=NOW + GRACE_SECONDS, queued_times=1)
