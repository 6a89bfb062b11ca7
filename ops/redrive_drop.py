"""The parts of a divided drop that failed, worked on again; what is done stays done.

python -m ops redrive-drop 3f2a… --stage prod

Each go is an execution of its own, named by the drop and counted: ``3f2a…``, ``3f2a…-2``. Its plan
lists what is missing. A drop that an execution left RUNNING, because even its last task failed, is
taken up in the same way.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import click

from chalicelib.aws.store import DynamoStore
from chalicelib.core.control import Drop
from chalicelib.core.kinds import DROP
from chalicelib.core.ports import Store
from chalicelib.core.storage import Table
from ops.cloudformation import DeploymentFailed, stack_outputs
from ops.session import open_session
from ops.watching import failures_in


class NothingToRedrive(click.ClickException):
    """The drop cannot be redriven: why, and what to do instead."""


@dataclass(frozen=True, slots=True)
class Divided:
    """The divided drops of one stage.

    Attributes:
        executions: Step Functions.
        arn: of the state machine.
        store: where drops stand.
    """

    executions: Any
    arn: str
    store: Store

    def failed(self, drop_id: str, *, now: int) -> list[str]:
        """Which of its parts failed last and why, a line each; raises NothingToRedrive."""
        drop = self._drop(drop_id, now=now)
        return [*failures_in(drop.failed_parts, [asdict(each) for each in drop.failures])]

    def _drop(self, drop_id: str, *, now: int) -> Drop:
        key = DROP.key(drop_id)
        drop = self.store.read([key], now=now).value(key)
        if drop is None:
            raise NothingToRedrive(f"there is no drop {drop_id} here")
        return drop

    def redrive(self, drop_id: str, *, now: int) -> str:
        """Start the next execution for a drop, and return its name; raises NothingToRedrive."""
        drop = self._drop(drop_id, now=now)
        if drop.state in ("COMPLETE", "REJECTED"):
            raise NothingToRedrive(f"{drop.key} is {drop.state}: nothing of it is left to do")
        before = self._executions_of(drop_id)
        if not before:
            raise NothingToRedrive(f"{drop.key} was not divided: python -m ops redrive drops")
        if before[-1]["status"] == "RUNNING":
            raise NothingToRedrive(f"{before[-1]['name']} is still at work on {drop.key}")
        name = f"{drop_id}-{len(before) + 1}"
        self.executions.start_execution(
            stateMachineArn=self.arn, name=name, input=before[0]["input"]
        )
        return name

    def _executions_of(self, drop_id: str) -> list[dict[str, Any]]:
        """What was started for a drop, in order; Step Functions remembers it for 90 days."""
        found: list[dict[str, Any]] = []
        prefix = self.arn.replace(":stateMachine:", ":execution:")
        while True:
            name = drop_id if not found else f"{drop_id}-{len(found) + 1}"
            try:
                found.append(self.executions.describe_execution(executionArn=f"{prefix}:{name}"))
            except self.executions.exceptions.ExecutionDoesNotExist:
                return found


def open_divided(session: Any, stage: str) -> Divided:
    """The divided drops of a deployed stage; raises DeploymentFailed without a stack."""
    outputs = stack_outputs(session.client("cloudformation"), f"segue-{stage}")
    if not outputs:
        raise DeploymentFailed(f"there is no stack segue-{stage} here: deploy it first")
    client = session.client("dynamodb")
    tables: dict[Table, str] = {"control": outputs["ControlTable"]}
    store = DynamoStore(lambda: client, tables=tables)
    return Divided(session.client("stepfunctions"), outputs["DividedDrops"], store)


@click.command()
@click.argument("drop_id")
@click.option("--stage", default="dev", show_default=True)
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL", help="A local stack in place of AWS.")
@click.option("--region", envvar="AWS_REGION")
def redrive_drop(drop_id: str, stage: str, endpoint_url: str | None, region: str | None) -> None:
    """Work again on the parts of a big file that failed; doing it twice does no harm."""
    try:
        divided = open_divided(open_session(endpoint_url=endpoint_url, region=region), stage)
    except DeploymentFailed as error:
        raise click.ClickException(str(error)) from None
    now = int(time.time())
    failed = divided.failed(drop_id, now=now)
    name = divided.redrive(drop_id, now=now)
    for line in failed:
        click.echo(line)
    click.echo(f"{name}: begun; python -m ops drop --watch-id {drop_id} follows it")
