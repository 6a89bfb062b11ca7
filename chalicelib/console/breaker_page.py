"""What beginning the breaker's count anew would do."""

from __future__ import annotations

from chalicelib.console.page import Page
from chalicelib.core.breaker import WINDOW_DAYS, total_of
from chalicelib.flows.breaker import Standing
from chalicelib.flows.breaker_reset import LONGEST_REASON


def breaker_page(standing: Standing, *, reason: str = "", problem: str | None = None) -> Page:
    """The question; ``problem`` says what is wrong with the reason that was given."""
    total = total_of(standing.by_day)
    return Page(
        "breaker",
        "Begin the breaker's count anew",
        {
            "opened_by": standing.opened_by,
            "sent": total.sent,
            "bounced": total.bounced,
            "complained": total.complained,
            "days": WINDOW_DAYS,
            "longest": LONGEST_REASON,
            "reason": reason,
            "problem": problem,
        },
        status=200 if problem is None else 422,
    )
