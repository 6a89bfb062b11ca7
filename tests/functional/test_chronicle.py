"""The decision log and the counts of the hour: what is written, once, and what is never in it."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib import telemetry
from chalicelib.core.canonical import canonical_json, short_hash
from chalicelib.core.effects import Effect
from chalicelib.core.errors import Transient
from chalicelib.core.instants import DAY_SECONDS, format_instant
from chalicelib.core.kinds import ROLLUP
from chalicelib.core.log_line import COLUMNS, logged_as
from chalicelib.core.rollup import Rollup, hour_of, name_of, names_of_day, total
from chalicelib.core.situation import Context
from chalicelib.core.storage import Conflict, Put
from chalicelib.core.subject import customer
from chalicelib.core.tombstones import subject_hash
from chalicelib.flows.chronicle import from_stream
from tests.chronicles import BUCKET, FIRST, effects_event, logged, ports, records_event
from tests.crash.gate import FaultGate, Mode
from tests.crash.ports import GatedObjects, GatedStore
from tests.fakes import SIGNING_KEYS, MemoryObjects, MemoryStore
from tests.gate import Died
from tests.unit.core.situations import NOW, buyer, checkout, default_policy
from tests.unit.core.test_exploration import recorded

HOUR = name_of(hour_of(NOW), "decisions")
TODAY, YESTERDAY = (format_instant(NOW - back)[:10] for back in (0, DAY_SECONDS))
POLICY = default_policy()
DONE: dict[str, list[Any]] = {"batchItemFailures": []}


@pytest.fixture(autouse=True)
def log() -> io.StringIO:
    """What is said meanwhile."""
    stream = io.StringIO()
    telemetry.configure(stage="test", stream=stream)
    return stream


def record(number: int = 1, *, at: int = NOW, **changes: Any) -> dict[str, Any]:
    """The record of a checkout by a customer of their own."""
    subject = customer(f"c-{number}")
    facts = buyer(silent_days=100, subject=subject)
    situation = checkout(
        decision_id=f"d_{number}", subject=subject, facts=facts, as_of=at, **changes
    )
    return recorded(situation, POLICY)


class Shelf:
    """Store and bucket, and the flow between them."""

    def __init__(self) -> None:
        self.store, self.objects = MemoryStore(), MemoryObjects()

    def take(self, event: Any) -> Any:
        """Let the flow take one batch."""
        return from_stream(event, ports=ports(self.store, self.objects), now=NOW)

    @property
    def counts(self) -> dict[str, int]:
        """What was counted in the hour of ``NOW``."""
        keys = [ROLLUP.key(name) for name in names_of_day(TODAY) if name.startswith(HOUR[:13])]
        found = self.store.read(keys, now=NOW)
        return dict(total(rollup for key in keys if (rollup := found.value(key)) is not None))


def named(date: str, decision_id: str) -> str:
    """The object of a batch of ``FIRST`` whose first line of that date is this decision's."""
    return f"log/decisions/date={date}/{FIRST}-{short_hash(decision_id, digits=8)}.jsonl.gz"


@pytest.fixture
def shelf() -> Shelf:
    """Nothing logged, nothing counted."""
    return Shelf()


def test_each_decision_is_one_line(shelf: Shelf) -> None:
    """In the object that the first record names, by the date of the decision; whole lines."""
    assert shelf.take(records_event([record(1), record(2)])) == DONE

    assert shelf.objects.keys(BUCKET) == [named(TODAY, "d_1")]
    lines = logged(shelf.objects)
    assert [line["decision_id"] for line in lines] == ["d_1", "d_2"]
    for line in lines:
        assert set(line) == set(COLUMNS)
        assert (line["segment"], line["model"]) == ("at_risk", "recency-1.0.0")
        assert line["at"] == format_instant(NOW)
        assert (line["recency_days"], line["frequency"]) == (100.0, 3.0)
        assert line["measured_action"] == "winback-10"
        assert line["kept"] is False


def test_decisions_of_two_days_are_two_objects(shelf: Shelf) -> None:
    """A batch around midnight is split by the date of the decision."""
    shelf.take(records_event([record(1), record(2, at=NOW - DAY_SECONDS)]))

    assert shelf.objects.keys(BUCKET) == [named(YESTERDAY, "d_2"), named(TODAY, "d_1")]


def test_two_shards_that_number_alike_do_not_overwrite_each_other(shelf: Shelf) -> None:
    """Nothing says that numbers differ between shards."""
    shelf.take(records_event([record(1)]))
    shelf.take(records_event([record(2)]))

    assert {line["decision_id"] for line in logged(shelf.objects)} == {"d_1", "d_2"}


def test_a_batch_that_comes_again_writes_the_same_and_counts_nothing(shelf: Shelf) -> None:
    """The same object with the same bytes, and the hour as it was."""
    event = records_event([record(n) for n in range(5)])
    shelf.take(event)
    before = [shelf.objects.body(BUCKET, key) for key in shelf.objects.keys(BUCKET)]
    counts = shelf.counts

    shelf.take(event)

    assert [shelf.objects.body(BUCKET, key) for key in shelf.objects.keys(BUCKET)] == before
    assert shelf.counts == counts
    assert counts["decisions|checkout|at_risk"] == 5


def test_a_batch_that_comes_again_with_more_counts_what_is_more(shelf: Shelf) -> None:
    """Its object is replaced by the longer one."""
    shelf.take(records_event([record(n) for n in range(2)]))
    shelf.take(records_event([record(n) for n in range(5)]))

    assert shelf.counts["decisions|checkout|at_risk"] == 5
    assert len(logged(shelf.objects)) == 5


