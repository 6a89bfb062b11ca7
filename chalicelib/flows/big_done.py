"""Which parts of a divided drop are done, as a listing of its bucket alone tells.

What says that a part is done bears the counts of its records in its name: so one listing tells how
far a drop has come, and nobody has to read a thousand documents or to share a counter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chalicelib.flows.big_documents import BigPlan
from chalicelib.flows.big_places import STAGES, Places, Stage
from chalicelib.flows.drop_layouts import DropKind
from chalicelib.flows.drop_report import Tally

_NAME = re.compile(r"(ranges|contests|partitions)/(\d+)-(\d+)-(\d+)-(\d+)-(\d+)\.json")


@dataclass(frozen=True, slots=True)
class DoneParts:
    """The parts that are done.

    Attributes:
        keys: by stage and number, where it says what came of the part.
        counts: of the records of all of them, in the order of ``counted``.
    """

    keys: Mapping[Stage, Mapping[int, str]]
    counts: tuple[int, ...] = (0, 0, 0, 0)

    def missing(self, plan: BigPlan) -> dict[Stage, list[int]]:
        """Which parts are not done, by stage; stages of which none is missing are left out."""
        left = {
            stage: [number for number in plan.numbers(stage) if number not in self.keys[stage]]
            for stage in STAGES
        }
        return {stage: numbers for stage, numbers in left.items() if numbers}

    def progress(self, plan: BigPlan) -> dict[str, int]:
        """How far the drop is, as ``GET /v1/drops/{id}`` shows it."""
        names = counted(features=plan.kind == DropKind.FEATURES.value)
        told = dict(zip(names, self.counts, strict=True))
        for stage in ("ranges", "partitions"):
            numbers = plan.numbers(stage)
            if numbers:
                told |= {stage: len(numbers), f"{stage}_done": len(self.keys[stage])}
        return told


def counted(*, features: bool) -> tuple[str, str, str, str]:
    """Which counts of its records a part bears in its name."""
    if features:
        return ("records", "scored", "unscored", "rejected")
    return ("records", "folded", "duplicate", "rejected")


def done_key(places: Places, stage: Stage, number: int, tally: Tally) -> str:
    """Where it is said that a part is done."""
    counted_ = tally.counts()
    counts = "-".join(str(counted_[name]) for name in counted(features=tally.per_record))
    return f"{places.done_prefix(stage, number)}{counts}.json"


def read_done(places: Places, keys: Iterable[str]) -> DoneParts:
    """What the listing of ``places.done`` says.

    Two workers on one part leave equal documents; should they ever differ, the first of them by
    name is the one that everybody goes by.
    """
    found: dict[Stage, dict[int, str]] = {stage: {} for stage in STAGES}
    totals = [0, 0, 0, 0]
    for key in sorted(keys):
        match = _NAME.fullmatch(key.removeprefix(places.done))
        if match is None:
            continue
        number = int(match[2])
        for stage in STAGES:
            if stage == match[1] and number not in found[stage]:
                found[stage][number] = key
                for at, count in enumerate(match.groups()[2:]):
                    totals[at] += int(count)
    return DoneParts(found, tuple(totals))
