"""How a divided drop ends: its parts counted together, and what is missing named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chalicelib.core.control import Drop
from chalicelib.flows.big_places import Stage
from chalicelib.flows.big_work import Task
from chalicelib.flows.drop_end import Ending, end_drop
from chalicelib.flows.drop_log import DropLog
from chalicelib.flows.drop_report import Tally

MOST_NAMED = 20  # in a reason; the summary names all


def refuse_drop(task: Task, log: DropLog, reason: str) -> Drop:
    """End a drop that cannot be used as a whole: nothing of it counts."""
    return close_drop(task, log, Ending("REJECTED", reason, Tally()))


def part_drop(
    task: Task, log: DropLog, tally: Tally, missing: Mapping[Stage, Sequence[int]]
) -> Drop:
    """End a drop of which parts failed, until somebody lets them be worked on again."""
    reason = f"{told(missing)} failed: python -m ops redrive-drop {task.arrived.drop_id}"
    ending = Ending("PARTIAL", reason, tally, more={"missing": dict(missing)})
    return close_drop(task, log, ending)


def close_drop(task: Task, log: DropLog, ending: Ending) -> Drop:
    """End a drop; how long it took is counted from when it was first heard of."""
    return end_drop(
        ending,
        log,
        objects=task.ports.objects,
        results_bucket=task.bucket,
        drops_bucket=task.arrived.bucket,
        rules=task.rules,
        seconds=float(task.now - log.drop.started_at),
    )


def told(missing: Mapping[Stage, Sequence[int]]) -> str:
    """Which parts are missing, in words: the first of them by number."""
    return "; ".join(_told(stage, numbers) for stage, numbers in missing.items())


def _told(stage: Stage, numbers: Sequence[int]) -> str:
    named = ", ".join(map(str, numbers[:MOST_NAMED]))
    more = f" and {len(numbers) - MOST_NAMED} more" if len(numbers) > MOST_NAMED else ""
    return f"{stage} {named}{more}"
