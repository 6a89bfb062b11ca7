"""Dead letters back on their way, in one command that may be repeated.

python -m ops redrive effects --stage prod
python -m ops redrive --all --yes

A message of a queue goes back to its queue: sent there first and only then deleted, so that one
that is lost in between is there twice, and every consumer knows what it has done already. (The
queue service could move them itself, but says no counts, and the local stack cannot.) A failure
of the stream names no effect: what it left behind is read from the ledger by a sweep. A failed
run of a schedule is run again, once.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from boto3.session import Session

from chalicelib import telemetry
from chalicelib.aws.queues import SqsQueue
from chalicelib.aws.store import DynamoStore
from chalicelib.core.storage import Table
from chalicelib.flows.sweep import SweepPorts, sweep
from ops.cloudformation import DeploymentFailed, stack_outputs
from ops.dead_letters import DeadLetters, batches, count_messages, dead_letter_queues, delete
from ops.session import open_session
from ops.template import read_template

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

# A sweep takes on a part of what it finds; more rounds than this are left to the schedule.
MOST_SWEEPS = 50


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage, and how to reach it.

    Attributes:
        outputs: of its stack.
        queues: SQS.
        sweep: queues again what stands still; returns how many effects that were.
        run: runs one function of a schedule with an event; False when it is none of the stage's.
        wait_seconds: how long to listen for one more message.
    """

    outputs: Mapping[str, str]
    queues: SQSClient
    sweep: Callable[[], int]
    run: Callable[[str, bytes], bool]
    wait_seconds: int = 1


def redrive_all(chosen: Sequence[DeadLetters], stage: Stage) -> dict[str, dict[str, int]]:
    """Empty these dead-letter queues; what became of the messages of each, by its name.

    ``moved`` went back to their queue, ``swept`` are effects that a sweep queued again, ``run``
    are runs of a schedule, ``left`` stay where they are because nobody knows what they are.
    """
    told: dict[str, dict[str, int]] = {}
    for one in chosen:
        url = stage.outputs[one.logical_id]
        if one.source is not None:
            told[one.name] = {"moved": move_back(stage, url, stage.outputs[one.source])}
        elif one.name == "stream":
            told[one.name] = sweep_instead(stage, url)
        else:
            told[one.name] = run_again(stage, url)
    return told


def move_back(stage: Stage, url: str, source_url: str) -> int:
    """Move every message of a dead-letter queue to the queue that it came from."""
    moved = 0
    for batch in batches(stage.queues, url, wait_seconds=stage.wait_seconds):
        entries: Any = [
            {
                "Id": str(index),
                "MessageBody": each["Body"],
                "MessageAttributes": each.get("MessageAttributes", {}),
            }
            for index, each in enumerate(batch)
        ]
        answer = stage.queues.send_message_batch(QueueUrl=source_url, Entries=entries)
        sent = [batch[int(each["Id"])] for each in answer.get("Successful", [])]
        delete(stage.queues, url, sent)
        moved += len(sent)
    return moved


def sweep_instead(stage: Stage, url: str) -> dict[str, int]:
    """Queue again every effect that stands still, then delete what said that some do."""
    counts = Counter(forgotten=0, swept=0)
    for batch in batches(stage.queues, url, wait_seconds=stage.wait_seconds):
        if not counts["forgotten"]:
            counts["swept"] = stage.sweep()
        delete(stage.queues, url, batch)
        counts["forgotten"] += len(batch)
    return dict(counts)


def run_again(stage: Stage, url: str) -> dict[str, int]:
    """Run each schedule that failed once, however often it did: a run takes up all that is due."""
    counts = Counter(run=0, forgotten=0, left=0)
    done: set[str] = set()
    for batch in batches(stage.queues, url, wait_seconds=stage.wait_seconds):
        known = []
        for message in batch:
            function, event = failed_run(message)
            if function is None or (function not in done and not stage.run(function, event)):
                counts["left"] += 1
                continue
            counts["run"] += function not in done
            done.add(function)
            known.append(message)
        delete(stage.queues, url, known)
        counts["forgotten"] += len(known)
    return dict(counts)


