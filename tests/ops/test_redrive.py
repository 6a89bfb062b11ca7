"""Dead letters go back on their way: nothing is lost, and doing it twice does no harm."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
import pytest
from click.testing import CliRunner

from chalicelib.aws.queues import SqsQueue
from chalicelib.aws.store import DynamoStore
from chalicelib.core.effects import Effect
from chalicelib.core.kinds import EFFECT
from chalicelib.core.overdue import GRACE_SECONDS
from chalicelib.core.storage import Put
from chalicelib.flows.sweep import SweepPorts
from ops.cli import main
from ops.dead_letters import DeadLetters, count_messages, dead_letter_queues
from ops.redrive import Stage, failed_run, redrive_all, sweep_until_quiet
from ops.template import read_template
from tests.stack import create_tables

NOW = 1_795_000_000
QUEUES = ("DropsQueue", "EffectsQueue")
KNOWN = dead_letter_queues(read_template())
BY_NAME = {one.name: one for one in KNOWN}
SCHEDULED = {"detail-type": "Scheduled Event", "id": "run-1"}


@dataclass(slots=True)
class World:
    """A stage on moto, and the runs of functions that were asked for."""

    stage: Stage
    sqs: Any
    store: DynamoStore
    runs: list[tuple[str, Any]] = field(default_factory=list)

    def park(self, logical_id: str, *bodies: Any, **attributes: str) -> None:
        """Put messages into a queue."""
        said = {name: {"DataType": "String", "StringValue": v} for name, v in attributes.items()}
        for body in bodies:
            text = body if isinstance(body, str) else json.dumps(body)
            url = self.stage.outputs[logical_id]
            self.sqs.send_message(QueueUrl=url, MessageBody=text, MessageAttributes=said)

    def bodies(self, logical_id: str) -> list[str]:
        """Take what is in a queue."""
        found: list[str] = []
        while messages := self.sqs.receive_message(
            QueueUrl=self.stage.outputs[logical_id], MaxNumberOfMessages=10
        ).get("Messages"):
            found += [each["Body"] for each in messages]
        return sorted(found)

    def count(self, logical_id: str) -> int:
        """How many messages are in a queue, hidden ones included."""
        return count_messages(self.sqs, self.stage.outputs[logical_id])

    def redrive(self, *names: str, stage: Stage | None = None) -> Mapping[str, Any]:
        """Empty these dead-letter queues."""
        return redrive_all([BY_NAME[name] for name in names], stage or self.stage)


@pytest.fixture
def world(aws: None) -> World:
    """A stage with nothing in its queues."""
    sqs, client = boto3.client("sqs"), boto3.client("dynamodb")
    names = [*(one.logical_id for one in KNOWN), *QUEUES]
    outputs = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in names}
    store = DynamoStore(lambda: client, tables=create_tables(client))
    runs: list[tuple[str, Any]] = []

    def run(function: str, event: bytes) -> bool:
        if not function.startswith("segue-dev-"):
            return False
        runs.append((function, json.loads(event)))
        return True

    ports = SweepPorts(store, SqsQueue(lambda: sqs, url=outputs["EffectsQueue"]))
    sweep = lambda: sweep_until_quiet(ports, clock=lambda: NOW)  # noqa: E731
    return World(Stage(outputs, sqs, sweep, run, wait_seconds=0), sqs, store, runs)


def test_every_dead_letter_queue_of_the_template_is_known() -> None:
    """By a word of its own, and with the queue that it belongs to, as the template says it."""
    assert [one for one in KNOWN if one.source is not None] == [
        DeadLetters("drops", "DropsDeadLetters", "DropsQueue"),
        DeadLetters("effects", "EffectsDeadLetters", "EffectsQueue"),
        DeadLetters("mail-events", "MailEventsDeadLetters", "MailEventsQueue"),
    ]
    assert {one.name for one in KNOWN if one.source is None} == {"stream", "schedule"}


def test_every_queue_that_is_moved_is_an_output_of_the_stack() -> None:
    """Or the command could not find it."""
    outputs = set(read_template()["Outputs"])
    wanted = {one.logical_id for one in KNOWN} | {one.source for one in KNOWN if one.source}

    assert wanted <= outputs


@pytest.mark.parametrize(("name", "queue"), [("drops", "Drops"), ("effects", "Effects")])
def test_messages_go_back_to_the_queue_that_they_came_from(
    world: World, name: str, queue: str
) -> None:
    """All of them, unchanged, however many; and only of the queue that was named."""
    bodies = [json.dumps({"number": number}) for number in range(23)]
    world.park(f"{queue}DeadLetters", *bodies)
    world.park("StreamDeadLetters", "{}")

    told = world.redrive(name)

    assert told == {name: {"moved": 23}}
    assert world.bodies(f"{queue}Queue") == sorted(bodies)
    assert (world.count(f"{queue}DeadLetters"), world.count("StreamDeadLetters")) == (0, 1)


def test_once_more_moves_nothing(world: World) -> None:
    """The command may be repeated as often as anybody likes."""
    world.park("EffectsDeadLetters", "a", "b")

    assert world.redrive("effects") == {"effects": {"moved": 2}}
    assert world.redrive("effects") == {"effects": {"moved": 0}}
    assert world.bodies("EffectsQueue") == ["a", "b"]


class Breaking:
    """SQS that goes away just before one kind of call."""

    def __init__(self, sqs: Any, call: str) -> None:
        """Break before ``call``."""
        self._sqs, self._call = sqs, call

    def __getattr__(self, name: str) -> Any:
        """As the client, or broken."""
        if name == self._call:
            raise ConnectionError(name)
        return getattr(self._sqs, name)


@pytest.mark.parametrize("call", ["receive_message", "send_message_batch", "delete_message_batch"])
def test_a_command_that_dies_loses_nothing(world: World, call: str) -> None:
    """A message is in one of the two queues at any moment, at worst in both."""
    world.park("EffectsDeadLetters", "a", "b", "c")
    dying = replace(world.stage, queues=Breaking(world.sqs, call))  # type: ignore[arg-type]

    with pytest.raises(ConnectionError):
        world.redrive("effects", stage=dying)

    parked, waiting = world.count("EffectsDeadLetters"), world.count("EffectsQueue")
    assert (parked, waiting) == ((3, 3) if call == "delete_message_batch" else (3, 0))


def test_what_the_stream_lost_is_read_from_the_ledger(world: World) -> None:
    """The message names no effect; those that nobody has taken are queued, and it is forgotten."""
    for number in range(3):
        effect = Effect(
            f"{number:032x}", "mail", "winback", "c#1", "d-1", "r-1", NOW - GRACE_SECONDS
        )
        done = replace(effect, state="ACCEPTED") if number == 2 else effect
        world.store.write([Put(EFFECT.key(effect.effect_id), done)], now=NOW)
    world.park("StreamDeadLetters", *[{"DDBStreamBatchInfo": {"shardId": "s"}}] * 12)

    told = world.redrive("stream")

    assert told == {"stream": {"forgotten": 12, "swept": 2}}
    queued = [json.loads(body)["effect_id"] for body in world.bodies("EffectsQueue")]
    assert queued == [f"{number:032x}" for number in range(2)]
    assert world.redrive("stream") == {"stream": {"forgotten": 0, "swept": 0}}


def lambda_record(function: str) -> dict[str, Any]:
    """What Lambda parks of a run that failed."""
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function}:$LATEST"
    return {
        "version": "1.0",
        "requestContext": {"functionArn": arn, "condition": "RetriesExhausted"},
        "requestPayload": SCHEDULED,
        "responsePayload": {"errorMessage": "…"},
    }


def test_a_failed_run_is_run_again_once(world: World) -> None:
    """A night of failures is one run of each function: a run takes up all that is due."""
    world.park("ScheduleDeadLetters", *[lambda_record("segue-dev-OnSweep-1")] * 11)
    target = "arn:aws:lambda:us-east-1:123456789012:function:segue-dev-OnReviewDue-1"
    world.park("ScheduleDeadLetters", SCHEDULED, TARGET_ARN=target)

    told = world.redrive("schedule")

    assert told == {"schedule": {"run": 2, "forgotten": 12, "left": 0}}
    assert sorted(world.runs) == [
        ("segue-dev-OnReviewDue-1", SCHEDULED),
        ("segue-dev-OnSweep-1", SCHEDULED),
    ]
    assert world.count("ScheduleDeadLetters") == 0


def test_what_is_no_run_of_this_stage_is_left(world: World) -> None:
    """Nothing is run that a message alone asks for, and nothing unknown is thrown away."""
    strange = ["no json", {"detail-type": "Order"}, lambda_record("other-function"), SCHEDULED, []]
    world.park("ScheduleDeadLetters", *strange)

    told = world.redrive("schedule")

    assert told == {"schedule": {"run": 0, "forgotten": 0, "left": len(strange)}}
    assert world.runs == []
    assert world.count("ScheduleDeadLetters") == len(strange)


def test_a_parked_run_names_its_function_and_event() -> None:
    """Both shapes, of Lambda and of EventBridge, and of nobody."""
    record = {"Body": json.dumps(lambda_record("f"))}

    assert failed_run(record) == ("f", json.dumps(SCHEDULED).encode())
    assert failed_run({"Body": json.dumps(SCHEDULED)})[0] is None
    assert failed_run({"Body": "{"}) == (None, b"")


@pytest.mark.parametrize("arguments", [[], ["effects", "--all"], ["nothing"]])
def test_one_queue_is_named_or_all(arguments: list[str]) -> None:
    """Anything else is refused before AWS is asked, and the names are said."""
    result = CliRunner().invoke(main, ["redrive", *arguments])

    assert result.exit_code == 2
    assert "QUEUE is one of" in result.output or "--all" in result.output
