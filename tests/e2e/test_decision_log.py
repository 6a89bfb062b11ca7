"""The decision log on the deployed package: written by the stream, worked through by the queue."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import pytest
from click.testing import CliRunner

from chalicelib.aws.store import DynamoStore
from chalicelib.core.instants import format_instant
from chalicelib.core.kinds import NIGHT_KEY
from chalicelib.flows.activity import Activity, read_activity
from chalicelib.flows.night import STATE
from ops.cli import main
from ops.story.play import Venue
from ops.story.script import checkout
from tests.e2e.deployed import Filled, eventually

pytestmark = pytest.mark.e2e


def lines(venue: Venue) -> list[dict[str, Any]]:
    """Every line of the log."""
    objects: Any = venue.session.client("s3")
    bucket = venue.outputs["ResultsBucket"]
    listed = objects.list_objects_v2(Bucket=bucket, Prefix="log/decisions/").get("Contents", [])
    bodies = [objects.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in listed]
    return [json.loads(line) for body in bodies for line in gzip.decompress(body).splitlines()]


def test_decisions_of_files_and_of_checkouts_are_logged(venue: Venue, filled: Filled) -> None:
    """Each once, by its id; nobody's id or address is in it."""
    request = checkout("c-e2e-log", country="US", region="TX", session_id="e2e-log")
    asked = venue.shop.decide(request).body["decision_id"]

    def logged() -> list[dict[str, Any]] | None:
        found = lines(venue)
        return found if any(each["decision_id"] == asked for each in found) else None

    found = eventually(logged, within_seconds=150, what="the decision in the log")

    assert {each["placement"] for each in found} >= {"batch", "checkout"}
    text = json.dumps(found)
    assert "e2e-log" not in text
    assert "@example.com" not in text
    known = {each.customer_id for each in filled.seed.contacts}
    assert not [each for each in found if each["subject"] in known]


def test_what_happens_is_counted_by_minute(venue: Venue, filled: Filled) -> None:
    """Events from the stream of keys, mails from changes of effects, through the real filters."""
    tables: Any = venue.session.client("dynamodb")
    store = DynamoStore(lambda: tables, tables={"control": venue.outputs["ControlTable"]})
    viewed = {
        "type": "track",
        "event": "Product Viewed",
        "userId": "c-e2e-activity",
        "messageId": f"e2e-activity-{time.time_ns()}",
        "properties": {"sku": "MUG"},
    }
    assert venue.shop.send([viewed]).body["accepted"] == 1

    def counted() -> Activity | None:
        shown = read_activity(store, now=int(time.time()))
        return shown if sum(shown.counts["events"]) and sum(shown.counts["mails"]) else None

    shown = eventually(counted, within_seconds=150, what="an event and a mail in the counts")

    assert filled.mails
    assert sum(shown.counts["decisions"]) > 0
    assert sum(shown.counts["mails"]) <= len(venue.inbox.read())


def test_a_night_is_worked_through(venue: Venue, filled: Filled) -> None:
    """The rule's message, sent by hand: state is left in the bucket, and the day is noted."""
    del filled
    message = {
        "version": "0",
        "id": "e2e-night",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "time": format_instant(int(time.time())),
        "detail": {},
    }
    venue.session.client("sqs").send_message(
        QueueUrl=venue.outputs["DropsQueue"], MessageBody=json.dumps(message)
    )
    tables: Any = venue.session.client("dynamodb")
    key = {"pk": {"S": NIGHT_KEY.partition}, "sk": {"S": NIGHT_KEY.kind.name}}

    def noted() -> Any:
        row = tables.get_item(TableName=venue.outputs["ControlTable"], Key=key)
        return row.get("Item")

    item = eventually(noted, within_seconds=90, what="a night")

    through = json.loads(item["body"]["S"])["through"]
    objects: Any = venue.session.client("s3")
    listed = objects.list_objects_v2(
        Bucket=venue.outputs["ResultsBucket"], Prefix=f"{STATE}/date={through}/"
    )
    assert [each["Key"].rpartition("/")[2] for each in listed["Contents"]] == [
        "followed.parquet",
        "marks.parquet",
        "pending.parquet",
    ]


def test_the_rule_of_the_night_leads_to_the_queue_of_files(venue: Venue) -> None:
    """As it was deployed."""
    rules: Any = venue.session.client("events")
    [arn] = {
        target["Arn"]
        for rule in rules.list_rules()["Rules"]
        if rule.get("ScheduleExpression") == "cron(0 3 * * ? *)"
        for target in rules.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    }
    assert arn.rpartition(":")[2] == venue.outputs["DropsQueue"].rpartition("/")[2]


def test_the_command_tells_what_was_measured(venue: Venue) -> None:
    """Of a stage that is minutes old: too early, in words and in the line of JSON."""
    command = ["measure", "--stage", "dev", "--endpoint-url", venue.endpoint_url]

    result = CliRunner().invoke(main, command)

    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.splitlines()[-1])
    assert (told["days"], told["window_days"]) == (0, 14)
    assert told["programme"]["conversion"]["verdict"] == "too_early"
    assert "nothing was measured yet" in result.stderr
