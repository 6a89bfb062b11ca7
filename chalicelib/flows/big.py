"""A dropped file that is too big for one function: the tasks that a state machine calls one by one.

The machine (``DividedDrops`` in the template) plans, maps over ranges, joins, maps over contests
and partitions, and finishes. All of it is one function with one policy, told by its event which
task it is. A task may be repeated at any time and run twice at once: what it leaves has a name of
its number alone, and it says that it is done last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.core.errors import Broken
from chalicelib.core.rules import Rules
from chalicelib.core.tokens import SigningKeys
from chalicelib.flows.big_begin import arrived_from
from chalicelib.flows.big_contest import settle_contest
from chalicelib.flows.big_failed import telling_why
from chalicelib.flows.big_finish import finish_drop
from chalicelib.flows.big_join import join_ranges
from chalicelib.flows.big_partition import fold_partition
from chalicelib.flows.big_plan import plan_drop
from chalicelib.flows.big_range import work_on_range
from chalicelib.flows.big_work import Task
from chalicelib.flows.drop_work import DropPorts
from chalicelib.flows.wordless import wordless
from chalicelib.telemetry import log_event


@wordless
def work(
    event: Mapping[str, Any],
    *,
    ports: DropPorts,
    rules: Rules,
    keys: SigningKeys,
    now: int,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Do one task, and say what the machine has to know of it.

    Args:
        event: ``task``, ``drop``, ``attempt``, and of a part its ``number``.
        ports: what is needed from outside.
        rules: policy, law and model.
        keys: secrets that name addresses and coupon codes.
        now: the moment; everything of one task happens at it.
        clock: seconds of any origin, for how long it took; it decides nothing.

    Raises:
        Transient: it is worth another try.
        Broken: it is not.
    """
    begun = clock()
    task = Task(
        arrived=arrived_from(event["drop"]),
        attempt=event["attempt"],
        number=event.get("number", 0),
        ports=ports,
        rules=rules,
        keys=keys,
        now=now,
    )
    told = _told(event["task"], task)
    log_event(
        "part_done",
        operation=event["task"],
        count=task.number or None,
        drop_id=task.arrived.drop_id,
        state=told.get("state"),
        seconds=round(clock() - begun, 3),
        correlation_id=f"drop-{task.arrived.drop_id}",
    )
    return told


def _told(name: str, task: Task) -> dict[str, Any]:
    if name == "finish":  # nobody comes after it to read why it failed
        return finish_drop(task)
    with telling_why(task, name):
        return _do(name, task)


def _do(name: str, task: Task) -> dict[str, Any]:
    match name:
        case "plan":
            return plan_drop(task)
        case "part":
            work_on_range(task)
        case "join":
            return join_ranges(task)
        case "contest":
            settle_contest(task)
        case "partition":
            fold_partition(task)
        case _:
            raise Broken(f"{name!r} is no task")
    return {"number": task.number}
