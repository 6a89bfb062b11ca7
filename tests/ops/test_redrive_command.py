"""``python -m ops redrive``: says what it will do, asks, does it, and ends in JSON."""

from __future__ import annotations

import json

import boto3
import pytest
from click.testing import CliRunner, Result

from ops.cli import main
from ops.dead_letters import count_messages
from ops.template import read_template
from tests.stack import create_tables


@pytest.fixture
def deployed(aws: None) -> dict[str, str]:
    """A stage whose stack says where its queues and tables are; the stack is nothing but that."""
    names = [name for name in read_template()["Outputs"] if name.endswith(("Letters", "Queue"))]
    sqs = boto3.client("sqs")
    outputs = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in names}
    outputs["EffectsTable"] = create_tables(boto3.client("dynamodb"))["effects"]
    template = {
        "Resources": {"Nothing": {"Type": "AWS::SNS::Topic", "Properties": {}}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    boto3.client("cloudformation").create_stack(
        StackName="segue-dev", TemplateBody=json.dumps(template)
    )
    for name in ("EffectsDeadLetters", "StreamDeadLetters"):
        sqs.send_message(QueueUrl=outputs[name], MessageBody="{}")
    return outputs


def run(*arguments: str, answer: str | None = None) -> Result:
    """Type the command."""
    return CliRunner().invoke(main, ["redrive", *arguments], input=answer)


def parked(outputs: dict[str, str]) -> int:
    """How many effects are parked."""
    return count_messages(boto3.client("sqs"), outputs["EffectsDeadLetters"])


def test_it_says_what_it_will_do_and_does_nothing_without_a_yes(deployed: dict[str, str]) -> None:
    """Each queue with its count and its way, and then the question."""
    result = run("--all", answer="n\n")

    assert result.exit_code == 1
    assert "effects: 1 back to EffectsQueue" in result.output
    assert "stream: 1 forgotten, once a sweep" in result.output
    assert "schedule: 0 forgotten" in result.output
    assert parked(deployed) == 1


@pytest.mark.parametrize(("flags", "answer"), [(["--yes"], None), ([], "y\n")])
def test_with_a_yes_it_does_it(
    deployed: dict[str, str], flags: list[str], answer: str | None
) -> None:
    """The last line is JSON with what became of each queue."""
    result = run("--all", *flags, answer=answer)

    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.splitlines()[-1])
    assert told["effects"] == {"moved": 1}
    assert told["stream"] == {"forgotten": 1, "swept": 0}
    assert parked(deployed) == 0


def test_nothing_to_do_is_not_asked_about(deployed: dict[str, str]) -> None:
    """A script may run it at any time."""
    result = run("drops")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout.splitlines()[-1]) == {"drops": {"moved": 0}}


def test_a_stage_that_is_not_there_is_named(aws: None) -> None:
    """Whoever mistypes a stage is told so."""
    result = run("--all", "--stage", "nowhere")

    assert result.exit_code == 1
    assert "segue-nowhere" in result.output