def test_counts_are_by_what_a_console_shows(shelf: Shelf) -> None:
    """Placement and segment, what was chosen and issued, and why the others were not."""
    shelf.take(records_event([record(1)]))
    shelf.take(effects_event([Effect("e" * 32, "mail", "winback-10", "c#1", "d", "r", NOW)]))

    told = shelf.counts
    assert told["decisions|checkout|at_risk"] == 1
    assert told["chosen|winback-10"] == told["issued|winback-10"] == 1
    assert told["planned|mail"] == 1
    reasons = [name for name in told if name.startswith("rejected|")]
    assert reasons
    assert all(len(name.split("|")) == 4 for name in reasons)
    assert "unknown" not in told


def test_two_shards_count_the_same_hour(shelf: Shelf) -> None:
    """Whoever loses the race reads again and adds; neither count is lost."""

    def meanwhile() -> None:
        shelf.take(records_event([record(2)], first=FIRST + 1_000))

    shelf.store.before_write = meanwhile
    shelf.take(records_event([record(1)]))

    assert shelf.counts["decisions|checkout|at_risk"] == 2


def test_a_race_without_end_is_left_to_the_stream(shelf: Shelf) -> None:
    """Transient: the batch comes again as a whole."""
    lost = Conflict([Put(ROLLUP.key(HOUR), Rollup())])
    shelf.store.fail_writes(*[lost] * 8)

    with pytest.raises(Transient):
        shelf.take(records_event([record(1)]))


def test_what_nobody_can_read_is_named_and_holds_up_nothing(shelf: Shelf, log: io.StringIO) -> None:
    """A damaged body: its neighbours are logged and counted, and the line names the record."""
    event = records_event([record(1), record(2)])
    event["Records"][0]["dynamodb"]["NewImage"]["body"] = {"B": "AAAA"}

    assert shelf.take(event) == DONE

    assert [line["decision_id"] for line in logged(shelf.objects)] == ["d_2"]
    [said] = [json.loads(x) for x in log.getvalue().splitlines() if "record_unreadable" in x]
    assert said["event_id"] == str(FIRST)


def test_changes_and_neighbours_pass_by(shelf: Shelf) -> None:
    """An erasure rewrites a record: no line and no count; nor for anything else that is stored."""
    changed, other = records_event([record(1), record(2)])["Records"]
    changed["eventName"] = "MODIFY"
    other["dynamodb"]["Keys"]["sk"] = {"S": "session"}

    assert shelf.take({"Records": [changed, other]}) == DONE

    assert shelf.objects.keys(BUCKET) == []
    assert shelf.store.calls == []


def test_the_log_holds_a_pseudonym_and_no_word_of_a_person(shelf: Shelf) -> None:
    """No id, session, supplied feature or code; and another name than a tombstone's."""
    words = ("PERSON", "SESSION", "SUPPLIED", "ZONE")
    subject = customer("PERSON")
    situation = checkout(
        subject=subject,
        facts=buyer(silent_days=100, subject=subject),
        supplied={"SUPPLIED": "SUPPLIED"},
        context=Context(
            country="US", region="TX", currency="USD", session_id="SESSION", time_zone="ZONE"
        ),
    )
    told = recorded(situation, POLICY)

    shelf.take(records_event([told]))

    [key] = shelf.objects.keys(BUCKET)
    text = gzip.decompress(shelf.objects.body(BUCKET, key)).decode()
    stored = canonical_json(told).decode()
    assert [word for word in words if word not in stored] == []
    assert [word for word in words if word in text] == []
    assert told["decision"]["offers"][0]["code"] not in text
    [line] = logged(shelf.objects)
    secret = SIGNING_KEYS.address_secret
    assert line["subject"] == logged_as(subject.key, secret=secret)
    assert line["subject"] != subject_hash(subject.key, secret=secret)[:32]
    assert "PERSON" not in shelf.store.dump()


def test_an_opt_out_leaves_no_feature(shelf: Shelf) -> None:
    """What the model may not read is not logged either."""
    context = Context(country="US", region="TX", currency="USD", gpc=True)
    shelf.take(records_event([record(1, context=context)]))

    [line] = logged(shelf.objects)
    assert line["fallback"] is True
    assert {line[name] for name in ("recency_days", "frequency", "last_seen_at")} == {None}


def _gated(gate: FaultGate, shelf: Shelf) -> Callable[[Any], Any]:
    behind = ports(GatedStore(gate, shelf.store), GatedObjects(gate, shelf.objects))
    return lambda event: from_stream(event, ports=behind, now=NOW)


@pytest.mark.parametrize("mode", ["crash", "lost", "error"])
def test_whatever_call_breaks_each_decision_counts_once(mode: Mode) -> None:
    """Every call of two batches breaks in turn; delivered again, all is as if nothing had."""
    batches = [
        records_event([record(1), record(2, at=NOW - 7200)]),
        records_event([record(3)], first=FIRST + 10),
    ]
    whole = Shelf()
    for each in batches:
        whole.take(each)
    calls = 2 * 2 + 1 + 2 + 1  # two hours and one, each read and written, and an object each

    for broken in range(1, calls + 1):
        shelf, gate = Shelf(), FaultGate({broken: mode})
        take = _gated(gate, shelf)
        for each in batches:
            try:
                take(each)
            except (Died, Transient):
                take(each)
        assert len(gate.passed) > calls
        assert logged(shelf.objects) == logged(whole.objects)
        assert shelf.store.all("rollup") == whole.store.all("rollup")
    assert whole.counts["decisions|checkout|at_risk"] == 2
