"""One portion of a simulation: what recorded decisions were made from, decided by two policies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chalicelib.core.comparison import tallied_from_json, tallied_to_json
from chalicelib.core.erasure import is_erased
from chalicelib.core.kinds import RECORD
from chalicelib.core.ports import Store
from chalicelib.core.record import situation_from_json
from chalicelib.core.rules import Rules
from chalicelib.core.situation import Situation
from chalicelib.core.trial import outcome_of
from chalicelib.telemetry import log_event


class Portion(NamedTuple):
    """What was decided on then, and how many records say it no longer, by why."""

    situations: Sequence[Situation]
    skipped: Mapping[str, int]


def read_portion(ids: Sequence[str], *, store: Store, now: int) -> Portion:
    """Read records by key; raises Transient."""
    keys = [RECORD.key(each) for each in ids]
    found = store.read(keys, now=now)
    situations: list[Situation] = []
    skipped = {"expired": 0, "erased": 0, "unreadable": 0}
    for key in keys:
        record = found.value(key)
        if record is None:
            skipped["expired"] += 1
        elif is_erased(record):
            skipped["erased"] += 1
        else:
            try:
                situations.append(situation_from_json(record["situation"]))
            except (KeyError, TypeError, ValueError) as error:
                skipped["unreadable"] += 1
                log_event("record_unreadable", error=type(error).__name__)
    return Portion(situations, skipped)


def added(
    counted: Mapping[str, Any], situations: Sequence[Situation], *, before: Rules, after: Rules
) -> Mapping[str, Any]:
    """What was counted, and these as well, as ``core.comparison`` writes it down."""
    tallied = tallied_from_json(counted)
    for each in situations:
        tallied.add(
            outcome_of(each, before),
            outcome_of(each, after),
            before=before.policy,
            after=after.policy,
        )
    return tallied_to_json(tallied)
