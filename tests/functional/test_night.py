"""What a night makes of the decision log: first exposures, what followed, who came by."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from chalicelib import telemetry
from chalicelib.core.baselines import Baselines
from chalicelib.core.canonical import canonical_json
from chalicelib.core.erasure import erased_record
from chalicelib.core.errors import Transient
from chalicelib.core.facts import Facts
from chalicelib.core.fold import recount
from chalicelib.core.instants import DAY_SECONDS, Instant, format_instant
from chalicelib.core.kinds import (
    FACTS,
    MEASURED,
    NIGHT_KEY,
    RECORD,
    WATCHED,
)
from chalicelib.core.log_line import line_of
from chalicelib.core.measured import Measured, joined, measured_from_json
from chalicelib.core.measurement import (
    PROGRAMME,
    Exposure,
    chosen_of,
    compare,
    exposures_of,
)
from chalicelib.core.orders import Amount, OrderState
from chalicelib.core.outcomes import Bought, Ledger
from chalicelib.core.policy import Policy
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.subject import customer, guest
from chalicelib.core.watched import Watched
from chalicelib.flows.chronicle import DECISIONS, from_stream
from chalicelib.flows.night import STATE, NightPorts, work_through
from chalicelib.scoring.baselines import read_baselines
from ops.places import ROOT
from tests.chronicles import BUCKET, FIRST, ports, records_event
from tests.crash.gate import FaultGate, Mode
from tests.crash.ports import GatedObjects, GatedStore
from tests.fakes import SIGNING_KEYS, MemoryObjects, MemoryStore
from tests.gate import Died
from tests.unit.core.situations import NOW, buyer, checkout
from tests.unit.core.test_engagement_conditions import policy_with
from tests.unit.core.test_exploration import recorded

TODAY = NOW // DAY_SECONDS
WINDOW = 7
LITTLE_MB = 110
OFF = {"id": "off", "share_percent": 50, "off": ["a-0"]}
POLICY = policy_with(
    {"segments": ["at_risk"], "control_share_percent": 30},
    exploration={"reward_window_days": WINDOW},
    holdout={"share_percent": 20, "salt": "s"},
    experiments=[
        {"id": "x", "salt": "x", "arms": [{"id": "as-is", "share_percent": 50}, OFF]},
    ],
)
CDNOW = read_baselines(ROOT / "model_artifacts" / "cdnow-1.0.0")
BASELINES = replace(CDNOW, model="recency-1.0.0")


def secret() -> bytes:
    """What names addresses."""
    return SIGNING_KEYS.address_secret


def name_of(day: int) -> str:
    """A day as storage names it."""
    return format_instant(day * DAY_SECONDS)[:10]


class Town:
    """Customers, their decisions, the log, and the nights."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.store, self.objects, self.policy = MemoryStore(), MemoryObjects(), policy
        self.records: list[Mapping[str, Any]] = []
        self.baselines: Baselines | None = BASELINES

    def knows(self, facts: Facts) -> None:
        """Store a profile."""
        self.store.write([Put(FACTS.key(facts.subject.key), facts, WHATEVER)], now=NOW)

    def decides(self, facts: Facts, *, day: int = TODAY, name: str = "d") -> Mapping[str, Any]:
        """A checkout at noon, stored and logged."""
        at = day * DAY_SECONDS + DAY_SECONDS // 2
        number = len(self.records)
        situation = checkout(
            decision_id=f"{name}_{number:04}", subject=facts.subject, facts=facts, as_of=at
        )
        record = recorded(situation, self.policy)
        self.records.append(record)
        self.store.write([Put(RECORD.key(situation.decision_id), record, WHATEVER)], now=NOW)
        behind = ports(self.store, self.objects)
        from_stream(records_event([record], first=FIRST + number), ports=behind, now=at)
        return record

    def night(self, after: int, *, store: Any = None, objects: Any = None) -> int:
        """The night that follows a day."""
        behind = NightPorts(
            store or self.store, objects or self.objects, BUCKET, lambda: self.baselines, secret
        )
        now = (after + 1) * DAY_SECONDS + 3 * 3600
        return work_through(ports=behind, policy=self.policy, now=now)

    def measured(self, *days: int) -> Measured:
        """What is stored of these days, joined."""
        stored = [self.store.one(MEASURED.key(name_of(day))) for day in days]
        return joined(measured_from_json(each) for each in stored if each is not None)

    def watched(self, day: int) -> Watched:
        """What is stored of a day."""
        found = self.store.one(WATCHED.key(name_of(day)))
        assert found is not None
        return found


