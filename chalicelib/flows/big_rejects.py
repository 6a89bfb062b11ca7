"""Rejects of one part, on their way to the one ``rejects.csv``: as they are, nothing escaped."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from chalicelib.files.rejects import Reject


def write_part_rejects(path: Path, rejects: Iterable[Reject]) -> None:
    """Write the rejects of one part."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for each in rejects:
            writer.writerow((each.record, each.column, each.value, each.reason))


def read_part_rejects(path: Path, *, before: int) -> Iterator[Reject]:
    """Read them, numbered as in the file, in which so many records stand before the part."""
    with path.open(encoding="utf-8", newline="") as file:
        for record, column, value, reason in csv.reader(file):
            yield Reject(int(record) + before, column, value, reason)
