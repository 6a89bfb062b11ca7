"""What comes through the queue of files: notifications of files, and once a night the schedule.

A night is work of minutes with DuckDB, as a file is, and must run beside checkouts no more often
than files do; so it waits in their queue, is tried as often, and ends with their dead letters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from chalicelib.core.errors import SegueError
from chalicelib.core.policy import Policy
from chalicelib.flows.night import NightPorts, work_through
from chalicelib.flows.night_sizes import count_segments
from chalicelib.flows.wordless import wordless
from chalicelib.telemetry import log_event

BatchAnswer = dict[str, list[dict[str, str]]]


class TakeFiles(Protocol):
    """Handles an event whose every message is a notification of files."""

    def __call__(self, event: Mapping[str, Any], *, now: int) -> BatchAnswer:
        """Report every message that could not be handled by its id."""
        ...


@wordless
def from_messages(
    event: Mapping[str, Any],
    *,
    take_files: TakeFiles,
    night: Callable[[], tuple[NightPorts, Policy]],
    now: int,
) -> BatchAnswer:
    """Handle an SQS event; every message that could not be handled is reported by its id.

    Args:
        event: as Lambda passes it on.
        take_files: handles an event of notifications.
        night: brings what a night needs, and the policy that decides.
        now: the moment.
    """
    records = event["Records"]
    nights = [each for each in records if _is_schedule(each["body"])]
    files = [each for each in records if each not in nights]
    answer: BatchAnswer = {"batchItemFailures": []}
    if files or not records:
        answer = take_files({**event, "Records": files}, now=now)
    for each in nights:
        if not _work_through(each["messageId"], night, now):
            answer["batchItemFailures"].append({"itemIdentifier": each["messageId"]})
    return answer


def _is_schedule(body: str) -> bool:
    try:
        said = json.loads(body)
    except ValueError:
        return False  # whoever takes files says what is wrong with it
    return isinstance(said, dict) and said.get("detail-type") == "Scheduled Event"


def _work_through(
    message_id: str, night: Callable[[], tuple[NightPorts, Policy]], now: int
) -> bool:
    """Count the segments and read the log; what fails of the one holds up nothing of the other."""
    steps = (
        lambda ports, _: count_segments(store=ports.store, segments=ports.segments, now=now),
        lambda ports, policy: work_through(ports=ports, policy=policy, now=now),
    )
    return all([_try(step, message_id, night) for step in steps])


def _try(
    step: Callable[[NightPorts, Policy], object],
    message_id: str,
    night: Callable[[], tuple[NightPorts, Policy]],
) -> bool:
    try:
        step(*night())
    except SegueError as error:
        log_event(
            "night_failed", message_id=message_id, error=type(error).__name__, reason=str(error)
        )
        return False
    return True