def person(number: int, *, bought: tuple[tuple[float, int], ...] = ()) -> Facts:
    """A customer at risk, with orders so many days after noon of ``TODAY``, of so much."""
    facts = buyer(silent_days=100, subject=customer(f"c-{number}"))
    noon = TODAY * DAY_SECONDS + DAY_SECONDS // 2
    for nth, (days, minor) in enumerate(bought):
        at = noon + round(days * DAY_SECONDS)
        order = OrderState(f"later-{nth}", facts.subject.key, completed=Amount(at, minor, "USD"))
        facts = recount(facts, before=None, after=order)
    return facts


@pytest.fixture(autouse=True)
def log() -> io.StringIO:
    """What is said meanwhile."""
    stream = io.StringIO()
    telemetry.configure(stage="test", stream=stream)
    return stream


def lines(log: io.StringIO, event: str) -> Iterator[dict[str, Any]]:
    """Log lines of one event."""
    for text in log.getvalue().splitlines():
        line = json.loads(text)
        if line["event"] == event:
            yield line


def busy_town() -> Town:
    """Ninety customers decided for twice, every third of whom buys afterwards."""
    town = Town()
    for number in range(90):
        town.decides(person(number))
        town.decides(person(number))
        bought = ((1.5, 2_000 + number), (WINDOW + 1, 99)) if number % 3 == 0 else ()
        town.knows(person(number, bought=bought))
    return town


def by_the_pure_rules(town: Town, of: str) -> Any:
    """What ``core.measurement`` makes of the same records and profiles."""
    chosen = [each for record in town.records if (each := chosen_of(record)) is not None]
    bought = {
        key: [Bought(o.mark, o.at, o.amount_minor, {}) for o in facts.recent]
        for key, facts in town.store.all("facts").items()
    }
    now = NOW + 100 * DAY_SECONDS
    return compare(
        exposures_of(chosen, {}, of=of), Ledger(bought=bought), window_days=WINDOW, now=now
    )


def test_a_day_is_measured_once_its_window_has_closed() -> None:
    """The sums are those of the pure rules over the same records; before, nothing is stored."""
    town = busy_town()
    for day in range(TODAY, TODAY + WINDOW):
        assert town.night(day) == 1
        assert town.store.all("measured") == {}

    town.night(TODAY + WINDOW)

    measured = town.measured(TODAY)
    assert measured.left_out == 0
    assert measured.compared.keys() == {"action:a-0", PROGRAMME}
    for of, name in (("a-0", "action:a-0"), (PROGRAMME, PROGRAMME)):
        told, expected = measured.compared[name], by_the_pure_rules(town, of)
        for ours, theirs in zip(told, expected, strict=True):
            assert ours.events == theirs.events
            assert ours.customers > 5
            for metric, sums in ours.sums.items():
                assert tuple(sums) == pytest.approx(tuple(theirs.sums[metric]))


def test_arms_are_measured_beside_each_other() -> None:
    """Each exposed customer stands in the arm in which they were."""
    town = busy_town()
    for day in range(TODAY, TODAY + WINDOW + 1):
        town.night(day)

    arms = town.measured(TODAY).arms["x"]
    exposed = {
        record["subject"]: record["decision"]["arms"]["x"]
        for record in town.records
        if "x" in record["decision"].get("exposures", ())
    }
    assert {arm: group.customers for arm, group in arms.items()} == {
        arm: list(exposed.values()).count(arm) for arm in ("as-is", "off")
    }
    assert town.watched(TODAY).arms == {"x": {arm: group.customers for arm, group in arms.items()}}


def test_nobody_is_counted_twice() -> None:
    """Who comes back on another day was exposed before; who is new is counted on that day."""
    town = Town(POLICY.model_copy(update={"experiments": ()}))
    for number in range(20):
        town.knows(person(number))
        town.decides(person(number))
    for number in range(10, 30):
        town.knows(person(number))
        town.decides(person(number), day=TODAY + 1)
    for day in range(TODAY, TODAY + WINDOW + 2):
        town.night(day)

    first, second = (town.measured(day).compared[PROGRAMME] for day in (TODAY, TODAY + 1))
    assert sum(group.customers for group in first) == 20
    assert sum(group.customers for group in second) == 10
    both = town.measured(TODAY, TODAY + 1).compared[PROGRAMME]
    assert sum(group.customers for group in both) == 30


def test_nights_that_were_missed_are_caught_up_on() -> None:
    """One night after a pause does what each would have done, a week of days at a time."""
    nightly, late = busy_town(), busy_town()
    for day in range(TODAY, TODAY + WINDOW + 1):
        nightly.night(day)

    late.night(TODAY)
    assert late.night(TODAY + WINDOW) == 7
    assert late.night(TODAY + WINDOW) == 0

    assert late.measured(TODAY) == nightly.measured(TODAY)
    assert late.store.all("watched").keys() == nightly.store.all("watched").keys()


