"""A night counts segments: each once, whatever breaks, and none that nobody is in any more."""

from __future__ import annotations

import io
from typing import Any

import pytest

from chalicelib import telemetry
from chalicelib.core.errors import Transient
from chalicelib.core.facts import Facts
from chalicelib.core.groups import SHARDS
from chalicelib.core.instants import DAY_SECONDS
from chalicelib.core.kinds import FACTS, SIZES
from chalicelib.core.segment_sizes import KEPT_SECONDS, Sizes, day_of, days_until, to_be_counted
from chalicelib.core.storage import WHATEVER, Delete, Put
from chalicelib.core.subject import Subject, customer, guest
from chalicelib.flows.night_sizes import PAST_NIGHTS, count_segments
from tests.crash.gate import FaultGate, Mode
from tests.crash.ports import GatedStore
from tests.fakes import MemoryStore
from tests.gate import Died
from tests.unit.core.situations import NOW

SEGMENTS = ("loyal", "at_risk", "new")
TONIGHT = SIZES.key(day_of(NOW))


@pytest.fixture(autouse=True)
def log() -> io.StringIO:
    """What is said meanwhile."""
    stream = io.StringIO()
    telemetry.configure(stage="test", stream=stream)
    return stream


@pytest.fixture
def store() -> MemoryStore:
    """Forty loyal customers, a guest at risk, and somebody of no segment."""
    store = MemoryStore()
    for number in range(40):
        put_in(store, customer(f"c-{number}"), "loyal")
    put_in(store, guest("g-1"), "at_risk")
    put_in(store, customer("c-none"), None)
    return store


def put_in(store: MemoryStore, subject: Subject, segment: str | None) -> None:
    """Let somebody be in a segment."""
    put = Put(FACTS.key(subject.key), Facts(subject, segment=segment), WHATEVER)
    store.write([put], now=NOW)


def counted(store: Any, *, now: int = NOW, segments: tuple[str, ...] = SEGMENTS) -> Sizes:
    """What a night counts."""
    return count_segments(store=store, segments=segments, now=now)


def test_every_segment_is_counted_once_a_night(store: MemoryStore, log: io.StringIO) -> None:
    """Nobody's as well; what was counted stands, and a second message counts nothing again."""
    assert counted(store) == Sizes(NOW, {"loyal": 40, "at_risk": 1, "new": 0}, is_whole=True)
    assert store.one(TONIGHT) == Sizes(NOW, {"loyal": 40, "at_risk": 1, "new": 0}, is_whole=True)
    asked = store.count("count_group")
    assert asked == len(SEGMENTS) * SHARDS

    put_in(store, customer("c-late"), "new")
    again = counted(store, now=NOW + 60)

    assert (again.at, again.counts["new"]) == (NOW, 0)
    assert store.count("count_group") == asked
    assert '"customers":41' in log.getvalue()


def test_another_night_counts_anew(store: MemoryStore) -> None:
    """Who was erased or has left the segment is not counted any more."""
    counted(store)
    store.write([Delete(FACTS.key(customer("c-0").key), WHATEVER)], now=NOW)
    put_in(store, customer("c-1"), "at_risk")

    tomorrow = counted(store, now=NOW + DAY_SECONDS)

    assert tomorrow.counts == {"loyal": 38, "at_risk": 2, "new": 0}
    assert store.one(TONIGHT) == Sizes(NOW, {"loyal": 40, "at_risk": 1, "new": 0}, is_whole=True)


def test_segments_of_an_earlier_model_are_counted_until_nobody_is_in_them() -> None:
    """A profile keeps its name until it is looked at again."""
    store = MemoryStore()
    put_in(store, customer("c-1"), "old")
    counted(store, segments=("old",))

    assert counted(store, now=NOW + DAY_SECONDS).counts["old"] == 1
    put_in(store, customer("c-1"), "loyal")
    assert counted(store, now=NOW + 2 * DAY_SECONDS).counts["old"] == 0
    late = NOW + (2 + PAST_NIGHTS) * DAY_SECONDS
    assert "old" not in counted(store, now=late).counts


@pytest.mark.parametrize("mode", ["crash", "error", "lost"])
def test_a_night_that_breaks_at_any_call_goes_on_behind_what_it_counted(
    store: MemoryStore, mode: Mode
) -> None:
    """Each call in turn dies, fails, or loses its reply; the next run finds the same sizes."""
    whole = counted(store.copy())
    place = 0
    while True:
        place += 1
        broken, gate = store.copy(), FaultGate({place: mode})
        try:
            assert counted(GatedStore(gate, broken)) == whole
            break
        except (Died, Transient):
            pass
        begun = broken.one(TONIGHT)
        done = 0 if begun is None else len(begun.counts)
        assert begun is None or begun.is_whole == (done == len(SEGMENTS))
        broken.calls.clear()

        assert counted(broken) == whole
        assert broken.count("count_group") == (len(SEGMENTS) - done) * SHARDS
    assert place > len(SEGMENTS) * SHARDS


def test_two_runs_at_once_do_not_write_over_each_other(store: MemoryStore) -> None:
    """The later one loses its write, and finds everything counted when it comes again."""
    store.before_write = lambda: _count(store)

    with pytest.raises(Transient):
        counted(store)

    assert counted(store).counts == {"loyal": 40, "at_risk": 1, "new": 0}


def _count(store: MemoryStore) -> None:
    counted(store)


def test_nights_are_named_by_their_day_and_kept_for_400() -> None:
    """Oldest first; the one of the moment last."""
    assert KEPT_SECONDS == 400 * DAY_SECONDS
    assert days_until(852_076_800, days=3) == ["1996-12-30", "1996-12-31", "1997-01-01"]
    assert to_be_counted(("a",), [Sizes(NOW, {"b": 1, "c": 0, "a": 5})]) == ["a", "b"]
