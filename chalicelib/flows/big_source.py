"""The dropped object, read by many: the very one that was planned, and a range of it alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chalicelib.core.errors import Broken, NotFound
from chalicelib.files.row_groups import Fetch, RowRange, copy_rows, fetch_footer, fetch_rows
from chalicelib.flows.big_documents import BigPlan, BigRange
from chalicelib.flows.big_work import Task


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


def fetch_range(task: Task, plan: BigPlan, folder: Path) -> Path:
    """The task's range on a local path: bytes of a text as they lie, or a Parquet file of its own.

    Raises FileRefused, NotFound, Replaced, Transient or Broken.
    """
    one = plan.ranges[task.number - 1]
    target = folder / "source"
    if plan.recut:
        try:
            task.download(target, task.places.piece(one.number))
        except NotFound:
            raise Broken("a piece of the file is gone: drop the file again") from None
        return target
    if plan.head is None:
        return _fetch_row_groups(task, plan, one, folder)
    task.ports.objects.download_range(
        target,
        bucket=task.arrived.bucket,
        key=task.arrived.key,
        start=one.start,
        end=one.end,
        version_id=task.arrived.version_id,
        etag=task.arrived.etag,
    )
    return target


def _fetch_row_groups(task: Task, plan: BigPlan, one: BigRange, folder: Path) -> Path:
    sparse, target = folder / "sparse", folder / "source"
    part = RowRange(one.number, one.first, one.rows, one.start, one.end)
    fetch_footer(sparse, size=plan.size_bytes, fetch=fetching(task))
    fetch_rows(sparse, part, fetch=fetching(task))
    copy_rows(sparse, part, target, workdir=folder, memory_mb=task.ports.limits.memory_mb)
    sparse.unlink()
    return target
