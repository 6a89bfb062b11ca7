"""Which orders of one contest are nobody's or not whole, whatever ranges their rows stand in."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from chalicelib.files.claims import settle_claims
from chalicelib.flows.big_blobs import fetch_blobs
from chalicelib.flows.big_documents import PartDone
from chalicelib.flows.big_range import BINARY
from chalicelib.flows.big_work import Task


def settle_contest(task: Task) -> None:
    """Judge the orders of one contest, unless that is done; raises Transient or Broken."""
    plan = task.the_plan()
    if task.is_done("contests"):
        return
    joined = task.joined()
    with TemporaryDirectory(dir=task.ports.workdir) as name:
        folder = Path(name)
        blobs = fetch_blobs(task, joined, joined.claims, task.places.claims, folder)
        target = folder / "verdicts"
        settle_claims(blobs, target, workdir=folder, memory_mb=task.ports.limits.memory_mb)
        task.leave(target, task.places.verdicts(task.number), BINARY)
    task.finish_part("contests", PartDone(task.number), plan)
