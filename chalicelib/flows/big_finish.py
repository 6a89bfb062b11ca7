"""The last task of a divided drop: look for what is missing, add up, and say how it ended.

Nobody else's word is taken for it. The engine goes on where parts have failed, so what is done is
read from what the parts left, and every record and customer is counted over all of them.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from chalicelib.core.control import Drop
from chalicelib.core.errors import Broken
from chalicelib.files.rejects import RejectSpool
from chalicelib.flows.big_documents import BigPlan, Joined, PartDone
from chalicelib.flows.big_done import DoneParts
from chalicelib.flows.big_end import clear_results, close_drop, part_drop, refuse_drop, told
from chalicelib.flows.big_places import STAGES, Stage
from chalicelib.flows.big_rejects import read_part_rejects
from chalicelib.flows.big_work import Task
from chalicelib.flows.drop_end import Ending
from chalicelib.flows.drop_log import DropLog, FinishedElsewhere
from chalicelib.flows.drop_manifest import ResultFile, result_file
from chalicelib.flows.drop_report import Tally, write_rejects

CSV = "text/csv; charset=utf-8"
Parts = dict[Stage, list[PartDone]]


def finish_drop(task: Task) -> dict[str, str]:
    """End the drop COMPLETE, PARTIAL or REJECTED; says which. Raises Transient or Broken."""
    log = task.drop_log()
    if log is None:
        raise Broken("nobody has begun this drop")
    if log.drop.state == "REJECTED":
        clear_results(task)  # whoever refused it may have come no farther
    if log.drop.state != "RUNNING":
        return {"state": log.drop.state}
    try:
        return {"state": _finish(task, log).state}
    except FinishedElsewhere as finished:
        return {"state": finished.drop.state}


def _finish(task: Task, log: DropLog) -> Drop:
    plan = task.find_plan()
    if plan is None:  # cutting the file failed again and again
        return part_drop(task, log, Tally(), {}, failed=["plan"])
    done = task.done()
    missing = done.missing(plan)
    parts: Parts = {stage: task.read_parts(done, stage) for stage in STAGES}
    joined = None if "ranges" in missing else task.find_joined()
    refusal = _refusal(parts, joined)
    if refusal is not None:
        return refuse_drop(task, log, refusal)
    tally = added(parts)
    if missing or joined is None:
        return part_drop(task, log, tally, missing, failed=told(missing) or ["join"])
    tally.check()
    with TemporaryDirectory(dir=task.ports.workdir) as folder:
        rejects = _leave_rejects(task, parts, joined, Path(folder))
    if rejects.rows != tally.rejected:
        raise Broken(f"{tally.rejected} records were rejected, {rejects.rows} are told of")
    files = [rejects, *(file for each in parts.values() for part in each for file in part.files)]
    return close_drop(task, log, Ending("COMPLETE", None, tally, files, more=_more(plan, done)))


def _refusal(parts: Parts, joined: Joined | None) -> str | None:
    """Why the file cannot be used as a whole: what a range found, or all of them together."""
    found = next((part.refused for part in parts["ranges"] if part.refused is not None), None)
    return found if joined is None or found is not None else joined.refused


def added(parts: Parts) -> Tally:
    """What became of everything in these parts."""
    tally = Tally()
    for each in parts.values():
        for part in each:
            tally.add(part.tally)
    return tally


def _leave_rejects(task: Task, parts: Parts, joined: Joined, folder: Path) -> ResultFile:
    """The rejects of all parts in one file, in the order of their records."""
    spool = RejectSpool(folder / "spool")
    for stage, each in parts.items():
        for part in each:
            if part.rejects:
                path = folder / "part"
                task.download(path, task.places.rejects(stage, part.number))
                before = joined.before[part.number] if stage == "ranges" else 0
                for reject in read_part_rejects(path, before=before):
                    spool.add(reject)
    path = folder / "rejects.csv"
    write_rejects(path, spool)
    spool.close()
    file = result_file(path, name=path.name, rows=spool.count)
    task.leave(path, task.places.result(path.name), CSV)
    return file


def _more(plan: BigPlan, done: DoneParts) -> dict[str, dict[str, int]]:
    return {"parts": {stage: len(done.keys[stage]) for stage in STAGES if plan.numbers(stage)}}
