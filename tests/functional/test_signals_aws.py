"""Signals on moto: the real store, the real stream, and what a batch of a hot article costs."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.store import DynamoStore
from chalicelib.core.kinds import PRODUCT, SIGNAL
from chalicelib.core.storage import Key, Put
from chalicelib.flows.events import EventPorts, from_request
from chalicelib.flows.relay import from_stream
from ops.pump import streams_client
from tests.fakes import SIGNING_KEYS, MemoryQueue
from tests.makers import NOW, track
from tests.signals import counting
from tests.stack import Stack, session
from tests.unit.core.situations import MUG


@pytest.fixture
def store(stack: Stack, clients: Clients) -> DynamoStore:
    """Storage on moto, with a mug in the catalogue."""
    store = DynamoStore(clients.dynamodb_patient, tables=stack.tables)
    store.write([Put(PRODUCT.key("MUG"), MUG)], now=NOW)
    return store


def send(store: DynamoStore, nth: int) -> None:
    """One request that looks at a mug."""
    from_request(
        track("Product Viewed", user=f"c-{nth}", sku="MUG"),
        ports=EventPorts(store),
        rules=counting(),
        keys=SIGNING_KEYS,
        now=NOW,
        correlation_id=f"r-{nth}",
    )


def records_of(stack: Stack) -> list[Any]:
    """What the event source's filter lets through of the table's stream, oldest first."""
    table = stack.tables["effects"]
    arn = session().client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
    streams = streams_client(session())
    [shard] = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(
        StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = streams.get_records(ShardIterator=iterator)["Records"]
    return [each for each in records if each["eventName"] == "INSERT"]


def relay(store: DynamoStore, records: list[Any]) -> None:
    """Let the relay see some records."""
    answer = from_stream({"Records": records}, queue=MemoryQueue(), store=store, now=NOW)
    assert answer == {"batchItemFailures": []}


def views(store: DynamoStore) -> float:
    """How often a mug was looked at."""
    product = store.read([PRODUCT.key("MUG")], now=NOW).value(PRODUCT.key("MUG"))
    assert product is not None
    return 0.0 if product.demand is None else product.demand.views


def test_from_the_event_through_the_stream_to_the_article(stack: Stack, store: DynamoStore) -> None:
    """Sixty requests, one batch: counted once, also when the stream delivers it all again."""
    for nth in range(60):
        send(store, nth)
    records = records_of(stack)
    keys = [Key(SIGNAL, each["dynamodb"]["Keys"]["pk"]["S"]) for each in records]

    relay(store, records)
    relay(store, records)

    assert len(records) == 60
    assert views(store) == 60
    assert all(store.read(keys, now=NOW).stored(key) is None for key in keys)


def test_shards_that_count_one_article_at_once_lose_nothing(
    stack: Stack, store: DynamoStore
) -> None:
    """Four relays beside each other, all with the same mug."""
    for nth in range(24):
        send(store, nth)
    records = records_of(stack)
    failed: list[BaseException] = []

    def run(part: list[Any]) -> None:
        try:
            relay(store, part)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(records[shard::4],)) for shard in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    assert views(store) == 24
