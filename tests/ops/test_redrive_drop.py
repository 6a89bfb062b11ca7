"""``python -m ops redrive-drop``: the next execution for a drop, or why there is none."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.core.control import Drop, DropState, Failure
from chalicelib.core.kinds import DROP
from chalicelib.core.storage import WHATEVER, Put
from ops.redrive_drop import Divided, NothingToRedrive
from tests.fakes import MemoryStore
from tests.makers import NOW

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:segue-dev-divided-drops"
DROP_ID = "3f2a" * 8
INPUT = json.dumps({"drop": {"drop_id": DROP_ID}})


class _DoesNotExist(Exception):
    """No such execution."""


@dataclass
class Executions:
    """Step Functions, as far as the command asks it."""

    status: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)

    @property
    def exceptions(self) -> Any:
        """What a client calls its errors."""
        return type("Exceptions", (), {"ExecutionDoesNotExist": _DoesNotExist})

    def describe_execution(self, *, executionArn: str) -> dict[str, str]:
        """As the client."""
        before, _, name = executionArn.rpartition(":")
        assert before == ARN.replace("stateMachine", "execution")
        if name not in self.status:
            raise _DoesNotExist
        return {"name": name, "status": self.status[name], "input": INPUT}

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> None:
        """As the client."""
        assert stateMachineArn == ARN
        self.status[name], self.inputs[name] = "RUNNING", input


def divided(state: DropState | None, **status: str) -> Divided:
    """A stage with one drop, and what was begun for it: ``first``, ``second``."""
    store = MemoryStore()
    if state is not None:
        drop = Drop(DROP_ID, "orders/a.csv", state, NOW, NOW, NOW)
        store.write([Put(DROP.key(DROP_ID), drop, WHATEVER)], now=NOW)
    names = {"first": DROP_ID, "second": f"{DROP_ID}-2"}
    return Divided(Executions({names[name]: one for name, one in status.items()}), ARN, store)


@pytest.mark.parametrize(
    ("state", "status", "name"),
    [
        ("PARTIAL", {"first": "FAILED"}, f"{DROP_ID}-2"),
        ("PARTIAL", {"first": "FAILED", "second": "FAILED"}, f"{DROP_ID}-3"),
        ("RUNNING", {"first": "FAILED"}, f"{DROP_ID}-2"),
        ("RUNNING", {"first": "ABORTED"}, f"{DROP_ID}-2"),
    ],
)
def test_the_next_execution_is_counted(state: DropState, status: dict[str, str], name: str) -> None:
    """It is given what the first one was given; RUNNING says that somebody began, no more."""
    stage = divided(state, **status)

    assert stage.redrive(DROP_ID, now=NOW) == name
    assert stage.executions.inputs == {name: INPUT}


def test_what_failed_is_told_with_its_reason() -> None:
    """Before it is worked on again: who redrives sees whether the cause is mended."""
    stage = divided("PARTIAL", first="FAILED")
    failed = Drop(
        DROP_ID,
        "orders/a.csv",
        "PARTIAL",
        NOW,
        NOW,
        NOW,
        failed_parts=("range 2", "contest 1"),
        failures=(Failure("range 2", "Broken: the disk is full"),),
    )
    stage.store.write([Put(DROP.key(DROP_ID), failed, WHATEVER)], now=NOW)

    assert stage.failed(DROP_ID, now=NOW) == [
        "failed: range 2: Broken: the disk is full",
        "failed: contest 1",
    ]


@pytest.mark.parametrize(
    ("state", "status", "why"),
    [
        (None, {}, "there is no drop"),
        ("COMPLETE", {"first": "SUCCEEDED"}, "nothing of it is left to do"),
        ("REJECTED", {"first": "SUCCEEDED"}, "nothing of it is left to do"),
        ("RUNNING", {}, "was not divided: python -m ops redrive drops"),
        ("RUNNING", {"first": "RUNNING"}, "is still at work"),
        ("PARTIAL", {"first": "FAILED", "second": "RUNNING"}, f"{DROP_ID}-2 is still at work"),
    ],
)
def test_what_cannot_be_redriven_says_why(
    state: DropState | None, status: dict[str, str], why: str
) -> None:
    """And nothing is started."""
    stage = divided(state, **status)

    with pytest.raises(NothingToRedrive, match=why):
        stage.redrive(DROP_ID, now=NOW)
    assert stage.executions.inputs == {}
