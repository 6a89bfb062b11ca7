"""Files dropped into S3: one at a time, from the queue's message to results that add up.

A message may name several objects, come twice, or come again after a crash. A drop is named by
bucket, key and version (or ETag), so what is finished is never done again, and what was begun is
taken up: every row knows the drop that folded it. What cannot be used as a whole ends REJECTED with
a reason; a message that nobody understands is left to the dead-letter queue. A file that is too
big for one function is handed to the state machine that divides it (``flows/big.py``).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from chalicelib.aws.objects import ObjectInfo
from chalicelib.core.control import Drop
from chalicelib.core.errors import BadInput, NotFound, Replaced, SegueError
from chalicelib.core.kinds import DROP
from chalicelib.core.rules import Rules
from chalicelib.core.tokens import SigningKeys
from chalicelib.files.unpack import FileRefused, FileTooLarge
from chalicelib.flows.big_begin import Divided, begin_division
from chalicelib.flows.drop_end import Ending, end_drop
from chalicelib.flows.drop_log import DropLog, FinishedElsewhere
from chalicelib.flows.drop_notice import Arrived, read_notification
from chalicelib.flows.drop_object import GONE, REPLACED, REPLACED_BEFORE, as_of_info
from chalicelib.flows.drop_report import Tally
from chalicelib.flows.drop_work import DropPorts, Work
from chalicelib.flows.wordless import places, wordless
from chalicelib.telemetry import log_event

# As often as the queue delivers a message before it lies with the dead letters.
MOST_DELIVERIES = 5
GIVEN_UP = (
    "file: was tried five times and could not be finished ({error}); what was folded stays; mend"
    " the cause that the log names under this drop, then python -m ops redrive drops --stage STAGE"
)


@wordless
def from_messages(
    event: Mapping[str, Any],
    *,
    ports: DropPorts,
    rules: Rules,
    keys: SigningKeys,
    now: int,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, list[dict[str, str]]]:
    """Handle an SQS event; every message that could not be handled is reported by its id.

    Args:
        event: as Lambda passes it on.
        ports: what is needed from outside.
        rules: policy, law and model.
        keys: secrets that name addresses and coupon codes.
        now: the moment; everything of one event happens at it.
        clock: seconds of any origin, for how long it took; it decides nothing.
    """
    handle_one = partial(handle, ports=ports, rules=rules, keys=keys, now=now, clock=clock)
    failed = [each["messageId"] for each in event["Records"] if not _take(each, handle_one)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _take(message: Mapping[str, Any], handle_one: Callable[..., Drop]) -> bool:
    """Handle every object that a message names; one that fails does not hold up the others.

    Returns whether all were handled. If not, the message comes again and finds them finished.
    """
    message_id = message["messageId"]
    deliveries = int(message.get("attributes", {}).get("ApproximateReceiveCount", 1))
    try:
        named = read_notification(message["body"])
    except BadInput as error:
        _tell_failure(message_id, None, error, reason=str(error))
        return False
    done = True
    for arrived in named:
        try:
            handle_one(arrived, is_last=deliveries >= MOST_DELIVERIES)
        except SegueError as error:
            _tell_failure(message_id, arrived.drop_id, error, reason=str(error))
            done = False
        except Exception as error:  # the boundary of one object: DuckDB quotes what it met
            _tell_failure(message_id, arrived.drop_id, error, traceback=places(error))
            done = False
    return done


def _tell_failure(message_id: str, drop_id: str | None, error: Exception, **told: Any) -> None:
    log_event(
        "drop_failed", message_id=message_id, drop_id=drop_id, error=type(error).__name__, **told
    )


def handle(
    arrived: Arrived,
    *,
    ports: DropPorts,
    rules: Rules,
    keys: SigningKeys,
    now: int,
    clock: Callable[[], float] = time.monotonic,
    is_last: bool = False,
) -> Drop:
    """Handle one object; what is finished is not done again.

    ``is_last`` says that the message will not come again by itself: a drop that fails then ends
    PARTIAL, and is taken up again when the message is sent back from the dead letters.

    Raises Transient where a later delivery may succeed, Broken when counts do not add up.
    """
    if arrived.bucket == ports.results_bucket:
        raise BadInput.of("bucket", "holds results; a drop of them would never end")
    drop_key = DROP.key(arrived.drop_id)
    known = ports.store.read([drop_key], now=now).stored(drop_key)
    if known is not None and not _is_open(known.value):
        return known.value
    begun = clock()
    drop = Drop(
        drop_id=arrived.drop_id,
        key=arrived.key,
        state="RUNNING",
        as_of=now,
        started_at=now if known is None else known.value.started_at,
        changed_at=now,
        divided=known is not None and known.value.divided,
    )
    log = DropLog(drop, known, store=ports.store, clock=lambda: now + int(clock() - begun))
    work = Work(arrived, ports, rules, keys, now, Tally(), log)
    try:
        refusal = _attempt(work)
        if isinstance(refusal, Divided):
            return refusal.drop
        if refusal is not None:
            work.tally = Tally()  # nothing of a refused file counts
        return _finish(work, refusal, seconds=clock() - begun)
    except FinishedElsewhere as finished:
        return finished.drop
    except Exception as error:
        if is_last:
            reason = GIVEN_UP.format(error=type(error).__name__)
            log.save(work.tally.counts(), state="PARTIAL", reason=reason)
        raise


def _is_open(drop: Drop) -> bool:
    """Whether there is something to do here; parts of a divided file have their own redrive."""
    return drop.state == "RUNNING" or (drop.state == "PARTIAL" and not drop.failed_parts)


def _attempt(work: Work) -> str | Divided | None:
    """Do all the work, or begin to divide it; returns why the file was refused as a whole.

    None when all was done.
    """
    arrived, ports = work.arrived, work.ports
    try:
        info = ports.objects.head(arrived.bucket, key=arrived.key, version_id=arrived.version_id)
        if arrived.version_id is None and info.etag != arrived.etag:
            return REPLACED_BEFORE
        work.log.as_of(as_of_info(info, now=work.now))
        return _work_on(work, info)
    except NotFound:
        return GONE
    except Replaced:
        return REPLACED
    except FileRefused as refusal:
        return str(refusal)


def _work_on(work: Work, info: ObjectInfo) -> Divided | None:
    """Work on the file in one piece, or divide it: because it is big, or shows to be when read."""
    arrived, mapping, division = work.arrived, work.ports.mapping, work.ports.division
    if division is None:
        _in_one_piece(work)
        return None
    if work.log.drop.divided or division.is_for(arrived, info, mapping):
        return begin_division(arrived, work.log, division)
    try:
        _in_one_piece(work)
    except FileTooLarge:  # raised before anything of the file counts
        if not division.takes(arrived, mapping):
            raise
        return begin_division(arrived, work.log, division)
    return None


def _in_one_piece(work: Work) -> None:
    work.log.enter("fetching", {})
    with tempfile.TemporaryDirectory(dir=work.ports.workdir) as folder:
        work.run(Path(folder))
    work.tally.check()


def _finish(work: Work, refusal: str | None, *, seconds: float) -> Drop:
    ending = Ending(
        state="COMPLETE" if refusal is None else "REJECTED",
        reason=refusal,
        tally=work.tally,
        files=work.files,
    )
    return end_drop(
        ending,
        work.log,
        objects=work.ports.objects,
        results_bucket=work.ports.results_bucket,
        drops_bucket=work.arrived.bucket,
        rules=work.rules,
        seconds=seconds,
    )
