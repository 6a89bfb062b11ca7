"""One partition of a divided drop: its customers folded and scored, from all ranges together.

The work is that on an undivided file. An order knows the drop that folded it, so what an earlier
attempt has folded counts as folded, and a partition that is worked on again adds up as if nothing
had happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from chalicelib.core.errors import Broken
from chalicelib.files.records import check_customer_columns
from chalicelib.files.rejects import RejectSpool
from chalicelib.files.shuffle import ShuffledRows
from chalicelib.flows.big_blobs import fetch_blobs
from chalicelib.flows.big_documents import BigPlan, Joined, PartDone
from chalicelib.flows.big_rejects import write_part_rejects
from chalicelib.flows.big_work import Task
from chalicelib.flows.drop_layouts import DropKind, Plan, legacy_of, plan_for
from chalicelib.flows.drop_log import DropLog
from chalicelib.flows.drop_manifest import ResultFile, result_file
from chalicelib.flows.drop_person import Person
from chalicelib.flows.drop_report import Tally
from chalicelib.flows.drop_rows import buyers_in, contacts_in
from chalicelib.flows.drop_work import Work

CSV = "text/csv; charset=utf-8"


class QuietLog(DropLog):
    """The drop as one of many sees it, who says nothing of it on the way."""

    def tell(self, counts: Mapping[str, int]) -> None:
        """Say nothing: another part would say something else at the same time."""


def fold_partition(task: Task) -> None:
    """Fold one partition, unless that is done; raises Transient or Broken.

    Nothing is folded while a contest is missing: it would say which orders are nobody's.
    """
    plan = task.the_plan()
    if task.is_done("partitions"):
        return
    if "contests" in task.done().missing(plan):
        raise Broken("a contest of this drop is not settled")
    with TemporaryDirectory(dir=task.ports.workdir) as name:
        done = _folded(task, plan, task.joined(), Path(name))
    task.finish_part("partitions", done, plan)


def _folded(task: Task, plan: BigPlan, joined: Joined, folder: Path) -> PartDone:
    reading = plan_for(task.arrived.key, task.ports.mapping)
    rows = ShuffledRows(
        fetch_blobs(task, joined, joined.rows, task.places.rows, folder),
        fields=joined.fields,
        layout=reading.layout,
        verdicts=_verdicts(task, plan, reading, folder),
        workdir=folder,
        memory_mb=task.ports.limits.memory_mb,
    )
    work = _work(task, plan)
    rejects = RejectSpool(folder / "rejected")
    files = {name: folder / f"{name}.csv" for name in ("scores", "unscored")}
    try:
        people = _people(rows, rejects, reading, plan, task, joined)
        work.fold(people, rejects, files["scores"], files["unscored"])
        work.tally.rejected = rejects.count
        write_part_rejects(folder / "rejects", rejects)
    finally:
        rows.close()
        rejects.close()
    if work.tally.rejected:
        task.leave(folder / "rejects", task.places.rejects("partitions", task.number), CSV)
    counts = {"scores": work.tally.scored, "unscored": work.tally.unscored.total()}
    return PartDone(
        number=task.number,
        tally=work.tally,
        files=tuple(_leave(task, name, path, counts[name]) for name, path in files.items()),
        rejects=bool(work.tally.rejected),
    )


def _verdicts(task: Task, plan: BigPlan, reading: Plan, folder: Path) -> list[Path]:
    if reading.layout.identity is None:
        return []
    paths = [folder / f"verdicts-{number:05}" for number in plan.numbers("contests")]
    for number, path in zip(plan.numbers("contests"), paths, strict=True):
        task.download(path, task.places.verdicts(number))
    return paths


def _work(task: Task, plan: BigPlan) -> Work:
    known = task.known_drop()
    if known is None:
        raise Broken("nobody has begun this drop")
    log = QuietLog(known.value, known, store=task.ports.store, clock=lambda: task.now)
    log.as_of(plan.as_of)
    return Work(task.arrived, task.ports, task.rules, task.keys, task.now, Tally(), log)


def _people(
    rows: ShuffledRows,
    rejects: RejectSpool,
    reading: Plan,
    plan: BigPlan,
    task: Task,
    joined: Joined,
) -> Iterator[Person]:
    if reading.kind is DropKind.ORDERS:
        legacy = legacy_of(reading, joined.moments)
        return buyers_in(rows, rejects, legacy=legacy, now=task.now)
    check_customer_columns(rows.fields)
    return contacts_in(rows, rejects, at=plan.as_of)


def _leave(task: Task, name: str, path: Path, rows: int) -> ResultFile:
    file = result_file(path, name=f"{name}/part-{task.number:05}.csv", rows=rows)
    task.leave(path, task.places.result(file.name), CSV)
    return file
