"""One range of a divided file, read by itself: what it rejects, and its rows where they belong.

Everything that it leaves has a name of its number alone and says the same every time, so a range
that is worked on again, or twice at once, changes nothing.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from chalicelib.core.errors import Broken, NotFound
from chalicelib.files.claims import shuffle_claims
from chalicelib.files.parts import open_part
from chalicelib.files.reader import Rows
from chalicelib.files.shuffle import Ranges, shuffle
from chalicelib.files.unpack import FileRefused
from chalicelib.flows.big_documents import BigPlan, BigRange, PartDone
from chalicelib.flows.big_rejects import write_part_rejects
from chalicelib.flows.big_source import unless_replaced
from chalicelib.flows.big_work import Task
from chalicelib.flows.drop_layouts import plan_for
from chalicelib.flows.drop_object import GONE
from chalicelib.flows.drop_report import Tally

BINARY = "application/octet-stream"
# A range is one record longer than it was to be, and a record that lost its quotes may be long.
MOST_TEXT_BYTES = 512 << 20


def work_on_range(task: Task) -> None:
    """Work on one range, unless that is done; raises Transient or Broken.

    Where it shows that the whole file is to be refused, that is what came of it.
    """
    plan = task.the_plan()
    if task.is_done("ranges"):
        return
    with TemporaryDirectory(dir=task.ports.workdir) as folder:
        try:
            done = _worked(task, plan, Path(folder))
        except NotFound:
            done = PartDone(task.number, refused=GONE)
        except FileRefused as refusal:
            done = PartDone(task.number, refused=str(refusal))
    task.finish_part("ranges", done, plan)


def _worked(task: Task, plan: BigPlan, folder: Path) -> PartDone:
    reading = plan_for(task.arrived.key, task.ports.mapping)
    source = folder / "source"
    _fetch(task, plan, plan.ranges[task.number - 1], source)
    if plan.head is None:
        raise FileRefused.of("file", "is of a format that cannot be divided")
    rows = open_part(
        source,
        plan.head,
        layout=reading.layout,
        most_bytes=MOST_TEXT_BYTES,
        workdir=folder,
        memory_mb=task.ports.limits.memory_mb,
    )
    try:
        return _shuffled(task, plan, rows, folder, identity=reading.layout.identity)
    finally:
        rows.close()


def _shuffled(
    task: Task, plan: BigPlan, rows: Rows, folder: Path, *, identity: str | None
) -> PartDone:
    """Leave rejects, rows by customer, and claims by order; in this order."""
    rejects = folder / "rejects"
    write_part_rejects(rejects, rows.rejects)
    rejected = sum(1 for _ in rows.rejects)
    if rejected:
        task.leave(rejects, task.places.rejects("ranges", task.number), "text/csv")
    target = folder / "target"
    ranges = shuffle(rows, "customer_id", partitions=plan.partitions, target=target, workdir=folder)
    task.leave(target, task.places.rows(task.number), BINARY)
    claims: Ranges = ()
    if identity is not None:
        claims = shuffle_claims(
            rows,
            identity,
            "customer_id",
            partitions=plan.partitions,
            target=target,
            workdir=folder,
        )
        task.leave(target, task.places.claims(task.number), BINARY)
    return PartDone(
        number=task.number,
        tally=Tally(records=rows.count, rejected=rejected),
        census=rows.census,
        rejects=bool(rejected),
        rows=ranges,
        claims=claims,
    )


def _fetch(task: Task, plan: BigPlan, one: BigRange, target: Path) -> None:
    arrived = task.arrived
    if plan.recut:
        try:
            task.download(target, task.places.piece(one.number))
        except NotFound:
            raise Broken("a piece of the file is gone: drop the file again") from None
        return
    with unless_replaced(task):
        task.ports.objects.download_range(
            target,
            bucket=arrived.bucket,
            key=arrived.key,
            start=one.start,
            end=one.end,
            version_id=arrived.version_id,
            etag=arrived.etag,
        )
