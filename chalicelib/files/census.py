"""What the parts of a file say together: whether it is refused, and which columns it has.

No part can know that alone: a field that a part lacks may stand in the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.files.layout import MOST_COLUMNS, Layout
from chalicelib.files.unpack import FileRefused

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Census:
    """What a file, or one part of it, holds.

    Attributes:
        fields: the names of its columns.
        records: how many it has, good and bad. The number of a record in the file is the one in
            its part and what all parts before it have.
        rows: how many of them are rows.
        filled: how many values each requirement of the layout finds in the rows.
    """

    fields: tuple[str, ...]
    records: int
    rows: int
    filled: tuple[int, ...]


def filled(
    connection: DuckDBPyConnection, fields: Sequence[str], layout: Layout
) -> tuple[int, tuple[int, ...]]:
    """How many rows there are, and how many values each requirement of the layout finds in them."""
    counted = "".join(
        ", "
        + " + ".join(f"count(c{fields.index(each)})" for each in alternatives if each in fields)
        for alternatives in layout.required
    )
    found = connection.execute(f"SELECT count(*){counted} FROM rows").fetchone() or (0,)  # noqa: S608
    return found[0], found[1:]


def refuse_unsaid(census: Census, layout: Layout) -> None:
    """What no object has is to JSON Lines what a missing column is to CSV: raises FileRefused."""
    if layout.format != "jsonl":
        return
    for alternatives, count in zip(layout.required, census.filled, strict=True):
        if census.rows and not count:
            raise FileRefused.of("file", f"has no field {' or '.join(alternatives)}")


def joined(parts: Sequence[Census], layout: Layout) -> Census:
    """What the file as a whole holds, as reading it in one piece would tell.

    Raises FileRefused where that would: a field that is required is nowhere, there are too many
    different fields, or no records.
    """
    whole = Census(
        fields=_fields(parts, layout),
        records=sum(part.records for part in parts),
        rows=sum(part.rows for part in parts),
        filled=tuple(map(sum, zip(*(part.filled for part in parts), strict=True))),
    )
    if not whole.records:
        raise FileRefused.of("file", "holds no records")
    refuse_unsaid(whole, layout)
    return whole


def _fields(parts: Sequence[Census], layout: Layout) -> tuple[str, ...]:
    """JSON Lines has what is in any of its parts; other files have the same in every part."""
    if layout.format != "jsonl":
        return parts[0].fields if parts else ()
    others = sorted({field for part in parts for field in part.fields} - set(layout.columns))
    if len(others) > MOST_COLUMNS:
        raise FileRefused.of("file", f"has more than {MOST_COLUMNS} different fields")
    return (*layout.columns, *others)
