"""Executions of a state machine, as moto keeps them."""

from __future__ import annotations

import json

import boto3
import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.machine import StepFunctionsMachine
from chalicelib.core.errors import Broken, Transient
from tests.loopback import Bytes, Loopback, in_turn


@pytest.fixture
def arn(aws: None) -> str:
    """A machine that does nothing."""
    definition = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
    made: str = boto3.client("stepfunctions").create_state_machine(
        name="segue-test-divided-drops",
        definition=json.dumps(definition),
        roleArn="arn:aws:iam::123456789012:role/none",
    )["stateMachineArn"]
    return made


def test_an_execution_has_its_name_and_what_it_is_given(arn: str, clients: Clients) -> None:
    """The name is the caller's, the input is canonical JSON."""
    machine = StepFunctionsMachine(clients.stepfunctions, arn=arn)

    assert machine.start("d-1", given={"drop": {"version_id": None, "key": "orders/a.csv"}})

    client = boto3.client("stepfunctions")
    [listed] = client.list_executions(stateMachineArn=arn)["executions"]
    told = client.describe_execution(executionArn=listed["executionArn"])
    assert (told["name"], json.loads(told["input"])) == (
        "d-1",
        {"drop": {"key": "orders/a.csv", "version_id": None}},
    )


def test_a_second_execution_of_a_name_is_none(arn: str, clients: Clients) -> None:
    """Whoever is told so need do nothing: the first one is at work, or has ended."""
    machine = StepFunctionsMachine(clients.stepfunctions, arn=arn)
    machine.start("d-1", given={"drop": 1})

    assert machine.start("d-1", given={"drop": 2}) is False
    assert (
        len(boto3.client("stepfunctions").list_executions(stateMachineArn=arn)["executions"]) == 1
    )


def test_a_machine_that_is_not_there_is_our_fault(arn: str, clients: Clients) -> None:
    """It is a matter of deployment, and raises Broken."""
    with pytest.raises(Broken, match="StateMachineDoesNotExist"):
        StepFunctionsMachine(clients.stepfunctions, arn=f"{arn}-gone").start("d", given={})


def test_an_engine_that_is_busy_is_transient() -> None:
    """The message that asked for it comes again."""
    busy = Bytes(b'{"__type": "ThrottlingException"}', status=400)
    with Loopback(in_turn(busy)) as server:
        clients = Clients(endpoint_url=server.url)
        machine = StepFunctionsMachine(clients.stepfunctions, arn="arn:x")
        with pytest.raises(Transient):
            machine.start("d", given={})
