"""The dropped object, read by many: the very one that was planned, and a range of it alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from chalicelib.core.errors import Broken, NotFound
from chalicelib.files.parquet_file import check_parquet
from chalicelib.files.row_groups import (
    Fetch,
    RowRange,
    check_rows,
    copy_rows,
    fetch_footer,
    fetch_rows,
)
from chalicelib.flows.big_documents import BigPlan
from chalicelib.flows.big_work import Task
from chalicelib.flows.drop_layouts import DropKind, Plan


def fetching(task: Task) -> Fetch:
    """How bytes of the dropped object are fetched."""

    def fetch(start: int, end: int) -> Iterator[bytes]:
        arrived = task.arrived
        return task.ports.objects.stream(
            arrived.bucket,
            key=arrived.key,
            start=start,
            end=end,
            version_id=arrived.version_id,
            etag=arrived.etag,
        )

    return fetch


def text_of(task: Task, plan: BigPlan) -> Iterable[bytes]:
    """The bytes of the task's range of a text, as they come.

    Raises NotFound, Replaced, Transient or Broken while they are read.
    """
    one = plan.ranges[task.number - 1]
    return _piece(task) if plan.recut else iter(fetching(task)(one.start, one.end))


def text_bytes(task: Task, plan: BigPlan) -> int:
    """How long that range is behind the header that it is read by."""
    one = plan.ranges[task.number - 1]
    return one.end - one.start + (len(plan.head.header) if plan.head else 0)


def _piece(task: Task) -> Iterator[bytes]:
    try:
        yield from task.ports.objects.stream(task.bucket, key=task.places.piece(task.number))
    except NotFound:
        raise Broken("a piece of the file is gone: drop the file again") from None


def fetch_row_groups(task: Task, plan: BigPlan, reading: Plan, folder: Path) -> Path:
    """The task's range of a Parquet file, as a Parquet file of its own on a local path.

    It may come to no more than a whole file that is not divided, however few bytes say it.
    Raises FileRefused, NotFound, Replaced, Transient or Broken.
    """
    one = plan.ranges[task.number - 1]
    limits = task.ports.limits
    sparse, target = folder / "sparse", folder / "source"
    part = RowRange(one.number, one.first, one.rows, one.start, one.end)
    fetch_footer(sparse, size=plan.size_bytes, fetch=fetching(task))
    check_rows(
        sparse, part, most_bytes=limits.most_bytes, workdir=folder, memory_mb=limits.memory_mb
    )
    fetch_rows(sparse, part, fetch=fetching(task))
    copy_rows(sparse, part, target, workdir=folder, memory_mb=limits.memory_mb)
    sparse.unlink()
    check_parquet(
        target,
        reading.layout,
        unfold=reading.kind is not DropKind.FEATURES,
        workdir=folder / "footer",
        most_bytes=limits.most_bytes,
        memory_mb=limits.memory_mb,
    )
    return target
