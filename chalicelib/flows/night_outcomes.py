"""What became of exposures whose window has closed: orders and objections, and then only sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.core.facts import Facts
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.measured import Measured, joined
from chalicelib.core.measurement import EXPERIMENT, Compared, Exposure, Group, compare
from chalicelib.core.outcomes import Bought, Ledger
from chalicelib.core.ports import Store
from chalicelib.files.decision_days import CONTROL, Pending
from chalicelib.flows.night_objections import objections_of
from chalicelib.flows.night_people import people_of, records_of


@dataclass(slots=True)
class _Run:
    """One night's looking up; ``met`` are the people of ``day`` who were counted for something."""

    store: Store
    address_secret: bytes
    currency: str
    window_days: int
    now: int
    day: int = -1
    met: set[tuple[str, str]] = field(default_factory=set)
    measured: dict[int, Measured] = field(default_factory=dict)


def measure_closed(
    closed: Iterable[Sequence[Pending]],
    *,
    store: Store,
    address_secret: bytes,
    currency: str,
    window_days: int,
    now: int,
) -> Mapping[int, Measured]:
    """Add up what followed closed exposures, by the day on which they were.

    Args:
        closed: exposures, oldest first, some at a time.
        store: brings records, profiles, contacts and addresses, a hundred with each call.
        address_secret: names addresses.
        currency: what is paid in another one counts as an order, and not as revenue.
        window_days: how long after an exposure an order still counts.
        now: the moment; every window has passed by then.
    """
    run = _Run(store, address_secret, currency, window_days, now)
    for some in closed:
        for day in sorted({each.at // DAY_SECONDS for each in some}):
            if day != run.day:
                run.day, run.met = day, set()  # those of a day before do not come again
            theirs = [each for each in some if each.at // DAY_SECONDS == day]
            found = _measure(theirs, run)
            run.measured[day] = joined([run.measured.get(day, Measured()), found])
    return run.measured


def _measure(some: Sequence[Pending], run: _Run) -> Measured:
    records = records_of((each.decision_id for each in some), store=run.store, now=run.now)
    subjects = {name: record["subject"] for name, record in records.items()}
    people = people_of({*subjects.values()}, store=run.store, now=run.now)
    exposures: dict[str, dict[str, list[Exposure]]] = {}
    for each in some:
        subject_key = subjects.get(each.decision_id)
        if subject_key is None:
            continue
        facts = people.get(subject_key)
        # Who has no profile has bought nothing, and is as good a customer to count.
        person = subject_key if facts is None else facts.subject.key
        if (each.counted_for, person) in run.met:
            continue  # the guest whom they were on the same day came first
        run.met.add((each.counted_for, person))
        exposure = Exposure(person, each.at, each.group == CONTROL, each.expected_orders)
        exposures.setdefault(each.counted_for, {}).setdefault(each.group, []).append(exposure)
    ledger = Ledger(
        bought={f.subject.key: _bought(f, run.currency) for f in people.values()},
        opted_out=objections_of(
            _persons(exposures),
            store=run.store,
            address_secret=run.address_secret,
            now=run.now,
        ),
    )
    left_out = sum(each.decision_id not in subjects for each in some)
    return _added_up(exposures, ledger, run, left_out=left_out)


def _persons(exposures: Mapping[str, Mapping[str, Sequence[Exposure]]]) -> set[str]:
    return {
        each.person for groups in exposures.values() for some in groups.values() for each in some
    }


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


def _bought(facts: Facts, currency: str) -> list[Bought]:
    """The orders that a profile keeps one by one, as they stand after refunds."""
    return [
        Bought(order.mark, order.at, order.amount_minor if order.currency == currency else 0, {})
        for order in facts.recent
    ]