def test_who_was_erased_is_left_out_and_who_has_no_profile_bought_nothing() -> None:
    """The way from an exposure to a person ends at a record without its person."""
    town = Town()
    record = town.decides(person(1))
    town.decides(person(2))
    gone = erased_record(record, pseudonym="x#1", at=NOW)
    town.store.write([Put(RECORD.key(record["decision_id"]), gone, WHATEVER)], now=NOW)
    for day in range(TODAY, TODAY + WINDOW + 1):
        town.night(day)

    measured = town.measured(TODAY)
    [of_two] = [each for each in measured.compared[PROGRAMME] if each.customers]
    assert (of_two.customers, of_two.events["conversion"]) == (1, 0)
    # For the action, for the programme, and for the experiment unless in the holdout.
    assert measured.left_out in (2, 3)


def test_a_guests_order_counts_under_the_customer_they_turned_out_to_be() -> None:
    """Decided for as a guest and as a customer on one day: one person, whose order counts once."""
    town = Town()
    known = person(1, bought=((2.0, 500),))
    anonymous = replace(buyer(silent_days=100, subject=guest("g-1")), merged_into=None)
    town.decides(anonymous)
    town.decides(person(1))
    town.knows(replace(anonymous, merged_into="c-1"))
    town.knows(known)
    for day in range(TODAY, TODAY + WINDOW + 1):
        town.night(day)

    groups = town.measured(TODAY).compared[PROGRAMME]
    assert sum(group.customers for group in groups) == 1
    assert sum(group.events["conversion"] for group in groups) == 1


def test_what_comes_twice_in_the_log_counts_once() -> None:
    """A batch that was cut differently the second time leaves its lines in two objects."""
    town = Town()
    town.knows(person(1))
    record = town.decides(person(1))
    behind = ports(town.store, town.objects)
    from_stream(records_event([record], first=FIRST + 500), ports=behind, now=NOW)

    town.night(TODAY)

    assert town.watched(TODAY).decisions == 1


def test_a_quiet_day_is_a_day() -> None:
    """No object at all: zeros are stored, and the next night goes on from there."""
    town = Town()

    assert town.night(TODAY) == 1

    assert town.watched(TODAY) == Watched(
        unknown_customers=0,
        model=BASELINES.model,
        stated={"x": {"as-is": 0.5, "off": 0.5}},
        figures=town.watched(TODAY).figures,
    )
    assert town.store.one(NIGHT_KEY) == {"through": name_of(TODAY)}


def test_without_a_model_nothing_is_said_of_drift() -> None:
    """It was refused and the scorecard serves: decisions are counted all the same."""
    town = Town()
    town.baselines = None
    town.decides(person(1))

    town.night(TODAY)

    assert (town.watched(TODAY).model, town.watched(TODAY).figures) == (None, {})
    assert town.watched(TODAY).decisions == 1


def test_customers_are_counted_in_the_bins_of_the_model() -> None:
    """Each scored customer once, as they were last; the newest sign of life is told."""
    town = Town()
    for number in range(3):
        for _ in range(2):
            town.decides(replace(person(number), last_seen_at=Instant(NOW - number)))

    town.night(TODAY)

    watched = town.watched(TODAY)
    assert (watched.decisions, watched.customers, watched.unknown, watched.fallback) == (6, 3, 0, 0)
    assert watched.newest_at == NOW
    assert watched.segments == {"at_risk": 3}
    assert {name: sum(counts) for name, counts in watched.figures.items()} == {
        **dict.fromkeys(BASELINES.features, 3),
        "churn": 3,
    }
    deciles = BASELINES.features["recency_days"].deciles
    assert deciles is not None
    place = sum(decile < 100.5 for decile in deciles) + 1
    assert watched.figures["recency_days"][place] == 3


def test_an_arm_that_does_not_fill_rings(log: io.StringIO) -> None:
    """Everybody in one arm although the policy deals them half and half."""
    town = Town()
    record = town.decides(person(1))
    behind = ports(town.store, town.objects)
    told = []
    for number in range(400):
        decision = {**record["decision"], "arms": {"x": "off"}, "exposures": ["x"]}
        told.append(
            {
                **record,
                "decision_id": f"e_{number}",
                "subject": f"c#e-{number}",
                "decision": decision,
            }
        )
    from_stream(records_event(told, first=FIRST + 1_000), ports=behind, now=NOW)

    town.night(TODAY)

    [line] = lines(log, "day_watched")
    assert line["SampleRatioMismatch"] == 1
    assert line["experiment"] == ["x"]
    assert line["ModelDrift"] == 0


