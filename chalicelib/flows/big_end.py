"""How a divided drop ends: its parts counted together, and what is missing named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from chalicelib.core.control import Drop
from chalicelib.flows.big_failed import failures_of
from chalicelib.flows.big_places import Stage
from chalicelib.flows.big_work import Task
from chalicelib.flows.drop_end import Ending, end_drop
from chalicelib.flows.drop_log import DropLog
from chalicelib.flows.drop_report import Tally

OF_PARTS = ("scores/", "unscored/")  # the folders into which parts put results
MOST_NAMED = 20  # in a reason; the summary names all


def refuse_drop(task: Task, log: DropLog, reason: str) -> Drop:
    """End a drop that cannot be used as a whole: nothing of it counts, and nothing is left of it.

    What parts have left among the results goes first. Nobody is to find scores of a refused file,
    and whoever ends the drop a second time finds less to take away.
    """
    objects = task.ports.objects
    left = [each.key for each in objects.list(task.bucket, prefix=task.places.result(""))]
    parts = [key for key in left if key.startswith(tuple(map(task.places.result, OF_PARTS)))]
    with ThreadPoolExecutor(task.ports.limits.parallel_writes) as hands:
        list(hands.map(lambda key: objects.delete(task.bucket, key=key), parts))
    return close_drop(task, log, Ending("REJECTED", reason, Tally()))


def part_drop(
    task: Task, log: DropLog, tally: Tally, missing: Mapping[Stage, Sequence[int]]
) -> Drop:
    """End a drop of which parts failed, until somebody lets them be worked on again."""
    failed, failures = told(missing), failures_of(task, missing)
    first = next((f"; {each.part}: {each.reason}" for each in failures), "")
    named = ", ".join(failed) or "the file could not be divided"
    ending = Ending(
        state="PARTIAL",
        reason=f"{named}{first}; failures and the log under drop-{task.arrived.drop_id} say more;"
        f" to go on: python -m ops redrive-drop {task.arrived.drop_id} --stage STAGE",
        tally=tally,
        more={"missing": {stage: list(numbers) for stage, numbers in missing.items()}},
        failed_parts=failed or ["plan"],
        failures=failures,
    )
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


def told(missing: Mapping[Stage, Sequence[int]]) -> list[str]:
    """The first of the parts that are missing, by name, and how many more there are."""
    names = [
        f"{stage.removesuffix('s')} {number}"
        for stage, numbers in missing.items()
        for number in numbers
    ]
    more = [f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
    return names[:MOST_NAMED] + more
