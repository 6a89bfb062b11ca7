"""What became of exposures whose window has closed: orders by key, and then only sums.

An exposure leads to its decision record, the record to the subject, the subject to the profile of
the customer that a guest turned out to be. Whoever was erased is found nowhere on that way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.core.erasure import is_erased
from chalicelib.core.facts import Facts
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import FACTS, RECORD
from chalicelib.core.measured import Measured, joined
from chalicelib.core.measurement import Compared, Exposure, Group, compare
from chalicelib.core.outcomes import Bought, Ledger
from chalicelib.core.ports import Store
from chalicelib.core.subject import customer
from chalicelib.files.decision_days import CONTROL, EXPERIMENT, Pending


@dataclass(slots=True)
class _Run:
    """One night's looking up; ``met`` are the people of a day who were counted for something."""

    store: Store
    currency: str
    window_days: int
    now: int
    met: set[tuple[int, str, str]] = field(default_factory=set)
    measured: dict[int, Measured] = field(default_factory=dict)


def measure_closed(
    closed: Iterable[Sequence[Pending]], *, store: Store, currency: str, window_days: int, now: int
) -> Mapping[int, Measured]:
    """Add up what followed closed exposures, by the day on which they were.

    Args:
        closed: exposures, oldest first, some at a time.
        store: brings records and profiles, a hundred with each call.
        currency: what is paid in another one counts as an order, and not as revenue.
        window_days: how long after an exposure an order still counts.
        now: the moment; every window has passed by then.
    """
    run = _Run(store, currency, window_days, now)
    for some in closed:
        for day in sorted({each.at // DAY_SECONDS for each in some}):
            theirs = [each for each in some if each.at // DAY_SECONDS == day]
            found = _measure(day, theirs, run)
            run.measured[day] = joined([run.measured.get(day, Measured()), found])
    return run.measured


def _measure(day: int, some: Sequence[Pending], run: _Run) -> Measured:
    subjects = _subjects(some, run)
    people = _people({*subjects.values()}, run)
    exposures: dict[str, dict[str, list[Exposure]]] = {}
    for each in some:
        subject_key = subjects.get(each.decision_id)
        if subject_key is None:
            continue
        facts = people.get(subject_key)
        # Who has no profile has bought nothing, and is as good a customer to count.
        person = subject_key if facts is None else facts.subject.key
        if (day, each.counted_for, person) in run.met:
            continue  # the guest whom they were on the same day came first
        run.met.add((day, each.counted_for, person))
        exposure = Exposure(person, each.at, each.group == CONTROL, each.expected_orders)
        exposures.setdefault(each.counted_for, {}).setdefault(each.group, []).append(exposure)
    ledger = Ledger(bought={f.subject.key: _bought(f, run.currency) for f in people.values()})
    left_out = sum(each.decision_id not in subjects for each in some)
    return _added_up(exposures, ledger, run, left_out=left_out)


def _added_up(
    exposures: Mapping[str, Mapping[str, Sequence[Exposure]]],
    ledger: Ledger,
    run: _Run,
    *,
    left_out: int,
) -> Measured:
    def compared(some: Iterable[Exposure]) -> Compared:
        return compare(some, ledger, window_days=run.window_days, now=run.now)

    groups: dict[str, Compared] = {}
    arms: dict[str, dict[str, Group]] = {}
    for counted_for, by_group in exposures.items():
        if counted_for.startswith(EXPERIMENT):
            name = counted_for.removeprefix(EXPERIMENT)
            arms[name] = {
                arm: compared(each._replace(control=False) for each in some).treated
                for arm, some in by_group.items()
            }
        else:
            everybody = [each for some in by_group.values() for each in some]
            groups[counted_for] = compared(everybody)
    return Measured(groups, arms, left_out)


def _subjects(some: Iterable[Pending], run: _Run) -> dict[str, str]:
    """The subject of each decision; none where the record is gone or without its person."""
    keys = {each.decision_id: RECORD.key(each.decision_id) for each in some}
    found = run.store.read(list(keys.values()), now=run.now)
    records = {name: found.value(key) for name, key in keys.items()}
    return {
        name: record["subject"]
        for name, record in records.items()
        if record is not None and not is_erased(record)
    }


def _people(subject_keys: Iterable[str], run: _Run) -> dict[str, Facts]:
    """The facts of each subject, or of the customer that a guest turned out to be."""
    known = _facts(sorted(subject_keys), run)
    merged = {
        key: customer(facts.merged_into).key
        for key, facts in known.items()
        if facts.merged_into is not None
    }
    customers = _facts(sorted({*merged.values()} - known.keys()), run)
    return {
        **{key: facts for key, facts in known.items() if key not in merged},
        **{
            key: facts
            for key, name in merged.items()
            if (facts := customers.get(name) or known.get(name)) is not None
        },
    }


def _facts(subject_keys: Sequence[str], run: _Run) -> dict[str, Facts]:
    if not subject_keys:
        return {}
    keys = {each: FACTS.key(each) for each in subject_keys}
    found = run.store.read(list(keys.values()), now=run.now)
    known = {each: found.value(key) for each, key in keys.items()}
    return {each: facts for each, facts in known.items() if facts is not None}


def _bought(facts: Facts, currency: str) -> list[Bought]:
    """The orders that a profile keeps one by one, as they stand after refunds."""
    return [
        Bought(order.mark, order.at, order.amount_minor if order.currency == currency else 0, {})
        for order in facts.recent
    ]
