"""What comes through the queue of files: notifications of files, the night, and simulations.

A night and a simulation are work of minutes, as a file is, and must run beside checkouts no more
often than files do; so they wait in their queue, are tried as often, and end with their dead
letters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from chalicelib.core.errors import SegueError
from chalicelib.core.policy import Policy
from chalicelib.flows.drop import MOST_DELIVERIES
from chalicelib.flows.night import NightPorts, work_through
from chalicelib.flows.night_sizes import count_segments
from chalicelib.flows.simulation import SimulationPorts, take
from chalicelib.flows.simulation_ask import read_message
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
    simulation: Callable[[], SimulationPorts],
    now: int,
) -> BatchAnswer:
    """Handle an SQS event; every message that could not be handled is reported by its id.

    Args:
        event: as Lambda passes it on.
        take_files: handles an event of notifications.
        night: brings what a night needs, and the policy that decides.
        simulation: brings what a simulation needs.
        now: the moment.
    """
    records = event["Records"]
    files = []
    failed = []
    for each in records:
        said = _said(each["body"])
        message = read_message(said)
        if message is not None:
            done = take(message, ports=simulation(), now=now, is_last=_is_last(each))
        elif said.get("detail-type") == "Scheduled Event":
            done = _work_through(each["messageId"], night, now)
        else:
            files.append(each)
            continue
        if not done:
            failed.append({"itemIdentifier": each["messageId"]})
    answer: BatchAnswer = {"batchItemFailures": []}
    if files or not records:
        answer = take_files({**event, "Records": files}, now=now)
    return {"batchItemFailures": [*answer["batchItemFailures"], *failed]}


def _said(body: str) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}  # whoever takes files says what is wrong with it
    return said if isinstance(said, dict) else {}


def _is_last(message: Mapping[str, Any]) -> bool:
    deliveries = int(message.get("attributes", {}).get("ApproximateReceiveCount", 1))
    return deliveries >= MOST_DELIVERIES


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
