"""Files on moto: from put_object through the real queue to results in the other bucket."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.objects import S3Objects
from chalicelib.aws.store import DynamoStore
from chalicelib.core.kinds import CONTACT, COUPON, EFFECT, FACTS, PRODUCT
from chalicelib.core.storage import Found, Key
from chalicelib.core.subject import customer
from chalicelib.documents import Documents
from chalicelib.flows.drop import from_messages
from chalicelib.flows.drop_work import DropLimits, DropPorts
from ops.story.books import waiting
from tests.drops import drop_rules, order_row, orders_csv
from tests.fakes import SIGNING_KEYS
from tests.makers import NOW
from tests.stack import Stack

PEOPLE = (
    "customer_id,email,country,consent_marketing_email\n"
    "c-1,ann@example.com,US,true\nc-2,bob@example.com,US,false\n"
)


@dataclass(slots=True)
class Lake:
    """The drops bucket with its queue, and the function behind it."""

    stack: Stack
    ports: DropPorts

    def put(self, key: str, body: bytes, **metadata: str) -> None:
        """Drop a file."""
        boto3.client("s3").put_object(
            Bucket=self.stack.drops_bucket, Key=key, Body=body, Metadata=metadata
        )

    def deliver(self) -> list[str]:
        """Bring what the queue holds to the function, as Lambda does; returns what failed."""
        queue = boto3.client("sqs")
        failed = []
        while messages := queue.receive_message(
            QueueUrl=self.stack.drops_queue_url, MaxNumberOfMessages=10
        ).get("Messages"):
            records = [{"messageId": m["MessageId"], "body": m["Body"]} for m in messages]
            answer = from_messages(
                {"Records": records},
                ports=self.ports,
                rules=drop_rules(),
                keys=SIGNING_KEYS,
                now=NOW,
            )
            named = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            failed += sorted(named)
            for message in messages:
                if message["MessageId"] not in named:
                    queue.delete_message(
                        QueueUrl=self.stack.drops_queue_url, ReceiptHandle=message["ReceiptHandle"]
                    )
        return failed

    def results(self) -> Mapping[str, Mapping[str, bytes]]:
        """Every result file, by the key of its drop."""
        objects, bucket = boto3.client("s3"), self.stack.results_bucket
        files: dict[str, dict[str, bytes]] = {}
        for found in objects.list_objects_v2(Bucket=bucket).get("Contents", ()):
            _, drop_id, name = found["Key"].split("/")
            body = objects.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
            files.setdefault(drop_id, {})[name] = body
        return {json.loads(each["summary.json"])["key"]: each for each in files.values()}

    def read(self, *keys: Key[Any]) -> Found:
        """What storage holds."""
        return self.ports.store.read(keys, now=NOW)


@pytest.fixture
def lake(stack: Stack, clients: Clients) -> Lake:
    """A stack past S3's test of the bucket's notification."""
    ports = DropPorts(
        DynamoStore(clients.dynamodb_patient, tables=stack.tables),
        S3Objects(clients.s3),
        stack.results_bucket,
        Documents().mapping,
        # moto restores old copies of tables when a transaction fails beside another.
        DropLimits(parallel_writes=1),
    )
    lake = Lake(stack, ports)
    assert lake.deliver() == []
    return lake


def test_one_file_of_each_kind_comes_all_the_way(lake: Lake) -> None:
    """Customers, orders and a catalogue: stored, scored, decided, reported."""
    lake.put("customers/people and more.csv", PEOPLE.encode())
    assert lake.deliver() == []
    orders = orders_csv(
        order_row("o-1", "c-1", days_ago=100),
        order_row("o-2", "c-2", days_ago=3),
        order_row("o-3", "c-2", days_ago=2, amount="dear"),
    )
    lake.put("orders/ü.csv.gz", gzip.compress(orders.encode()))
    catalogue = '{"sku": "MUG", "base_price": "20.00", "floor_price": 15, "currency": "USD"}\n'
    lake.put("catalog/all.jsonl", catalogue.encode())

    assert lake.deliver() == []

    results = lake.results()
    assert set(results) == {"customers/people and more.csv", "orders/ü.csv.gz", "catalog/all.jsonl"}
    files = results["orders/ü.csv.gz"]
    counts = json.loads(files["summary.json"])["counts"]
    assert [counts[name] for name in ("records", "folded", "rejected", "scored")] == [3, 2, 1, 2]
    scores = list(csv.DictReader(io.StringIO(files["scores.csv"].decode())))
    assert [(row["customer_id"], row["action"]) for row in scores] == [
        ("c-1", "winback-10"),
        ("c-2", "thanks"),
    ]
    assert b"must be a number such as 29.33" in files["rejects.csv"]
    found = lake.read(
        FACTS.key(customer("c-1").key), CONTACT.key(customer("c-1").key), PRODUCT.key("MUG")
    )
    facts, product = found.value(FACTS.key(customer("c-1").key)), found.value(PRODUCT.key("MUG"))
    assert facts is not None
    assert (facts.order_count, facts.segment) == (1, "at_risk")
    assert product is not None
    assert (product.base_price_minor, product.floor_minor) == (2000, 1500)
    assert _count(lake, "EffectsTable", EFFECT.name) == 3
    assert _count(lake, "EffectsTable", COUPON.name) == 2


def test_the_moment_in_the_metadata_decides_the_scores(lake: Lake) -> None:
    """``as-of`` travels with the object."""
    rows = orders_csv(order_row("o-1", "c-1", days_ago=250))
    lake.put("orders/past.csv", rows.encode(), **{"as-of": "2026-06-01"})

    assert lake.deliver() == []

    summary = json.loads(lake.results()["orders/past.csv"]["summary.json"])
    assert summary["as_of"] == "2026-06-01T00:00:00Z"
    assert summary["segments"] == {"at_risk": 1}


def test_a_useless_file_and_a_poison_message_part_ways(lake: Lake) -> None:
    """The file ends in the results bucket with its reason; the message goes back to the queue."""
    lake.put("orders/a.xlsx", b"PK")
    queue = boto3.client("sqs")
    queue.send_message(QueueUrl=lake.stack.drops_queue_url, MessageBody="poison")

    failed = lake.deliver()

    assert len(failed) == 1
    assert waiting(queue, lake.stack.drops_queue_url) == 1
    summary = json.loads(lake.results()["orders/a.xlsx"]["summary.json"])
    assert summary["state"] == "REJECTED"
    assert "must end with" in summary["reason"]


def test_an_overwritten_object_is_another_drop(lake: Lake) -> None:
    """Each version is handled once, under its own id."""
    for n in (1, 2):
        lake.put("orders/daily.csv", orders_csv(order_row(f"o-{n}", "c-1", days_ago=n)).encode())
        assert lake.deliver() == []

    objects = boto3.client("s3").list_objects_v2(Bucket=lake.stack.results_bucket)["Contents"]
    assert sum(found["Key"].endswith("summary.json") for found in objects) == 2
    facts = lake.read(FACTS.key("c#c-1")).value(FACTS.key("c#c-1"))
    assert facts is not None
    assert facts.order_count == 2


def _count(lake: Lake, table: str, kind: str) -> int:
    name = lake.stack.tables["effects"] if table == "EffectsTable" else table
    pages = boto3.client("dynamodb").get_paginator("scan").paginate(TableName=name)
    return sum(item["sk"]["S"] == kind for page in pages for item in page["Items"])
