"""Enough of Step Functions to run the packaged definition over the real tasks, in memory.

What is not known here is refused, so that a state that uses more fails a test and is not run wrong.
Nobody waits: a retry comes at once. Items of a map run one after the other, in an order that a
test may choose; a distributed map leaves ``None`` for an item that failed, and its payloads are
held to the limit of 256 KiB.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.gate import Died

PAYLOAD_BYTES = 262_144
Json = dict[str, Any]
_STATE = {"Type", "Comment", "Next", "End", "InputPath", "OutputPath", "ResultPath", "Parameters",
          "ResultSelector", "Retry", "Catch"}  # fmt: skip
_KNOWN = {
    "Task": _STATE | {"Resource"},
    "Choice": {"Type", "Choices", "Default"},
    "Map": _STATE
    | {"Label", "ItemReader", "ItemSelector", "MaxConcurrency", "ToleratedFailurePercentage",
       "ItemProcessor"},
    "Fail": {"Type", "Error", "Cause"},
    "Succeed": {"Type"},
}  # fmt: skip


class NotImitated(AssertionError):
    """The definition uses what this interpreter does not know."""


class TaskFailed(Exception):
    """A state failed: the name of its error."""

    def __init__(self, error: str) -> None:
        """Keep the name."""
        self.error = error
        super().__init__(error)


@dataclass(slots=True)
class Engine:
    """Runs executions of one definition.

    Attributes:
        definition: as Step Functions would read it.
        invoke: calls the one function.
        read: an object of a bucket, for ``ItemReader``.
        order: in which order the items of a map run.
        ran: how often each state ran, retries counted.
        names: of executions that were begun.
        failed: items of maps that failed for good, by state.
        refusals: what the next calls of ``start`` raise.
    """

    definition: Json
    invoke: Callable[[Json], Any]
    read: Callable[[str, str], bytes]
    order: Callable[[Sequence[Any]], Sequence[Any]] = lambda items: items
    ran: Counter[str] = field(default_factory=Counter)
    names: dict[str, Json] = field(default_factory=dict)
    failed: dict[str, list[Any]] = field(default_factory=dict)
    refusals: list[Exception] = field(default_factory=list)

    def start(self, name: str, *, given: Mapping[str, Any]) -> bool:
        """As ``Machine.start``; an execution runs only when ``run`` is called."""
        if self.refusals:
            raise self.refusals.pop(0)
        if name in self.names:
            return False
        self.names[name] = json.loads(json.dumps(given))
        return True

    def run(self, name: str) -> str | None:
        """Run an execution to its end; None where it succeeded, else the name of its error."""
        context = {"Execution": {"Name": name, "Input": self.names[name]}}
        try:
            self._states(self.definition, self.names[name], context)
        except TaskFailed as failure:
            return failure.error
        return None

    def _states(self, machine: Json, given: Any, context: Json) -> Any:
        name = machine["StartAt"]
        while True:
            state = machine["States"][name]
            unknown = set(state) - _KNOWN[state["Type"]]
            if unknown:
                raise NotImitated(f"{name}: {sorted(unknown)}")
            self.ran[name] += 1
            match state["Type"]:
                case "Succeed":
                    return given
                case "Fail":
                    raise TaskFailed(state["Error"])
                case "Choice":
                    name = _choose(state, given)
                    continue
            given, following = self._with_catch(name, state, given, context)
            _hold_to_the_limit(name, given)
            if following is None:
                return given
            name = following

    def _with_catch(
        self, name: str, state: Json, given: Any, context: Json
    ) -> tuple[Any, str | None]:
        try:
            result = self._with_retry(name, state, given, context)
        except TaskFailed as failure:
            for catcher in state.get("Catch", ()):
                if _matches(catcher["ErrorEquals"], failure.error):
                    told = {"Error": failure.error, "Cause": ""}
                    return _placed(catcher.get("ResultPath", "$"), given, told), catcher["Next"]
            raise
        output = _placed(state.get("ResultPath", "$"), given, result)
        if "OutputPath" in state and state["OutputPath"] is None:
            output = {}
        return output, None if state.get("End") else state["Next"]

    def _with_retry(self, name: str, state: Json, given: Any, context: Json) -> Any:
        tries: Counter[int] = Counter()
        while True:
            try:
                if state["Type"] == "Map":
                    return self._map(name, state, given, context)
                return self._task(state, given, context)
            except TaskFailed as failure:
                fitting = [
                    (index, retrier["MaxAttempts"])
                    for index, retrier in enumerate(state.get("Retry", ()))
                    if _matches(retrier["ErrorEquals"], failure.error)
                ]
                if not fitting or tries[fitting[0][0]] >= fitting[0][1]:
                    raise
                tries[fitting[0][0]] += 1
                self.ran[name] += 1

    def _task(self, state: Json, given: Any, context: Json) -> Any:
        asked = _filled(state["Parameters"], given, context) if "Parameters" in state else given
        _hold_to_the_limit("a task's input", asked)
        try:
            return json.loads(json.dumps(self.invoke(copy.deepcopy(asked))))
        except Died:
            raise TaskFailed("Runtime.ExitError") from None
        except Exception as error:
            raise TaskFailed(type(error).__name__) from error

    def _map(self, name: str, state: Json, given: Any, context: Json) -> list[Any]:
        reader = state["ItemReader"]
        if not reader["Resource"].endswith(":states:::s3:getObject"):
            raise NotImitated(reader["Resource"])
        where = _filled(reader["Parameters"], given, context)
        items = json.loads(self.read(where["Bucket"], where["Key"]))
        if not isinstance(items, list) or not items:
            raise TaskFailed("States.ItemReaderFailed")
        results: list[Any] = [None] * len(items)
        for index, item in self.order([*enumerate(items)]):
            inner = {**context, "Map": {"Item": {"Index": index, "Value": item}}}
            asked = _filled(state["ItemSelector"], given, inner)
            try:
                results[index] = self._states(state["ItemProcessor"], asked, inner)
            except TaskFailed:
                self.failed.setdefault(name, []).append(item)
        lost = sum(result is None for result in results)
        if lost * 100 > state["ToleratedFailurePercentage"] * len(items):
            raise TaskFailed("States.ExceedToleratedFailureThreshold")
        _hold_to_the_limit(name, results)
        return results


def _choose(state: Json, given: Any) -> str:
    for rule in state["Choices"]:
        match rule:
            case {"Variable": path, "StringEquals": wanted, "Next": following}:
                pass
            case {"Variable": path, "BooleanEquals": wanted, "Next": following}:
                pass
            case _:
                raise NotImitated(f"a choice by {sorted(rule)}")
        if _looked_up(path, given) == wanted:
            return str(following)
    return str(state["Default"])


def _matches(names: Sequence[str], error: str) -> bool:
    if "States.TaskFailed" in names:
        raise NotImitated("States.TaskFailed")
    return error in names or "States.ALL" in names


def _filled(template: Json, given: Any, context: Json) -> Json:
    filled: Json = {}
    for name, value in template.items():
        if not name.endswith(".$"):
            filled[name] = value
        elif value.startswith("$$."):
            filled[name.removesuffix(".$")] = _looked_up(value[1:], context)
        else:
            filled[name.removesuffix(".$")] = _looked_up(value, given)
    return filled


def _looked_up(path: str, given: Any) -> Any:
    """What stands at a path; Step Functions fails where nothing does."""
    found = given
    for step in path.removeprefix("$").split("."):
        if step:
            if step not in found:
                raise TaskFailed("States.ParameterPathFailure")
            found = found[step]
    return found


def _placed(path: str | None, given: Any, result: Any) -> Any:
    if path is None:
        return given
    if path == "$":
        return result
    head, _, name = path.rpartition(".")
    if head != "$":
        raise NotImitated(path)
    return {**given, name: result}


def _hold_to_the_limit(what: str, payload: Any) -> None:
    size = len(json.dumps(payload))
    assert size <= PAYLOAD_BYTES, f"{what}: {size} bytes"
