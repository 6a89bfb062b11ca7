"""What the parts of a divided drop tell each other: closed documents, as JSON in a bucket."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from chalicelib.files.census import Census
from chalicelib.files.cutting import Head
from chalicelib.files.shuffle import Ranges
from chalicelib.flows.big_places import Stage
from chalicelib.flows.drop_manifest import ResultFile
from chalicelib.flows.drop_report import Tally


@dataclass(frozen=True, slots=True)
class BigRange:
    """A part of the file: records of a text, or row groups of a Parquet file.

    Attributes:
        number: counted from 1, in the order of the file.
        start: the first byte, counted from 0.
        end: the one behind the last.
        first: of Parquet, the first row, counted from 0.
        rows: of Parquet, how many there are.
    """

    number: int
    start: int
    end: int
    first: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class BigPlan:
    """How a drop was divided; made once, and what every part goes by.

    Attributes:
        kind: what the file holds.
        as_of: the moment at which it speaks.
        ranges: its parts.
        partitions: into how many its customers go; 0 where every range stands for itself.
        head: what every range of a text is read by; None for Parquet.
        recut: whether the ranges were written anew, one object each.
        size_bytes: of the dropped object.
    """

    kind: str
    as_of: int
    ranges: tuple[BigRange, ...]
    partitions: int
    head: Head | None
    recut: bool
    size_bytes: int

    def numbers(self, stage: Stage) -> range:
        """The numbers of all parts of a stage."""
        match stage:
            case "ranges":
                return range(1, len(self.ranges) + 1)
            case "contests" | "partitions":
                return range(1, self.partitions + 1)


@dataclass(frozen=True, slots=True)
class PartDone:
    """What came of one part; written last, so whatever it speaks of is there.

    Attributes:
        number: of the part.
        tally: what became of its records and customers.
        census: what a range says of the whole file.
        files: what it left among the results.
        rejects: whether it left rejects.
        rows: where in what it left its rows for each partition lie.
        claims: the same of its claims for each contest.
        moments: of Parquet, the fields whose values are moments.
        refused: why the whole file cannot be used, found out by this part.
    """

    number: int
    tally: Tally = field(default_factory=Tally)
    census: Census | None = None
    files: tuple[ResultFile, ...] = ()
    rejects: bool = False
    rows: Ranges = ()
    claims: Ranges = ()
    moments: tuple[str, ...] = ()
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """What is known once every range is done.

    Attributes:
        before: how many records stand in the file before each range, by its number.
        fields: the columns of the whole file.
        columns: those of each range.
        rows: where each range has the rows of each partition.
        claims: where each range has the claims of each contest.
        moments: of Parquet, the fields whose values are moments.
        refused: why the whole file cannot be used, found out by looking at all of it.
    """

    before: Mapping[int, int]
    fields: tuple[str, ...] = ()
    columns: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    rows: Mapping[int, Ranges] = field(default_factory=dict)
    claims: Mapping[int, Ranges] = field(default_factory=dict)
    moments: tuple[str, ...] = ()
    refused: str | None = None


def plan_json(plan: BigPlan) -> bytes:
    """The stored form."""
    body = asdict(plan)
    if plan.head is not None:
        body["head"]["header"] = base64.b64encode(plan.head.header).decode()
    return json.dumps(body).encode()


def plan_from_json(stored: bytes) -> BigPlan:
    """Undo ``plan_json``."""
    body: dict[str, Any] = json.loads(stored)
    head = body["head"]
    if head is not None:
        head = Head(**{**head, "header": base64.b64decode(head["header"])})
    ranges = tuple(BigRange(**each) for each in body["ranges"])
    return BigPlan(**{**body, "head": head, "ranges": ranges})


def done_json(done: PartDone) -> bytes:
    """The stored form."""
    # ``asdict`` knows no Counter.
    body = asdict(replace(done, tally=Tally()))
    tally = {each.name: getattr(done.tally, each.name) for each in fields(done.tally)}
    return json.dumps({**body, "tally": tally}).encode()


def done_from_json(stored: bytes) -> PartDone:
    """Undo ``done_json``."""
    body: dict[str, Any] = json.loads(stored)
    counters = {
        name: Counter(value) for name, value in body["tally"].items() if isinstance(value, dict)
    }
    return PartDone(
        **{
            **body,
            "tally": Tally(**{**body["tally"], **counters}),
            "census": _census(body["census"]),
            "moments": tuple(body["moments"]),
            "files": tuple(ResultFile(**each) for each in body["files"]),
        }
    )


def joined_json(joined: Joined) -> bytes:
    """The stored form."""
    return json.dumps(asdict(joined)).encode()


def joined_from_json(stored: bytes) -> Joined:
    """Undo ``joined_json``."""
    body: dict[str, Any] = json.loads(stored)
    by_number = {
        name: {int(number): told for number, told in body[name].items()}
        for name in ("before", "columns", "rows", "claims")
    }
    listed = {name: tuple(body[name]) for name in ("fields", "moments")}
    return Joined(**{**body, **by_number, **listed})


def _census(stored: Mapping[str, Any] | None) -> Census | None:
    if stored is None:
        return None
    told = {**stored, "fields": tuple(stored["fields"]), "filled": tuple(stored["filled"])}
    return Census(**told)
