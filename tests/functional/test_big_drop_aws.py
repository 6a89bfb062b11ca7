"""A divided file on moto: every task against real tables and buckets."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import boto3
import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.objects import S3Objects
from chalicelib.aws.store import DynamoStore
from chalicelib.core.kinds import DROP
from chalicelib.documents import Documents
from chalicelib.flows import big
from chalicelib.flows.big_begin import Division
from chalicelib.flows.big_sizes import Sizes
from chalicelib.flows.drop import handle
from chalicelib.flows.drop_notice import Arrived
from chalicelib.flows.drop_work import DropPorts
from tests.big_drops import packaged_definition
from tests.drops import DataTeam, drop_rules, zipped
from tests.fakes import SIGNING_KEYS
from tests.functional.test_big_drop import orders
from tests.makers import NOW
from tests.stack import Stack
from tests.step_functions import Engine

TEXT = orders(60)


@pytest.mark.parametrize(
    ("key", "body"),
    [("orders/a.csv", TEXT.encode()), ("orders/a.csv.gz", zipped(TEXT))],
    ids=["plain", "gzip"],
)
def test_a_divided_file_comes_to_its_end_on_aws(
    stack: Stack, clients: Clients, key: str, body: bytes
) -> None:
    """The counts are those of the file undivided, and the results lie where the manifest says."""
    objects = boto3.client("s3")
    put = objects.put_object(Bucket=stack.drops_bucket, Key=key, Body=body)
    arrived = Arrived(stack.drops_bucket, key, put.get("VersionId"), put["ETag"].strip('"'))

    def work(event: dict[str, Any]) -> Any:
        return big.work(event, ports=ports, rules=drop_rules(), keys=SIGNING_KEYS, now=NOW)

    def read(bucket: str, name: str) -> bytes:
        found: bytes = objects.get_object(Bucket=bucket, Key=name)["Body"].read()
        return found

    engine = Engine(packaged_definition(), work, read)
    store = DynamoStore(clients.dynamodb_patient, tables=stack.tables)
    ports = DropPorts(store, S3Objects(clients.s3), stack.results_bucket, Documents().mapping)
    ports = replace(ports, division=Division(engine, 1_500), sizes=Sizes(1_500, parts_in_one=1))

    handle(arrived, ports=ports, rules=drop_rules(), keys=SIGNING_KEYS, now=NOW)
    assert engine.run(arrived.drop_id) is None

    drop = store.read([DROP.key(arrived.drop_id)], now=NOW).value(DROP.key(arrived.drop_id))
    expected = DataTeam().drop(key, body)
    assert drop is not None
    assert drop.state == "COMPLETE"
    assert {name: drop.counts[name] for name in expected.counts} == expected.counts
    assert drop.counts["ranges"] >= 2
    folder = f"results/{arrived.drop_id}"
    for file in json.loads(read(stack.results_bucket, f"{folder}/manifest.json"))["files"]:
        assert len(read(stack.results_bucket, f"{folder}/{file['name']}")) == file["bytes"]
