"""A dropped file: how far it is, how its records add up, and the first of what was rejected."""

from __future__ import annotations

import csv
import io

from chalicelib.console.page import Page
from chalicelib.core.control import Drop
from chalicelib.core.ports import Beginning

# What is read to show some rejects: enough for a hundred of ordinary length.
SHOWN_BYTES = 65_536
MOST_SHOWN = 100
COLUMNS = 4
# In the order in which they add up: what came in, what became of it, who was scored.
_ORDER = ("records", "folded", "duplicate", "rejected", "customers", "scored", "unscored")


def drops_page() -> Page:
    """The form for a drop's id."""
    return Page("drops", "Drops")


def drop_page(drop: Drop, *, rejects: Beginning | None, are_gone: bool = False) -> Page:
    """The page of one drop.

    Args:
        drop: as it stands.
        rejects: the beginning of its rejects file, where there is one to show.
        are_gone: whether the file is no longer there; results are kept for 29 days.
    """
    rows = [] if rejects is None else shown_rows(rejects)
    return Page(
        "drop",
        f"Drop {drop.drop_id}",
        {
            "drop": drop,
            "is_running": drop.state == "RUNNING",
            "counts": sorted(drop.counts.items(), key=_place),
            "rejected": drop.counts.get("rejected", 0),
            "rows": rows,
            "are_gone": are_gone,
            "size": None if rejects is None else rejects.size,
        },
    )


def _place(count: tuple[str, int]) -> tuple[int, str]:
    name, _ = count
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


def shown_rows(rejects: Beginning) -> list[tuple[str, ...]]:
    """The first rejects as record, column, value and reason; one that is cut off is left out."""
    text = rejects.body.decode("utf-8", errors="ignore")
    rows = [tuple(row) for row in csv.reader(io.StringIO(text, newline=""))][1:]
    if not rejects.is_whole:
        rows = rows[:-1]
    return [row for row in rows if len(row) == COLUMNS][:MOST_SHOWN]
