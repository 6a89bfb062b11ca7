"""From decisions to the people whom they were made for: records and profiles by key.

A decision leads to its record, the record to the subject, the subject to the profile of the
customer that a guest turned out to be. Whoever was erased is found nowhere on that way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chalicelib.core.erasure import is_erased
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import FACTS, RECORD
from chalicelib.core.ports import Store
from chalicelib.core.subject import customer


def records_of(
    decision_ids: Iterable[str], *, store: Store, now: int
) -> dict[str, Mapping[str, Any]]:
    """The record of each decision; none where it is gone or without its person."""
    keys = {each: RECORD.key(each) for each in decision_ids}
    found = store.read(list(keys.values()), now=now)
    records = {name: found.value(key) for name, key in keys.items()}
    return {
        name: record
        for name, record in records.items()
        if record is not None and not is_erased(record)
    }


def people_of(subject_keys: Iterable[str], *, store: Store, now: int) -> dict[str, Facts]:
    """The facts of each subject, or of the customer that a guest turned out to be."""
    known = _facts(sorted(subject_keys), store=store, now=now)
    merged = {
        key: customer(facts.merged_into).key
        for key, facts in known.items()
        if facts.merged_into is not None
    }
    customers = _facts(sorted({*merged.values()} - known.keys()), store=store, now=now)
    return {
        **{key: facts for key, facts in known.items() if key not in merged},
        **{
            key: facts
            for key, name in merged.items()
            if (facts := customers.get(name) or known.get(name)) is not None
        },
    }


def _facts(subject_keys: Sequence[str], *, store: Store, now: int) -> dict[str, Facts]:
    if not subject_keys:
        return {}
    keys = {each: FACTS.key(each) for each in subject_keys}
    found = store.read(list(keys.values()), now=now)
    known = {each: found.value(key) for each, key in keys.items()}
    return {each: facts for each, facts in known.items() if facts is not None}
