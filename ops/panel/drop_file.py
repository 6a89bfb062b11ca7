"""*Drop a file*: orders of new customers, one line twice and one that cannot be read."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from chalicelib.core.canonical import share_of
from chalicelib.core.instants import DAY_SECONDS, format_instant
from ops.panel.ways import Ways
from ops.panel.words import CURRENCY, PressFailed, Tell, Turn

CUSTOMERS = 40
ORDERS_EACH = 3
RECORDS = CUSTOMERS * ORDERS_EACH + 2
_HEADER = ("order_id", "customer_id", "ordered_at", "quantity", "currency", "amount")
_LONGEST_DAYS = 300
_NOT_AN_AMOUNT = "twelve"


def drop_file(ways: Ways, turn: Turn, tell: Tell) -> None:
    """Drop a file and follow it to its end; raises PressFailed."""
    key = f"orders/demo-{turn.tag}.csv"
    drop_id = ways.put_file(key, orders_file(turn.tag, now=turn.now))
    link = turn.pages.drop(drop_id)
    tell("begun", f"{key} is in the drops bucket: {RECORDS} rows, {CUSTOMERS} customers", link)

    def ended() -> Mapping[str, Any] | None:
        known = ways.drop(drop_id)
        return None if known is None or known["state"] == "RUNNING" else known

    known = turn.until(ended, what="the end of the file")
    counts = known["counts"]
    if known["state"] == "REJECTED":
        raise PressFailed(f"{key} was rejected: {known.get('reason')}")
    tell(
        "done",
        f"{known['state']}: {_counted(known)}; {counts.get('scored', 0)} customers scored",
        link,
        drop_id=drop_id,
        state=known["state"],
        **{name: counts.get(name, 0) for name in _COUNTED},
    )


_COUNTED = ("records", "folded", "duplicate", "rejected", "scored")


def _counted(drop: Mapping[str, Any]) -> str:
    counts = drop["counts"]
    parts = [f"{counts.get(name, 0)} {name}" for name in ("folded", "duplicate", "rejected")]
    return f"{counts.get('records', 0)} records = {' + '.join(parts)}"


def orders_file(tag: str, *, now: int) -> bytes:
    """A CSV in Segue's own words; equal arguments give equal bytes."""
    rows = [
        _row(f"file-{tag}-{number:02}", order, now=now)
        for number in range(1, CUSTOMERS + 1)
        for order in range(1, ORDERS_EACH + 1)
    ]
    bad = (f"file-{tag}-bad", *rows[0][1:-1], _NOT_AN_AMOUNT)
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([_HEADER, *rows, rows[0], bad])
    return text.getvalue().encode()


def _row(customer_id: str, order: int, *, now: int) -> tuple[str, ...]:
    order_id = f"{customer_id}-{order}"
    days = share_of("demo-file", "days", order_id) * _LONGEST_DAYS
    amount_minor = 900 + int(share_of("demo-file", "amount", order_id) * 6_000)
    at = format_instant(now - int(days * DAY_SECONDS))
    amount = f"{amount_minor // 100}.{amount_minor % 100:02}"
    return order_id, customer_id, at, "1", CURRENCY, amount
