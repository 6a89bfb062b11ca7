"""The state machine of divided drops, as it is packaged: what the local stack does not imitate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.flows.big_places import STAGES
from chalicelib.flows.big_sizes import MOST_PARTITIONS
from ops.definition import definition_of
from tests.app.packaged import Json, arn_of
from tests.big_drops import VALUES
from tests.step_functions import PAYLOAD_BYTES

MAPS = {"Ranges": "part", "Contests": "contest", "Partitions": "partition"}
TASKS = {"Plan": "plan", "Join": "join", "Finish": "finish"}
MOST_RANGES = 10_000  # of 64 MB each


@pytest.fixture(scope="module")
def machine(template: Json) -> Json:
    """The resource."""
    properties: Json = template["Resources"]["DividedDrops"]["Properties"]
    return properties


@pytest.fixture(scope="module")
def definition(machine: Json) -> dict[str, Any]:
    """The definition as Step Functions reads it with four parts at once."""
    return definition_of(machine, VALUES)


def tasks_of(definition: Json) -> Iterator[tuple[str, Json]]:
    """Every task state, those within maps too."""
    for name, state in definition["States"].items():
        if state["Type"] == "Task":
            yield name, state
        if state["Type"] == "Map":
            yield from tasks_of(state["ItemProcessor"])


def following(state: Json) -> set[str]:
    """Where a state may lead."""
    leads = {state[name] for name in ("Next", "Default") if name in state}
    return leads | {each["Next"] for name in ("Choices", "Catch") for each in state.get(name, ())}


def test_every_state_is_reached_and_leads_to_an_end(definition: Json) -> None:
    """None is left over, none leads nowhere, and from each an end can be reached."""
    states = definition["States"]
    reached, waiting = set(), {definition["StartAt"]}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= following(states[name]) - reached
    ends = {name for name, state in states.items() if state["Type"] in ("Succeed", "Fail")}
    ending = set(ends)
    for _ in states:
        ending |= {name for name, state in states.items() if following(state) & ending}

    assert reached == ending == set(states)
    assert ends == {"Over", "Partial"}


def test_whatever_fails_leads_to_the_end(definition: Json) -> None:
    """No drop stays RUNNING because a state failed; only the last one fails the execution."""
    for name, state in definition["States"].items():
        if state["Type"] in ("Task", "Map") and name != "Finish":
            assert state["Catch"] == [
                {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Finish"}
            ], name
    assert "Catch" not in definition["States"]["Finish"]
    finished = definition["States"]["Finished"]
    assert finished["Choices"] == [
        {"Variable": "$.finish.state", "StringEquals": "PARTIAL", "Next": "Partial"}
    ]


def test_a_failed_part_is_tried_again_and_never_for_ever(definition: Json) -> None:
    """Broken is not tried again; whatever else is, with growing pauses that differ."""
    for name, state in tasks_of(definition):
        broken, throttled, other = state["Retry"]
        assert broken == {"ErrorEquals": ["Broken"], "MaxAttempts": 0}, name
        assert throttled["ErrorEquals"] == ["Lambda.TooManyRequestsException"], name
        # ``States.ALL`` must stand alone and last.
        assert other["ErrorEquals"] == ["States.ALL"], name
        assert (other["MaxAttempts"], throttled["MaxAttempts"]) == (3, 6), name
        for each in (throttled, other):
            assert each["BackoffRate"] > 1
            assert each["JitterStrategy"] == "FULL"


def test_maps_bear_every_failure_and_are_bounded(definition: Json) -> None:
    """Distributed, of executions that may take fifteen minutes, so many at once as was set."""
    for name, task in MAPS.items():
        state = definition["States"][name]
        processor = state["ItemProcessor"]
        assert state["ToleratedFailurePercentage"] == 100
        assert state["MaxConcurrency"] == 4
        # An express execution ends after five minutes.
        assert processor["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        assert state["ItemSelector"] == {
            "task": task,
            "number.$": "$$.Map.Item.Value.number",
            "attempt.$": "$$.Execution.Name",
            "drop.$": "$.drop",
        }
        # One item is one call: a batch would fail as a whole, and the local stack ignores it.
        assert not {"ItemBatcher", "ResultWriter"} & set(state)


def test_items_are_read_from_where_the_plan_says(definition: Json) -> None:
    """Bucket and key are outputs of the plan; each map reads those of its own stage."""
    read = {}
    for name in MAPS:
        reader = definition["States"][name]["ItemReader"]
        assert reader["Resource"] == "arn:aws:states:::s3:getObject"
        assert reader["ReaderConfig"] == {"InputType": "JSON"}
        assert reader["Parameters"]["Bucket.$"] == "$.plan.bucket"
        read[name] = reader["Parameters"]["Key.$"]

    assert tuple(read.values()) == tuple(f"$.plan.{stage}" for stage in STAGES)


def test_no_payload_can_outgrow_the_engine(definition: Json) -> None:
    """Results of parts are thrown away: a list of ten thousand is what the engine still takes."""
    for name in MAPS:
        state = definition["States"][name]
        [part] = state["ItemProcessor"]["States"].values()
        assert part["OutputPath"] is None
        assert state["ResultPath"] is None
    most = max(MOST_RANGES, MOST_PARTITIONS)
    assert len(json.dumps([{}] * most)) < PAYLOAD_BYTES
    for name, task in TASKS.items():
        state = definition["States"][name]
        assert state["ResultPath"] == f"$.{task}"
        assert state["Parameters"]["task"] == task


def test_at_once_is_a_number_in_the_deployed_text(machine: Json) -> None:
    """CloudFormation substitutes text, and Step Functions takes no quoted number."""
    text = machine["DefinitionString"]

    assert '"MaxConcurrency": ${AtOnce}' in text
    assert machine["DefinitionSubstitutions"] == {
        "WorkPart": arn_of("WorkPart"),
        "Partition": {"Ref": "AWS::Partition"},
        "AtOnce": {"Fn::If": ["Divides", {"Ref": "PartsAtOnce"}, "1"]},
    }
    assert set(_placeholders(text)) == set(machine["DefinitionSubstitutions"])


def _placeholders(text: str) -> Iterator[str]:
    for part in text.split("${")[1:]:
        yield part.partition("}")[0]


def test_the_machine_is_standard_and_named(machine: Json, template: Json) -> None:
    """Its name is known before it is made: its role must name it."""
    assert machine["StateMachineType"] == "STANDARD"
    assert machine["StateMachineName"] == {"Fn::Sub": "${AWS::StackName}-divided-drops"}
    assert machine["RoleArn"] == arn_of("DividedDropsRole")
    assert template["Parameters"]["DivideAboveBytes"]["Default"] == 64_000_000