def test_what_waits_names_nobody() -> None:
    """The files for the next night hold decisions and numbers, and no pseudonym of the log's."""
    town = busy_town()
    town.night(TODAY)

    keys = [key for key in town.objects.keys(BUCKET) if key.startswith(STATE)]
    assert [key.rpartition("/")[2] for key in keys] == [
        "followed.parquet",
        "marks.parquet",
        "pending.parquet",
    ]
    for key in keys:
        body = town.objects.body(BUCKET, key)
        assert b"c#" not in body
        assert b"subject" not in body


@pytest.mark.parametrize("mode", ["crash", "lost", "error"])
def test_whatever_call_breaks_the_night_is_as_if_nothing_had(mode: Mode) -> None:
    """Every call of the night that measures breaks in turn, and the message comes again."""

    def a_town() -> Town:
        town = Town()
        town.baselines = replace(BASELINES, horizon_days=WINDOW)
        return town

    def until_then() -> Town:
        town = a_town()
        for number in range(12):
            town.knows(person(number, bought=((1.0, 700),)))
            town.decides(person(number))
        for day in range(TODAY, TODAY + WINDOW):
            town.night(day)
        return town

    whole = until_then()
    whole.night(TODAY + WINDOW)
    assert whole.store.all("calibrated")
    begun = until_then()
    gate = FaultGate()
    again = a_town()
    again.store, again.objects = begun.store.copy(), begun.objects
    again.night(TODAY + WINDOW, store=GatedStore(gate, again.store),
                objects=GatedObjects(gate, again.objects))  # fmt: skip
    assert len(gate.passed) >= 12

    for broken in range(1, len(gate.passed) + 1):
        gate = FaultGate({broken: mode})
        town = a_town()
        town.store, town.objects = begun.store.copy(), begun.objects
        store, objects = GatedStore(gate, town.store), GatedObjects(gate, town.objects)
        try:
            town.night(TODAY + WINDOW, store=store, objects=objects)
        except (Died, Transient):
            town.night(TODAY + WINDOW, store=store, objects=objects)
        for kind in ("measured", "watched", "night", "calibrated"):
            assert town.store.all(kind) == whole.store.all(kind), (broken, kind)


def test_pure_rules_hold_exposures_as_the_log_does() -> None:
    """The oracle of these tests is not empty: some are treated, some are kept from it."""
    chosen = [each for record in busy_town().records if (each := chosen_of(record)) is not None]
    found: list[Exposure] = exposures_of(chosen, {}, of="a-0")
    assert {each.control for each in found} == {True, False}


def test_a_big_day_fits_into_little_memory() -> None:
    """Eighty thousand decisions in a fraction of what they would take: the rest is on disk."""
    town = Town()
    record = town.decides(person(1))
    line = line_of(record, secret=b"s" * 32, currency="USD")
    assert line is not None
    people, each = 40_000, 500
    for start in range(0, 2 * people, each):
        numbers = range(start, start + each)
        told = [{**line, "decision_id": f"e_{n}", "subject": f"{n % people:032x}"} for n in numbers]
        body = gzip.compress(b"".join(canonical_json(one) + b"\n" for one in told))
        key = f"{DECISIONS}/date={name_of(TODAY)}/{start:06}.jsonl.gz"
        town.objects.arrive(BUCKET, key=key, body=body)
    now = (TODAY + 1) * DAY_SECONDS + 3 * 3600
    behind = NightPorts(
        town.store,
        town.objects,
        BUCKET,
        lambda: town.baselines,
        secret,
        memory_mb=LITTLE_MB,
    )

    work_through(ports=behind, policy=POLICY, now=now)

    watched = town.watched(TODAY)
    assert (watched.decisions, watched.customers) == (2 * people + 1, people + 1)
    assert sum(watched.segments.values()) == people + 1


def test_every_write_of_a_night_says_what_it_writes_over() -> None:
    """Without a condition it would be an update, which the function may not make."""

    class Watching(MemoryStore):
        def write(self, writes: Any, **options: Any) -> None:
            """Refuse what has no condition."""
            assert not [each for each in writes if each.condition == WHATEVER]
            super().write(writes, **options)

    town = Town()
    record = town.decides(person(1))
    watching = Watching()
    for day in range(TODAY, TODAY + WINDOW + 1):
        watching._rows.update(town.store._rows)
        town.night(day, store=watching)

    assert record["decision_id"]
    assert watching.all("measured")
