"""The sweep on the real store and queue, as moto has them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import boto3

from chalicelib.aws.clients import Clients
from chalicelib.aws.queues import SqsQueue
from chalicelib.aws.store import DynamoStore
from chalicelib.core.effects import claim
from chalicelib.core.kinds import EFFECT
from chalicelib.core.overdue import GRACE_SECONDS, open_index
from chalicelib.core.storage import AtVersion, Put
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


def test_what_a_worker_took_meanwhile_is_not_noted_and_the_rest_is(
    aws: None, clients: Clients
) -> None:
    """The cancelled transaction names who was quicker; the others are written again."""
    tables = create_tables(clients.dynamodb_patient())
    store = DynamoStore(clients.dynamodb_patient, tables=tables, sleep=no_sleep)
    planned = [mail_effect(f"{number:032x}") for number in range(60)]
    shard = open_index(planned[0])
    alike = [each for each in planned if open_index(each) == shard]
    assert len(alike) > 2
    for each in alike:
        store.write([Put(EFFECT.key(each.effect_id), each)], now=NOW)
    now = NOW + GRACE_SECONDS
    taken = claim(alike[1], owner="quick", now=now, lease_seconds=120)

    class Quick:
        """A queue whose second message is taken before the sweep has gone on."""

        def send(
            self, bodies: Sequence[Mapping[str, Any]], *, delay_seconds: int | None = None
        ) -> None:
            """As ``Queue.send``."""
            assert (len(bodies), delay_seconds) == (len(alike), None)
            store.write([Put(EFFECT.key(taken.effect_id), taken, AtVersion(1))], now=now)

    counts = sweep(ports=SweepPorts(store, Quick()), now=now, correlation_id="s")

    assert (counts["queued"], counts["moved_on"]) == (len(alike), 1)
    found = store.read([EFFECT.key(each.effect_id) for each in alike], now=now)
    noted = [found.value(EFFECT.key(each.effect_id)) for each in alike]
    times = [each.queued_times for each in noted if each is not None]
    assert times == [int(each is not alike[1]) for each in alike]
    assert noted[1] == taken
