"""A stack is created, updated, left alone, or refused with a reason."""

import json
from typing import Any

import pytest
from moto.backends import get_backend
from moto.core.models import DEFAULT_ACCOUNT_ID as ACCOUNT_ID

from ops.cloudformation import DeploymentFailed, apply_template, stack_outputs
from tests.stack import session

NAME = "segue-test"


def _template(**queue: Any) -> str:
    """Store a template with one queue and two parameters; its URL."""
    template = {
        "Parameters": {
            "Sender": {"Type": "String"},
            "AlarmEmail": {"Type": "String", "Default": "none"},
        },
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": queue}},
        "Outputs": {
            "Sender": {"Value": {"Ref": "Sender"}},
            "AlarmEmail": {"Value": {"Ref": "AlarmEmail"}},
        },
    }
    objects = session().client("s3")
    objects.create_bucket(Bucket="templates")
    objects.put_object(Bucket="templates", Key="t.json", Body=json.dumps(template).encode())
    return "https://s3.amazonaws.com/templates/t.json"


def test_there_is_nothing_before_the_first_deployment(aws: None) -> None:
    """A stack that does not exist has no outputs; asking is not an error."""
    assert stack_outputs(session().client("cloudformation"), NAME) == {}


def test_a_stack_is_created_and_updated(aws: None) -> None:
    """The first call creates with the template's defaults, the next one updates."""
    stacks = session().client("cloudformation")

    assert apply_template(stacks, NAME, _template(), {"Sender": "a@b.example", "AlarmEmail": None})
    assert stack_outputs(stacks, NAME) == {"Sender": "a@b.example", "AlarmEmail": "none"}

    changed = {"Sender": "c@d.example", "AlarmEmail": "ops@d.example"}
    assert apply_template(stacks, NAME, _template(VisibilityTimeout=60), changed)
    assert stack_outputs(stacks, NAME) == changed


def test_what_is_not_named_again_stays(aws: None) -> None:
    """An update without a parameter keeps its value: nobody loses their alarms by forgetting."""
    stacks = session().client("cloudformation")
    apply_template(stacks, NAME, _template(), {"Sender": "a@b", "AlarmEmail": "ops@d.example"})

    apply_template(
        stacks, NAME, _template(VisibilityTimeout=60), {"Sender": "a@b", "AlarmEmail": None}
    )

    assert stack_outputs(stacks, NAME)["AlarmEmail"] == "ops@d.example"


def test_a_stack_that_never_came_up_is_not_updated(aws: None) -> None:
    """After a failed creation CloudFormation takes no update: say so instead of trying."""
    stacks = session().client("cloudformation")
    apply_template(stacks, NAME, _template(), {"Sender": "a@b"})
    # moto raises where CloudFormation rolls back, so the state is set by hand.
    (stack,) = get_backend("cloudformation")[ACCOUNT_ID]["us-east-1"].stacks.values()
    stack.status = "ROLLBACK_COMPLETE"

    with pytest.raises(DeploymentFailed, match="delete it first"):
        apply_template(stacks, NAME, _template(VisibilityTimeout=60), {"Sender": "a@b"})
