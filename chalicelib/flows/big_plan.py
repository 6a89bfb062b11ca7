"""The first task of a divided drop: cut the file once, and list the parts that are still to do.

A plan is made once for each drop and never changed: whoever comes later, after a crash or to
redrive what failed, goes by the one that stands.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from chalicelib.core.control import Drop
from chalicelib.core.errors import NotFound, Replaced
from chalicelib.files.cutting import Cut, cut, cut_by_offsets, recut
from chalicelib.files.row_groups import fetch_footer, plan_row_groups
from chalicelib.files.unpack import FileRefused, FileTooLarge
from chalicelib.flows.big_begin import COMPRESSED_SHARE
from chalicelib.flows.big_documents import BigPlan, BigRange, plan_json
from chalicelib.flows.big_end import clear_results, refuse_drop
from chalicelib.flows.big_places import STAGES
from chalicelib.flows.big_source import fetching
from chalicelib.flows.big_work import Task
from chalicelib.flows.drop_layouts import DropKind, Plan, plan_for
from chalicelib.flows.drop_log import DropLog
from chalicelib.flows.drop_object import GONE, REPLACED, as_of_info

EXPIRED = "file: was begun, and its work files have expired; drop it again"
# Against gzip bombs; what is larger could not be streamed within the time of one function either.
MOST_TEXT_BYTES = 64_000_000_000


def plan_drop(task: Task) -> dict[str, Any]:
    """Cut the file, or take up the plan that stands; says where the items of each map lie.

    A file that cannot be used ends REJECTED here. Raises Transient.
    """
    known = task.known_drop()
    if known is not None and known.value.state in ("COMPLETE", "REJECTED"):
        if known.value.state == "REJECTED":
            clear_results(task)  # whoever refused it may have come no farther
        return {"next": "nothing"}
    log = _begun(task)
    plan = _planned(task, log)
    if isinstance(plan, str):
        refuse_drop(task, log, plan)
        return {"next": "nothing"}
    done = task.done()
    log.enter("reading", done.progress(plan))
    missing = done.missing(plan)
    told = {"next": "work", "bucket": task.bucket}
    for stage in STAGES:
        # A map without items would not run in the same way everywhere; what is done is passed by.
        numbers = missing.get(stage) or [1]
        key = task.places.items(task.attempt, stage)
        task.put_json(key, json.dumps([{"number": number} for number in numbers]).encode())
        told[stage] = key
    return told


def _planned(task: Task, log: DropLog) -> BigPlan | str:
    """The plan that stands, or else a new one; a text says why there can be none."""
    plan = task.find_plan()
    if plan is None and any(task.done().keys.values()):
        plan = task.find_plan()  # somebody who was quicker may have made it since
        if plan is None:
            # Parts of another plan, which has expired: these ranges need not be its ranges.
            return EXPIRED
    if plan is not None:
        return plan
    try:
        plan = _cut(task, log)
    except NotFound:
        return GONE
    except Replaced:
        return REPLACED
    except FileRefused as refusal:
        return str(refusal)
    task.put_json(task.places.plan, plan_json(plan))
    return plan


def _begun(task: Task) -> DropLog:
    log = task.drop_log()
    if log is not None:
        return log
    drop = Drop(
        task.arrived.drop_id,
        task.arrived.key,
        "RUNNING",
        as_of=task.now,
        started_at=task.now,
        changed_at=task.now,
        divided=True,
    )
    return DropLog(drop, None, store=task.ports.store, clock=lambda: task.now)


def _cut(task: Task, log: DropLog) -> BigPlan:
    arrived, objects = task.arrived, task.ports.objects
    info = objects.head(arrived.bucket, key=arrived.key, version_id=arrived.version_id)
    log.as_of(as_of_info(info, now=task.now))
    reading = plan_for(arrived.key, task.ports.mapping)
    folds = reading.kind is not DropKind.FEATURES
    if reading.layout.format == "parquet":
        head, recut_, ranges = None, False, _row_groups(task, info.size)
        text_bytes = info.size * COMPRESSED_SHARE
    else:
        found, recut_ = _cut_text(task, reading, info.size)
        head, text_bytes = found.head, found.pieces[-1].end
        ranges = tuple(BigRange(each.number, each.start, each.end) for each in found.pieces)
    return BigPlan(
        kind=reading.kind.value,
        as_of=log.drop.as_of,
        ranges=ranges,
        partitions=task.ports.sizes.partitions(text_bytes) if folds else 0,
        head=head,
        recut=recut_,
        size_bytes=info.size,
    )


def _row_groups(task: Task, size_bytes: int) -> tuple[BigRange, ...]:
    with TemporaryDirectory(dir=task.ports.workdir) as name:
        sparse = Path(name) / "sparse"
        fetch_footer(sparse, size=size_bytes, fetch=fetching(task))
        found = plan_row_groups(
            sparse,
            target_bytes=task.ports.sizes.range_bytes(size_bytes) // COMPRESSED_SHARE,
            workdir=Path(name),
            memory_mb=task.ports.limits.memory_mb,
        )
    return tuple(
        BigRange(each.number, each.start, each.end, each.first, each.rows) for each in found
    )


def _cut_text(task: Task, reading: Plan, size_bytes: int) -> tuple[Cut, bool]:
    arrived, objects = task.arrived, task.ports.objects
    by_offsets = cut_by_offsets(compressed=reading.compressed, encoding=reading.encoding)
    if by_offsets and size_bytes > MOST_TEXT_BYTES:  # one task has to read all of it
        raise FileTooLarge.of("file", f"is larger than {MOST_TEXT_BYTES} bytes")
    chunks = objects.stream(
        arrived.bucket, key=arrived.key, version_id=arrived.version_id, etag=arrived.etag
    )
    target = task.ports.sizes.range_bytes(size_bytes)
    if by_offsets:
        return (
            cut(chunks, layout=reading.layout, encoding=reading.encoding, target_bytes=target),
            False,
        )
    return (
        recut(
            chunks,
            layout=reading.layout,
            compressed=reading.compressed,
            encoding=reading.encoding,
            target_bytes=target,
            most_bytes=MOST_TEXT_BYTES,
            open_piece=lambda number: objects.writer(
                task.bucket, key=task.places.piece(number), content_type="text/plain"
            ),
        ),
        True,
    )
