"""Why a part of a divided drop failed, left behind by the part itself for the last task to find.

The engine's own word of a failure never reaches the last task: a map goes on where an item failed.
So a task that fails leaves the reason under its attempt and number before it fails. One that is
killed leaves nothing, or what an earlier try left: a try that finds such a word marks it as not the
last, and takes it back when it succeeds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from chalicelib.core.control import Failure
from chalicelib.core.errors import SegueError
from chalicelib.flows.big_places import STAGES, Stage
from chalicelib.flows.big_work import Task
from chalicelib.flows.wordless import places
from chalicelib.telemetry import log_event

MOST_FAILURES = 20  # that are told with their reasons: some 4 KB of the drop's item
LONGEST_REASON = 200
SILENT = "ended without a word (time-out, memory, crash, or no function was free)"
_TASKS: Mapping[Stage, str] = {"ranges": "part", "contests": "contest", "partitions": "partition"}


@dataclass(frozen=True, slots=True)
class _Word:
    """What a task left.

    Attributes:
        reason: why it failed; None where a later try succeeded.
        is_last: whether no later try has begun.
    """

    reason: str | None
    is_last: bool = True


@contextmanager
def telling_why(task: Task, name: str) -> Iterator[None]:
    """Leave why the block fails, if it does; what it raises goes on.

    Raises Transient or Broken where it cannot be seen whether this is a second try.
    """
    before = _word_of(task, name)
    if before is not None:
        _leave(task, name, _Word(before.reason, is_last=False))
    try:
        yield
    except Exception as error:
        try:
            _leave(task, name, _Word(reason_of(error)))
        except SegueError as other:  # the failure itself matters more, and the log has both
            log_event(
                "part_failure_untold", operation=name, count=task.number, error=type(other).__name__
            )
        raise
    if before is not None:
        _leave(task, name, _Word(None))


def reason_of(error: Exception) -> str:
    """A reason without personal data: our own errors' words, of others the class and the place."""
    name = type(error).__name__
    if isinstance(error, SegueError):
        told = f"{name}: {error}"
    else:
        told = f"{name} at {next(reversed(places(error)), 'an unknown place')}"
    return told if len(told) <= LONGEST_REASON else told[: LONGEST_REASON - 1] + "…"


def failures_of(
    task: Task, missing: Mapping[Stage, Sequence[int]], failed: Sequence[str]
) -> list[Failure]:
    """Why the first of the missing parts failed; those that were never begun are left out.

    Args:
        task: the last one of the attempt.
        missing: the parts that are not done.
        failed: what is to be told of; its first is ``plan`` where the file could not be planned.
    """
    begun = [("plan", ("plan", 0))] if "plan" in failed else _begun(task, missing)
    return [Failure(part, _told(_word_of(task, *named))) for part, named in begun]


def _begun(
    task: Task, missing: Mapping[Stage, Sequence[int]]
) -> Sequence[tuple[str, tuple[str, int]]]:
    """The first of the parts that are missing because they failed, and not because others did."""
    if "ranges" in missing:
        stages: Sequence[Stage] = ("ranges",)
    elif _join_failed(task):
        return [("join", ("join", 0))]
    else:
        stages = STAGES
    named = [
        (f"{stage.removesuffix('s')} {number}", (_TASKS[stage], number))
        for stage in stages
        for number in missing.get(stage, ())
    ]
    return named[:MOST_FAILURES]


def _join_failed(task: Task) -> bool:
    """Nothing follows a join that failed, though an earlier attempt's may have left its result."""
    word = _word_of(task, "join", 0)
    if word is not None:
        return word.reason is not None
    return task.find_joined() is None


def _told(word: _Word | None) -> str:
    if word is None or word.reason is None:
        return SILENT
    return word.reason if word.is_last else f"{SILENT}; an earlier try: {word.reason}"


def _word_of(task: Task, name: str, number: int | None = None) -> _Word | None:
    key = _key(task, name, number)
    # A missing key that may not be listed would look forbidden, so nothing is read on trial.
    if not any(task.ports.objects.list(task.bucket, prefix=key)):
        return None
    return _Word(**json.loads(task.ports.objects.get(task.bucket, key=key)))


def _leave(task: Task, name: str, word: _Word) -> None:
    task.put_json(_key(task, name), json.dumps(asdict(word)).encode())


def _key(task: Task, name: str, number: int | None = None) -> str:
    return task.places.failed(task.attempt, name, task.number if number is None else number)
