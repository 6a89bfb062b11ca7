"""One range of a divided file, read by itself: what it rejects, and its rows where they belong.

Everything that it leaves has a name of its number alone and says the same every time, so a range
that is worked on again, or twice at once, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from chalicelib.core.errors import NotFound, Replaced
from chalicelib.files.census import Census
from chalicelib.files.claims import shuffle_claims
from chalicelib.files.feature_source import unsaid_error
from chalicelib.files.layout import Layout
from chalicelib.files.parts import plain_part, read_part
from chalicelib.files.reader import Rows
from chalicelib.files.rejects import Reject, RejectSpool
from chalicelib.files.score_file import ScoredFile
from chalicelib.files.shuffle import Ranges, shuffle
from chalicelib.files.unpack import FileRefused
from chalicelib.flows.big_documents import BigPlan, PartDone
from chalicelib.flows.big_end import take_back
from chalicelib.flows.big_rejects import write_part_rejects
from chalicelib.flows.big_source import fetch_row_groups, text_bytes, text_of
from chalicelib.flows.big_work import Task
from chalicelib.flows.drop_features import score_features
from chalicelib.flows.drop_layouts import DropKind, Plan, plan_for
from chalicelib.flows.drop_manifest import result_file
from chalicelib.flows.drop_object import GONE, REPLACED
from chalicelib.flows.drop_report import Tally
from chalicelib.flows.drop_work import CSV, PARQUET

BINARY = "application/octet-stream"


def work_on_range(task: Task) -> None:
    """Work on one range, unless that is done; raises Transient or Broken.

    Where it shows that the whole file is to be refused, that is what came of it.
    """
    plan = task.the_plan()
    if task.is_done("ranges"):
        return
    reading = plan_for(task.arrived.key, task.ports.mapping)
    with TemporaryDirectory(dir=task.ports.workdir) as name:
        folder = Path(name)
        try:
            if reading.kind is DropKind.FEATURES:
                done = _scored(task, plan, reading, folder)
            else:
                done = _shuffled(task, plan, reading, folder)
        except NotFound:
            done = PartDone(task.number, refused=GONE)
        except Replaced:
            done = PartDone(task.number, refused=REPLACED)
        except FileRefused as refusal:
            done = PartDone(task.number, refused=str(refusal))
    task.finish_part("ranges", done, plan)


def _scored(task: Task, plan: BigPlan, reading: Plan, folder: Path) -> PartDone:
    """Score every row of the range; nobody's profile is read, and nothing is decided."""
    if plan.head is None:
        source = fetch_row_groups(task, plan, reading, folder)
    else:
        source = plain_part(
            text_of(task, plan),
            plan.head,
            most_bytes=text_bytes(task, plan),
            workdir=folder,
        )
    target = folder / "scores"
    rejects = RejectSpool(folder / "rejected")
    try:
        found, lacking = _score(task, reading.layout, source, target, rejects, folder)
        tally = Tally.of_features(found)
        tally.rejected = rejects.count
        tally.check()
        _leave_rejects(task, rejects, tally.rejected, folder)
    finally:
        rejects.close()
    file = result_file(target, name=f"scores/part-{task.number:05}.parquet", rows=found.scored)
    task.leave(target, task.places.result(file.name), PARQUET)
    take_back(task, file)
    return PartDone(
        number=task.number,
        tally=tally,
        census=_said(reading.layout, lacking, records=found.records),
        files=(file,),
        rejects=bool(tally.rejected),
    )


def _score(
    task: Task, layout: Layout, source: Path, target: Path, rejects: RejectSpool, folder: Path
) -> tuple[ScoredFile, frozenset[str]]:
    """Score the range, and name the fields that none of its objects has.

    A file of which no object has a field is refused. A range of JSON Lines cannot know that of the
    others, so what it lacks is left out of what it must have, and told (``census.joined``).
    """
    lacking: frozenset[str] = frozenset()
    while True:
        required = [each for each in layout.required if not lacking.issuperset(each)]
        mark = rejects.mark()
        try:
            found = score_features(
                source,
                replace(layout, required=required),
                scorer=task.rules.scorer,
                target=target,
                rejects=rejects,
                workdir=folder,
                memory_mb=task.ports.limits.memory_mb,
            )
        except FileRefused as refusal:
            unsaid = {
                name
                for [name] in required
                if layout.format == "jsonl" and refusal.errors == unsaid_error(name).errors
            }
            if not unsaid:
                raise
            lacking |= unsaid
            rejects.back_to(mark)
        else:
            return found, lacking


def _said(layout: Layout, lacking: frozenset[str], *, records: int) -> Census:
    filled = tuple(0 if lacking.issuperset(each) else records for each in layout.required)
    return Census((), records, records, filled)


def _shuffled(task: Task, plan: BigPlan, reading: Plan, folder: Path) -> PartDone:
    """Leave rejects, rows by customer, and claims by order; in this order."""
    rows = _open(task, plan, reading, folder)
    try:
        rejected = sum(1 for _ in rows.rejects)
        _leave_rejects(task, rows.rejects, rejected, folder)
        return PartDone(
            number=task.number,
            tally=Tally(records=rows.count, rejected=rejected),
            census=rows.census,
            rejects=bool(rejected),
            rows=_leave_rows(task, plan, rows, folder),
            claims=_leave_claims(task, plan, rows, folder, identity=reading.layout.identity),
            moments=tuple(sorted(rows.moments)),
        )
    finally:
        rows.close()


def _open(task: Task, plan: BigPlan, reading: Plan, folder: Path) -> Rows:
    memory_mb = task.ports.limits.memory_mb
    if plan.head is None:
        source = fetch_row_groups(task, plan, reading, folder)
        return Rows(source, reading.layout, workdir=folder, memory_mb=memory_mb, part_width=0)
    return read_part(
        text_of(task, plan),
        plan.head,
        layout=reading.layout,
        most_bytes=text_bytes(task, plan),
        workdir=folder,
        memory_mb=memory_mb,
    )


def _leave_rejects(task: Task, rejects: Iterable[Reject], count: int, folder: Path) -> None:
    if count:
        path = folder / "rejects"
        write_part_rejects(path, rejects)
        task.leave(path, task.places.rejects("ranges", task.number), CSV)


def _leave_rows(task: Task, plan: BigPlan, rows: Rows, folder: Path) -> Ranges:
    target = folder / "rows"
    ranges = shuffle(rows, "customer_id", partitions=plan.partitions, target=target, workdir=folder)
    task.leave(target, task.places.rows(task.number), BINARY)
    return ranges


def _leave_claims(
    task: Task, plan: BigPlan, rows: Rows, folder: Path, *, identity: str | None
) -> Ranges:
    if identity is None:
        return ()
    target = folder / "claims"
    ranges = shuffle_claims(
        rows,
        identity,
        "customer_id",
        partitions=plan.contests,
        target=target,
        workdir=folder,
    )
    task.leave(target, task.places.claims(task.number), BINARY)
    return ranges
