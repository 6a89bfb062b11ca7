"""The list of mails as the interface shows it, as JSON or as a table; never an address."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from chalicelib.core.effects import Effect
from chalicelib.core.instants import format_instant
from chalicelib.core.subject import Subject
from chalicelib.flows.drop_report import guarded
from chalicelib.flows.list_mails import Page

COLUMNS = (
    "effect_id",
    "action",
    "template",
    "purpose",
    "customer_id",
    "planned_at",
    "changed_at",
    "state",
    "reason",
    "provider_id",
    "correlation_id",
)
CSV_HEADERS = {
    "Content-Type": "text/csv; charset=utf-8",
    "Content-Disposition": 'attachment; filename="messages.csv"',
    "Cache-Control": "no-store",
}
NEXT_CURSOR_HEADER = "X-Next-Cursor"


def as_json(page: Page) -> dict[str, Any]:
    """The body of ``GET /v1/messages``."""
    return {
        "messages": [dict(zip(COLUMNS, _cells(mail), strict=True)) for mail in page.mails],
        "next_cursor": page.next_cursor,
    }


def as_csv(page: Page) -> str:
    """The same as a table with a header; no cell is a formula to a spreadsheet."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(_guarded(page.mails))
    return text.getvalue()


def csv_headers(page: Page) -> dict[str, str]:
    """Where a table has no room for it, the cursor of the next page is a header."""
    if page.next_cursor is None:
        return CSV_HEADERS
    return {**CSV_HEADERS, NEXT_CURSOR_HEADER: page.next_cursor}


def _guarded(mails: Sequence[Effect]) -> Iterator[list[str]]:
    for mail in mails:
        yield ["" if cell is None else guarded(cell) for cell in _cells(mail)]


def _cells(mail: Effect) -> tuple[str | None, ...]:
    subject = Subject.from_key(mail.subject_key)
    return (
        mail.effect_id,
        mail.action,
        mail.payload.get("template"),
        mail.payload.get("purpose"),
        subject.id if subject.kind == "customer" else None,
        format_instant(mail.planned_at),
        None if mail.changed_at is None else format_instant(mail.changed_at),
        mail.state,
        mail.reason,
        mail.provider_id,
        mail.correlation_id,
    )
