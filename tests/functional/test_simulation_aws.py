"""A simulation on DynamoDB, S3 and SQS (moto): what it asks AWS for, from the click to the end."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import boto3

import app as segue
from chalicelib import wiring
from chalicelib.core.kinds import RECORD, SIMULATION
from ops.places import CHALICE
from tests.browser import step
from tests.chronicles import records_event
from tests.functional.test_console_aws import Desk, desk  # noqa: F401 - a fixture
from tests.functional.test_policies import document
from tests.stack import Stack
from tests.unit.core.situations import NOW

CONTEXT: Any = {}


def message_of(stack: Stack) -> str:
    """The message in the queue of files that is about a simulation; S3's own are left."""
    sqs = boto3.client("sqs", region_name="us-east-1")
    answer = sqs.receive_message(QueueUrl=stack.drops_queue_url, MaxNumberOfMessages=10)
    [body] = [each["Body"] for each in answer["Messages"] if "simulate" in each["Body"]]
    return body


def test_a_simulation_reads_by_key_and_searches_no_table(
    desk: Desk,  # noqa: F811
    stack: Stack,
) -> None:
    """Batches by key, the files of some days, one conditional write a portion: nothing else."""
    store = wiring.parts().adapters.store
    key = RECORD.key(desk.checkout())
    record = store.read([key], now=NOW).value(key)
    assert record is not None
    segue.on_decided(records_event([record]), CONTEXT)
    form = {"form": desk.token("/console/policies"), "document": json.dumps(document(900))}
    stored = desk.ask("POST", "/console/policies", urlencode(form)).headers["Location"]
    policy = stored.rpartition("/")[2]
    page = f"/console/policies/{policy}/simulation"

    asked = urlencode({"form": form["form"], "days": "3", "decisions": "100"})
    assert desk.ask("POST", page, asked).status_code == 303
    assert sorted(set(desk.operations)) == ["BatchGetItem", "PutItem"]

    desk.operations.clear()
    sent = {"messageId": "m-1", "body": message_of(stack)}
    assert segue.on_drop({"Records": [sent]}, CONTEXT) == {"batchItemFailures": []}
    assert sorted(set(desk.operations)) == [
        *("BatchGetItem", "GetObject", "ListObjectsV2", "PutItem", "PutObject"),
        "TransactWriteItems",
    ]
    html = desk.ask("GET", page).body.decode()
    assert "1 of 1 decisions" in html
    assert "data-chart" in html
    job_key = SIMULATION.key(policy.replace("%3A", ":"))
    job = store.read([job_key], now=NOW).value(job_key)
    assert job is not None
    assert (job.state, job.done) == ("DONE", 1)
    assert step(job_key.partition.removeprefix("simulation#")) == policy


def test_what_it_asks_for_is_what_the_functions_may() -> None:
    """Each says which items it writes; the queue is the only one that either sends to for this."""
    api = json.loads((CHALICE / "policy-api_handler.json").read_text())
    worker = json.loads((CHALICE / "policy-on_drop.json").read_text())

    [keys] = [
        each["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        for each in api["Statement"]
        if "LeadingKeys" in json.dumps(each)
    ]
    assert {"simulation#*", "policy#*", "breaker#*", "restarts#*"} <= set(keys)
    for policy in (api, worker):
        [sends] = [each for each in policy["Statement"] if each["Action"] == ["sqs:SendMessage"]]
        assert sends["Resource"] == {"Fn::GetAtt": ["DropsQueue", "Arn"]}
    assert not [each for each in worker["Statement"] if "dynamodb:Scan" in each["Action"]]