def failed_run(message: Mapping[str, Any]) -> tuple[str | None, bytes]:
    """Which function a parked run was of, by its name, and its event; None when it is no run.

    Lambda parks a record of what it called; EventBridge parks the event, with the target beside.
    """
    try:
        body = json.loads(message["Body"])
    except ValueError:
        return None, b""
    match body:
        case {"requestContext": {"functionArn": str(arn)}, "requestPayload": event}:
            pass
        case {"detail-type": "Scheduled Event"} as event:
            arn = message.get("MessageAttributes", {}).get("TARGET_ARN", {}).get("StringValue", "")
        case _:
            return None, b""
    _, found, rest = arn.partition(":function:")
    return (rest.partition(":")[0] if found else None), json.dumps(event).encode()


def open_stage(session: Session, name: str) -> Stage:
    """One deployed stage; raises DeploymentFailed where there is none."""
    stack = f"segue-{name}"
    outputs = stack_outputs(session.client("cloudformation"), stack)
    if not outputs:
        raise DeploymentFailed(f"there is no stack {stack} here: deploy it first")
    queues, functions = session.client("sqs"), session.client("lambda")
    tables: dict[Table, str] = {"effects": outputs["EffectsTable"]}
    client = session.client("dynamodb")
    ports = SweepPorts(
        DynamoStore(lambda: client, tables=tables),
        SqsQueue(lambda: queues, url=outputs["EffectsQueue"]),
    )
    return Stage(
        outputs,
        queues,
        sweep=lambda: sweep_until_quiet(ports, clock=lambda: int(time.time())),
        run=lambda function, event: _run(functions, stack, function, event),
    )


def sweep_until_quiet(ports: SweepPorts, *, clock: Callable[[], int]) -> int:
    """Sweep until nothing is left to queue; how many effects were queued again."""
    queued = 0
    for _ in range(MOST_SWEEPS):
        found = sweep(ports=ports, now=clock(), correlation_id="redrive")["queued"]
        queued += found
        if not found:
            break
    return queued


def _run(functions: Any, stack: str, function: str, event: bytes) -> bool:
    """Run a function of the stage with an event; False for any other function."""
    if not function.startswith(f"{stack}-"):
        return False
    functions.invoke(FunctionName=function, InvocationType="Event", Payload=event)
    return True


def _said(one: DeadLetters, count: int) -> str:
    if one.source is not None:
        return f"{one.name}: {count} back to {one.source}"
    if one.name == "stream":
        return f"{one.name}: {count} forgotten, once a sweep has queued what they left behind"
    return f"{one.name}: {count} forgotten, once each function has run again"


def _chosen(queue: str | None, *, everything: bool) -> list[DeadLetters]:
    known = dead_letter_queues(read_template())
    if everything == (queue is not None):
        raise click.UsageError("name one queue, or --all")
    chosen = [one for one in known if everything or one.name == queue]
    if not chosen:
        raise click.UsageError(f"QUEUE is one of {', '.join(one.name for one in known)}")
    return chosen


@click.command()
@click.argument("queue", required=False)
@click.option("--all", "everything", is_flag=True, help="Every dead-letter queue of the stage.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option("--stage", default="dev", show_default=True)
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="A local stack in place of AWS.")
@click.option("--region", envvar="AWS_REGION")
def redrive(
    queue: str | None,
    everything: bool,
    yes: bool,
    stage: str,
    endpoint_url: str | None,
    region: str | None,
) -> None:
    """Put dead letters back on their way; doing it twice does no harm."""
    chosen = _chosen(queue, everything=everything)
    telemetry.configure(stage=stage, stream=sys.stderr)
    try:
        opened = open_stage(open_session(endpoint_url=endpoint_url, region=region), stage)
    except DeploymentFailed as error:
        raise click.ClickException(str(error)) from None
    counts = {one.name: count_messages(opened.queues, opened.outputs[one.logical_id])
              for one in chosen}  # fmt: skip
    for one in chosen:
        click.echo(_said(one, counts[one.name]))
    if any(counts.values()) and not yes:
        click.confirm("do that?", abort=True)
    click.echo(json.dumps(redrive_all(chosen, opened)))
