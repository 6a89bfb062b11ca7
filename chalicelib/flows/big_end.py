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
from chalicelib.flows.drop_manifest import ResultFile
from chalicelib.flows.drop_report import Tally

OF_PARTS = ("scores/", "unscored/")  # the folders into which parts put results
_WHOLE = {
    "plan": "the file could not be divided",
    "join": "what its ranges found could not be put together",
}
MOST_NAMED = 20  # in a reason; the summary names all


def refuse_drop(task: Task, log: DropLog, reason: str) -> Drop:
    """End a drop that cannot be used as a whole: nothing of it counts, and nothing is left of it.

    First the word, then what parts have left among the results: a part that is slower sees the word
    and takes its own away (``take_back``), so none is left whichever comes first.
    """
    drop = close_drop(task, log, Ending("REJECTED", reason, Tally()))
    clear_results(task)
    return drop


def clear_results(task: Task) -> None:
    """Take away what parts of a refused drop have left; doing it again does no harm."""
    objects = task.ports.objects
    left = [each.key for each in objects.list(task.bucket, prefix=task.places.result(""))]
    parts = [key for key in left if key.startswith(tuple(map(task.places.result, OF_PARTS)))]
    with ThreadPoolExecutor(task.ports.limits.parallel_writes) as hands:
        list(hands.map(lambda key: objects.delete(task.bucket, key=key), parts))


def take_back(task: Task, file: ResultFile) -> None:
    """Take away what a part has just left, if its drop was refused meanwhile."""
    known = task.known_drop()
    if known is not None and known.value.state == "REJECTED":
        task.ports.objects.delete(task.bucket, key=task.places.result(file.name))


def part_drop(
    task: Task,
    log: DropLog,
    tally: Tally,
    missing: Mapping[Stage, Sequence[int]],
    *,
    failed: Sequence[str],
) -> Drop:
    """End a drop of which parts failed, until somebody lets them be worked on again.

    Args:
        task: the last one of the attempt.
        log: the drop.
        tally: what became of the parts that are done.
        missing: the numbers of those that are not.
        failed: their names; ``plan`` or ``join`` alone where it was not parts that failed.
    """
    failures = failures_of(task, missing, failed)
    first = next((f"; {each.part}: {each.reason}" for each in failures), "")
    named = _WHOLE.get(failed[0], ", ".join(failed))
    ending = Ending(
        state="PARTIAL",
        reason=f"{named}{first}; failures and the log under drop-{task.arrived.drop_id} say more;"
        f" to go on: python -m ops redrive-drop {task.arrived.drop_id} --stage STAGE",
        tally=tally,
        more={"missing": {stage: list(numbers) for stage, numbers in missing.items()}},
        failed_parts=failed,
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
