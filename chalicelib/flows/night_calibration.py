"""What became of scores whose horizon has ended: orders by key, and then only sums.

Guests are left out: their profiles expire long before the horizon does, so that nothing is known of
who stayed away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chalicelib.core.calibration import Calibrated, Followed, calibrated_of, together
from chalicelib.core.facts import Facts
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.ports import Store
from chalicelib.core.subject import Subject
from chalicelib.files.decision_days import Waiting
from chalicelib.flows.night_people import people_of, records_of


def calibrate_settled(
    settled: Iterable[Sequence[Waiting]], *, store: Store, now: int
) -> Mapping[int, Calibrated]:
    """Add up what followed scores, by the day of the score.

    Args:
        settled: decisions, oldest first, some at a time.
        store: brings records and profiles, a hundred with each call.
        now: the moment; every horizon has passed by then.
    """
    found: dict[int, Calibrated] = {}
    for some in settled:
        for day in sorted({each.day for each in some}):
            theirs = [each for each in some if each.day == day]
            found[day] = together([found.get(day, Calibrated()), _settle(theirs, store, now)])
    return found


def _settle(some: Sequence[Waiting], store: Store, now: int) -> Calibrated:
    """Of one day; all of them were scored by one model."""
    records = {
        name: record
        for name, record in records_of(
            [each.decision_id for each in some], store=store, now=now
        ).items()
        if Subject.from_key(record["subject"]).kind == "customer"
    }
    people = people_of({each["subject"] for each in records.values()}, store=store, now=now)
    horizon_days = some[0].due - some[0].day
    window = horizon_days * DAY_SECONDS
    followed = [_followed(each, people.get(each["subject"]), window) for each in records.values()]
    if not followed:
        return Calibrated(left_out=len(some))
    model = next(iter(records.values()))["decision"]["model"]
    left_out = len(some) - len(followed)
    return calibrated_of(followed, model=model, horizon_days=horizon_days, left_out=left_out)


def _followed(record: Mapping[str, Any], facts: Facts | None, window_seconds: int) -> Followed:
    """Who has no profile any more has ordered nothing since it expired."""
    at, scores = record["decided_at"], record["decision"]["scores"]
    recent = () if facts is None else facts.recent
    orders = sum(at < order.at <= at + window_seconds for order in recent)
    return Followed(scores["churn"], scores["expected_orders"], orders)
