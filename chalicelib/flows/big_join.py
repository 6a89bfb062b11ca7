"""Between ranges and what follows: whether all are done, and what they say of the whole file."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

from chalicelib.files.census import joined
from chalicelib.files.unpack import FileRefused
from chalicelib.flows.big_documents import BigPlan, Joined, PartDone, joined_json
from chalicelib.flows.big_work import Task
from chalicelib.flows.drop_layouts import plan_for


def join_ranges(task: Task) -> dict[str, Any]:
    """Say what follows: ``fold`` where every range is done and customers are to be folded.

    Nothing is folded before: an order counts once and whole, and what is missing of it may lie in
    a range that failed. Raises Transient.
    """
    plan = task.the_plan()
    done = task.done()
    if "ranges" in done.missing(plan):
        return {"next": "finish"}
    found = join(plan, task.read_parts(done, "ranges"), task)
    task.put_json(task.places.joined, joined_json(found))
    if not plan.partitions or found.refused is not None:
        return {"next": "finish"}
    log = task.drop_log()
    if log is not None:
        log.enter("folding", done.progress(plan))
    return {"next": "fold"}


def join(plan: BigPlan, parts: list[PartDone], task: Task) -> Joined:
    """What the ranges come to together; ``refused`` says why the file cannot be used at all."""
    records = [part.tally.records for part in parts]
    before = dict(zip(plan.numbers("ranges"), accumulate(records, initial=0), strict=False))
    refused = next((part.refused for part in parts if part.refused is not None), None)
    if refused is not None:
        return Joined(before, refused=refused)
    layout = plan_for(task.arrived.key, task.ports.mapping).layout
    censuses = [part.census for part in parts if part.census is not None]
    try:
        return Joined(
            before,
            joined(censuses, layout).fields,
            {part.number: part.census.fields for part in parts if part.census is not None},
            {part.number: part.rows for part in parts},
            {part.number: part.claims for part in parts},
            parts[0].moments,
        )
    except FileRefused as refusal:
        return Joined(before, refused=str(refusal))
