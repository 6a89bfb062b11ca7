"""What keeps a stage going: the sweep, the redrive, the doctor, and the list of mails."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from chalicelib.aws.store import DynamoStore
from ops.cli import main
from ops.dead_letters import count_messages
from ops.story.play import Venue
from tests.e2e.deployed import eventually, ledger_of, left_behind, state_of

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def ledger(venue: Venue) -> DynamoStore:
    """The deployed effects table."""
    client = venue.session.client("dynamodb")
    return ledger_of(client, venue.outputs["EffectsTable"])


def command(venue: Venue, *arguments: str) -> tuple[int, Any]:
    """Run a command against the stack; its exit code and its last line."""
    result = CliRunner().invoke(main, [*arguments, "--endpoint-url", venue.endpoint_url])
    return result.exit_code, json.loads(result.stdout.splitlines()[-1])


def test_what_a_dead_worker_left_is_swept_up(venue: Venue, ledger: DynamoStore) -> None:
    """The real schedule finds it by the real index, and the real queue brings it to a worker."""
    name = left_behind(ledger, "dead", state="CLAIMED")

    def ended() -> str | None:
        return state_of(ledger, name) if state_of(ledger, name) == "ACCEPTED" else None

    assert eventually(ended, within_seconds=150, what="a sweep") == "ACCEPTED"


def test_dead_letters_are_redriven(venue: Venue, ledger: DynamoStore) -> None:
    """Parked messages go back, the worker takes them, and once more moves nothing."""
    # Nobody's claim any more: a message whose effect another worker holds would be parked again.
    name = left_behind(ledger, "parked", state="CLAIMED")
    queues = venue.session.client("sqs")
    parked = venue.outputs["EffectsDeadLetters"]
    body = json.dumps({"effect_id": name, "correlation_id": "e2e-redrive"})
    queues.send_message(QueueUrl=parked, MessageBody=body)
    stream = venue.outputs["StreamDeadLetters"]
    queues.send_message(QueueUrl=stream, MessageBody='{"DDBStreamBatchInfo": {}}')

    code, told = command(venue, "redrive", "--all", "--yes")

    assert (code, told["effects"], told["stream"]["forgotten"]) == (0, {"moved": 1}, 1)
    assert count_messages(queues, parked) == 0
    assert eventually(
        lambda: True if state_of(ledger, name) == "ACCEPTED" else None,
        within_seconds=60,
        what="the redriven effect",
    )
    code, told = command(venue, "redrive", "--all", "--yes")
    assert (code, told["effects"], told["stream"]["forgotten"]) == (0, {"moved": 0}, 0)


def test_the_doctor_sees_that_a_local_stack_reaches_nobody(venue: Venue) -> None:
    """Its links lead to this machine; every other fact is looked up or said to be unknown."""
    code, told = command(venue, "doctor")

    topics = {(each["severity"], each["topic"]) for each in told["findings"]}
    assert code == 1
    assert ("blocks", "unsubscribe") in topics
    assert all(each["fix"] for each in told["findings"])


def test_the_breaker_is_shown_and_begins_anew(venue: Venue) -> None:
    """On the deployed control table; the reset is the first thing that is on record."""
    code, told = command(venue, "breaker")
    assert (code, told["open"], told["begun_anew"]) == (0, False, [])

    code, told = command(venue, "breaker", "reset", "--reason", "end to end", "--yes")

    assert (code, told["open"], len(told["begun_anew"])) == (0, False, 1)
    assert command(venue, "breaker")[1]["begun_anew"] == told["begun_anew"]


def test_mails_are_listed_through_the_gateway(venue: Venue, ledger: DynamoStore) -> None:
    """As JSON and as a table, newest first, with the reason; and a bad question is a 400."""
    plan: dict[str, Any] = {"kind": "mail", "payload": {"template": "winback"}}
    name = left_behind(ledger, "unsent", state="SUPPRESSED", reason="no_consent", **plan)

    told = venue.shop.call("GET", "/v1/messages?state=not_sent&limit=1")
    table = venue.shop.call("GET", "/v1/messages?state=SUPPRESSED&format=csv")
    refused = venue.shop.call("GET", "/v1/messages?state=LOST")

    assert told.status == table.status == 200
    assert [(each["effect_id"], each["reason"]) for each in told.body["messages"]] == [
        (name, "no_consent")
    ]
    assert table.body.startswith("effect_id,action,template,")
    assert name in table.body
    assert refused.status == 400
