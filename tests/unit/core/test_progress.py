"""What is said of a drop that is being worked on: how far, how fast, how long still."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.core.control import Drop
from chalicelib.core.progress import SILENT_SECONDS, Progress, progress_of

NOW = 1_795_000_000
FOLDING = Drop(
    "d-1",
    "orders/a.csv",
    "RUNNING",
    as_of=NOW,
    started_at=NOW - 90,
    changed_at=NOW,
    counts={"records": 1_000, "folded": 300, "duplicate": 60, "rejected": 50},
    phase="folding",
    phase_at=NOW - 40,
    phase_from=10,
)


def at(**changes: Any) -> Progress:
    """The progress of a drop that differs so, now."""
    progress = progress_of(replace(FOLDING, **changes), now=NOW)
    assert progress is not None
    return progress


def test_a_drop_in_the_middle() -> None:
    """410 of 1,000 are done, 400 of them in the 40 s of this phase: 590 take 59 s more."""
    assert at() == Progress("folding", 1_000, 410, 50, per_second=10.0, seconds_left=59)


def test_what_was_rejected_while_reading_makes_no_pace() -> None:
    """Half a file of broken rows is done with at once, and says nothing of the other half."""
    begun = at(counts={"records": 1_000, "rejected": 500}, phase_from=500)

    assert (begun.done, begun.per_second, begun.seconds_left) == (500, None, None)


@pytest.mark.parametrize("phase", [None, "fetching", "reading", "finishing"])
def test_where_records_are_not_done_one_by_one_there_is_no_pace(phase: Any) -> None:
    """Nobody knows how long a file takes to come, or to be read."""
    assert (at(phase=phase).per_second, at(phase=phase).seconds_left) == (None, None)


@pytest.mark.parametrize("changes", [{"phase_at": NOW}, {"phase_at": None}, {"phase_at": NOW + 9}])
def test_before_a_second_has_passed_there_is_no_pace(changes: dict[str, Any]) -> None:
    """Nothing is divided by nothing, whatever clocks say."""
    assert at(**changes).per_second is None


def test_a_file_that_was_not_read_yet_has_no_number_of_records() -> None:
    """Unknown is null, and not zero."""
    assert at(counts={}, phase="reading") == Progress("reading", None, 0, 0, None, None)


def test_the_time_left_runs_on_between_two_saves() -> None:
    """Whoever looks ten seconds later reads ten seconds less, and never less than none."""
    drop = replace(FOLDING, changed_at=NOW)

    left = [progress_of(drop, now=NOW + later) for later in (0, 10, 100)]

    assert [each.seconds_left for each in left if each is not None] == [59, 49, 0]


def test_a_silent_worker_has_no_pace() -> None:
    """Dead workers promise nothing; what they had done is still said."""
    silent = progress_of(FOLDING, now=NOW + SILENT_SECONDS + 1)

    assert silent == Progress("folding", 1_000, 410, 50, None, None)


DIVIDED = {"records": 1_000, "folded": 400, "ranges": 20, "ranges_done": 20, "partitions": 8}


def test_a_file_in_parts_is_folded_by_partitions() -> None:
    """All records are known by then, and say how long is left."""
    folding = at(counts={**DIVIDED, "partitions_done": 3}, phase_from=0)

    assert (folding.parts, folding.parts_done) == (8, 3)
    assert (folding.per_second, folding.seconds_left) == (10.0, 60)


def test_a_file_in_parts_is_scored_by_ranges() -> None:
    """Records become known with each range, so that ranges say how long is left: 15 of 20."""
    counts = {"records": 500, "folded": 500, "ranges": 20, "ranges_done": 5}

    scoring = at(counts=counts, phase="scoring", phase_from=0)

    assert (scoring.parts, scoring.parts_done) == (20, 5)
    assert (scoring.per_second, scoring.seconds_left) == (12.5, 120)


def test_while_ranges_are_read_nobody_knows_how_long_the_folding_takes() -> None:
    """The parts are told, and no time."""
    reading = at(counts={**DIVIDED, "ranges_done": 4}, phase="reading", phase_from=0)

    assert (reading.parts, reading.parts_done) == (20, 4)
    assert (reading.per_second, reading.seconds_left) == (None, None)


def test_a_part_may_be_silent_for_as_long_as_it_has() -> None:
    """It is heard of when it is done."""
    drop = replace(FOLDING, counts={**DIVIDED, "partitions_done": 3}, phase_from=0)

    told = [progress_of(drop, now=NOW + later) for later in (0, 50, 900, 901)]

    assert [each.per_second for each in told if each is not None] == [10.0, 10.0, 10.0, None]
    assert [each.seconds_left for each in told if each is not None] == [60, 10, 0, None]


@pytest.mark.parametrize("state", ["COMPLETE", "REJECTED"])
def test_what_has_ended_has_no_progress(state: Any) -> None:
    """Its counts say all."""
    assert progress_of(replace(FOLDING, state=state), now=NOW) is None


@given(
    counts=st.dictionaries(
        st.sampled_from(
            [
                "records",
                "folded",
                "duplicate",
                "rejected",
                "ranges",
                "ranges_done",
                "partitions",
                "partitions_done",
            ]
        ),
        st.integers(0, 10**9),
    ),
    phase=st.sampled_from(["fetching", "reading", "folding", "scoring", "finishing", None]),
    phase_at=st.integers(NOW - 10**6, NOW + 10),
    phase_from=st.integers(0, 10**9),
    later=st.integers(-5, 10**5),
)
def test_whatever_stands_there_it_is_never_absurd(
    counts: dict[str, int], phase: Any, phase_at: int, phase_from: int, later: int
) -> None:
    """No negative time, no pace below zero, and parts that are done only where there are parts."""
    drop = replace(FOLDING, counts=counts, phase=phase, phase_at=phase_at, phase_from=phase_from)

    progress = progress_of(drop, now=NOW + later)

    assert progress is not None
    assert progress.per_second is None or progress.per_second > 0
    assert progress.seconds_left is None or progress.seconds_left >= 0
    assert (progress.parts is None) == (progress.parts_done is None)
