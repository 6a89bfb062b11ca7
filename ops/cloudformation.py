"""A CloudFormation stack brought to where a template says, and what it says of itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import StackTypeDef

PATIENCE_SECONDS = 1800.0
_DONE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
_STARTED = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"})
_CAPABILITIES: Any = ("CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")


class DeploymentFailed(Exception):
    """CloudFormation did not bring the stack to where the template says; it says why."""


def stack_outputs(stacks: CloudFormationClient, name: str) -> dict[str, str]:
    """The outputs of a stack; empty where there is no such stack."""
    described = _describe(stacks, name)
    if described is None:
        return {}
    return {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", ())}


def apply_template(
    stacks: CloudFormationClient,
    name: str,
    template_url: str,
    parameters: Mapping[str, str | None],
) -> bool:
    """Create or update a stack and wait for it; whether there was anything to do.

    A parameter that is None stays as it was, or takes the template's default.
    Raises DeploymentFailed with the resources that failed, and why.
    """
    known = _describe(stacks, name)
    request: Any = {
        "StackName": name,
        "TemplateURL": template_url,
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in parameters.items()
            if value is not None
        ],
        "Capabilities": _CAPABILITIES,
    }
    if known is not None:
        request["Parameters"] += [
            {"ParameterKey": key, "UsePreviousValue": True}
            for key, value in parameters.items()
            if value is None
        ]
    if known is None:
        stacks.create_stack(**request)
    elif known["StackStatus"] == "ROLLBACK_COMPLETE":
        raise DeploymentFailed(f"{name} never came up and cannot be updated: delete it first")
    else:
        try:
            stacks.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" in str(error):
                return False
            raise
    _wait(stacks, name)
    return True


def _describe(stacks: CloudFormationClient, name: str) -> StackTypeDef | None:
    try:
        return stacks.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        # CloudFormation has no code of its own for this one.
        if "does not exist" in str(error):
            return None
        raise


def _wait(stacks: CloudFormationClient, name: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    pause = 0.1
    while True:
        described = _describe(stacks, name)
        status: str = "DELETE_COMPLETE" if described is None else described["StackStatus"]
        if not status.endswith("_IN_PROGRESS"):
            break
        if time.monotonic() > until:
            raise DeploymentFailed(f"{name} is still {status}; look at it in CloudFormation")
        time.sleep(pause)
        pause = min(pause * 1.5, 5.0)
    if status not in _DONE:
        raise DeploymentFailed(f"{name} is {status}\n{_reasons(stacks, name)}")


def _reasons(stacks: CloudFormationClient, name: str) -> str:
    """What failed since the stack was last told to change, the cause first."""
    lines: list[str] = []
    for event in stacks.describe_stack_events(StackName=name)["StackEvents"]:  # newest first
        status = event.get("ResourceStatus", "")
        if event.get("LogicalResourceId") == name and status in _STARTED:
            break
        if status.endswith("_FAILED"):
            why = event.get("ResourceStatusReason", "no reason given")
            lines.append(f"  {event.get('LogicalResourceId')}: {why}")
    return "\n".join(reversed(lines))
