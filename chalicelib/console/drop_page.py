"""Dropped files: the list of them; of one how far it is, how it adds up, what was rejected."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from chalicelib.console.drop_progress import bar_of, lasting
from chalicelib.console.page import Page
from chalicelib.core.control import Drop
from chalicelib.core.ports import Beginning
from chalicelib.flows.list_drops import Page as DropPage

# What is read to show some rejects: enough for a hundred of ordinary length.
SHOWN_BYTES = 65_536
MOST_SHOWN = 100
COLUMNS = 4
# In the order in which they add up: what came in, what became of it, who was scored.
_ORDER = ("records", "folded", "duplicate", "rejected", "customers", "scored", "unscored")


def drops_page(page: DropPage, *, cursor: str | None, now: int) -> Page:
    """One page of the list, and the form for a drop's id.

    It asks for itself again while a drop on it is worked on.
    """
    return Page(
        "drops",
        "Drops",
        {
            "rows": [_row(drop, now=now) for drop in page.drops],
            "is_running": any(drop.state == "RUNNING" for drop in page.drops),
            "cursor": cursor,
            "next_cursor": page.next_cursor,
        },
    )


def _row(drop: Drop, *, now: int) -> Mapping[str, Any]:
    return {
        "drop": drop,
        "bar": bar_of(drop, now=now),
        "records": drop.counts.get("records"),
        "rejected": drop.counts.get("rejected"),
        "lasted": lasting(drop.changed_at - drop.started_at),
    }


def drop_page(drop: Drop, *, now: int, rejects: Beginning | None, are_gone: bool = False) -> Page:
    """The page of one drop.

    Args:
        drop: as it stands.
        now: the moment.
        rejects: the beginning of its rejects file, where there is one to show.
        are_gone: whether the file is no longer there; results are kept for 29 days.
    """
    rows = [] if rejects is None else shown_rows(rejects)
    return Page(
        "drop",
        f"Drop {drop.drop_id}",
        {
            "drop": drop,
            "bar": bar_of(drop, now=now),
            "lasted": lasting(drop.changed_at - drop.started_at),
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
