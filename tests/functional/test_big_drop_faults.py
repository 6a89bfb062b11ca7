"""Parts of a big file that die, are repeated or fail for good: nothing is lost, nothing doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from chalicelib.core.control import Drop
from chalicelib.core.errors import Broken, Transient
from chalicelib.flows.drop_notice import Arrived
from tests.big_drops import BigTeam
from tests.drops import DROPS, RESULTS, DataTeam, notification
from tests.functional.test_big_drop import KINDS, by_customer, orders, table
from tests.gate import Died

KEY = "orders/a.csv"
TEXT = orders(60)
ABOVE_BYTES = 2_000  # four parts of each kind


def team() -> BigTeam:
    """A team whose file is a big one."""
    return BigTeam(above_bytes=ABOVE_BYTES)


@pytest.fixture(scope="module")
def undivided() -> tuple[DataTeam, Drop]:
    """What the same file comes to in one piece."""
    plain = DataTeam()
    return plain, plain.drop(KEY, TEXT)


def check_same(team: BigTeam, found: Drop, undivided: tuple[DataTeam, Drop]) -> None:
    """Everything that is stored and left behind is what it is of an undivided file."""
    plain, expected = undivided
    assert found.state == "COMPLETE"
    assert {name: found.counts[name] for name in expected.counts} == expected.counts
    for kind in KINDS:
        assert team.store.all(kind) == plain.store.all(kind), kind
    assert by_customer(team.rows(found, "scores/")) == table(plain, expected, "scores.csv")
    assert by_customer(team.rows(found, "unscored/")) == table(plain, expected, "unscored.csv")
    assert team.result(found, "rejects.csv") == plain.result(expected, "rejects.csv")


def dying(task: str, number: int, *, times: int) -> Callable[[Mapping[str, Any]], None]:
    """Dies when it is given this part, so many times."""
    left = Counter({(task, number): times})

    def before(event: Mapping[str, Any]) -> None:
        which = (event["task"], event.get("number", 0))
        if left[which]:
            left[which] -= 1
            raise Died

    return before


def failing(task: str, number: int, error: Exception) -> Callable[[Mapping[str, Any]], None]:
    """Raises this whenever it is given this part."""

    def before(event: Mapping[str, Any]) -> None:
        if (event["task"], event.get("number", 0)) == (task, number):
            raise error

    return before


@pytest.mark.parametrize(
    ("task", "number"),
    [("plan", 0), ("part", 2), ("join", 0), ("contest", 1), ("partition", 3), ("finish", 0)],
)
def test_a_part_that_dies_three_times_is_worked_on_again(
    task: str, number: int, undivided: tuple[DataTeam, Drop]
) -> None:
    """The engine tries it a fourth time, and nothing shows of it."""
    big = team()
    big.before = dying(task, number, times=3)

    found = big.finish(big.put(KEY, TEXT))

    check_same(big, found, undivided)


@pytest.mark.parametrize(
    ("task", "number", "failed", "folds"),
    [
        ("part", 2, ["range 2"], False),
        ("contest", 1, ["contest 1"], False),
        ("partition", 3, ["partition 3"], True),
    ],
)
def test_a_part_that_fails_for_good_is_named_and_redriven(
    task: str, number: int, failed: list[str], folds: bool, undivided: tuple[DataTeam, Drop]
) -> None:
    """PARTIAL says which, nothing of a range that others wait for counts, and a redrive ends it."""
    big = team()
    arrived = big.put(KEY, TEXT)
    big.before = failing(task, number, Broken("poisoned"))
    partial = big.finish(arrived)

    assert (partial.state, partial.failed_parts[: len(failed)]) == ("PARTIAL", tuple(failed))
    assert partial.reason is not None
    assert f"redrive-drop {arrived.drop_id}" in partial.reason
    assert bool(big.store.all("order")) == folds
    assert big.summary(partial)["missing"][f"{failed[0].split()[0]}s"] == [number]
    assert f"results/{arrived.drop_id}/manifest.json" not in big.results()

    big.before = lambda _event: None
    big.engine.ran.clear()
    assert redriven(big, arrived, 2) is None
    check_same(big, big.known(arrived), undivided)
    if task == "partition":
        assert (big.engine.ran["Range"], big.engine.ran["Partition"]) == (1, 1)


def redriven(big: BigTeam, arrived: Arrived, go: int) -> str | None:
    """Another execution for the same drop; how it failed."""
    name = f"{arrived.drop_id}-{go}"
    assert big.engine.start(name, given=big.engine.names[arrived.drop_id])
    return big.engine.run(name)


def test_a_partial_drop_fails_its_execution() -> None:
    """So that somebody is told: an alarm counts executions that failed."""
    big = team()
    big.before = failing("part", 1, Broken("poisoned"))
    arrived = big.put(KEY, TEXT)
    big.handle(arrived)

    assert big.engine.run(arrived.drop_id) == "PartialDrop"


def test_a_file_that_cannot_be_planned_is_left_partial(undivided: tuple[DataTeam, Drop]) -> None:
    """Storage that does not answer says nothing against the file; a redrive plans it."""
    big = team()
    big.before = failing("plan", 0, Transient("not now"))
    arrived = big.put(KEY, TEXT)
    partial = big.finish(arrived)

    assert partial.state == "PARTIAL"
    assert partial.reason is not None
    assert partial.reason.startswith("the file could not be divided")
    assert big.engine.ran["Plan"] == 4
    big.before = lambda _event: None
    redriven(big, arrived, 2)
    check_same(big, big.known(arrived), undivided)


def test_a_drop_whose_end_fails_is_taken_up(undivided: tuple[DataTeam, Drop]) -> None:
    """It stays RUNNING and its execution fails; a redrive finds all parts done and ends it."""
    big = team()
    big.before = failing("finish", 0, Transient("not now"))
    arrived = big.put(KEY, TEXT)
    big.handle(arrived)

    assert big.engine.run(arrived.drop_id) == "Transient"
    assert big.known(arrived).state == "RUNNING"
    big.before = lambda _event: None
    assert redriven(big, arrived, 2) is None
    check_same(big, big.known(arrived), undivided)


def test_a_redelivered_event_starts_nothing(undivided: tuple[DataTeam, Drop]) -> None:
    """Neither before the execution ran, nor while it was PARTIAL, nor after it was COMPLETE."""
    big = team()
    arrived = big.put(KEY, TEXT)
    message = {"Records": [notification(arrived)]}
    assert big.deliver(message, message) == []
    assert list(big.engine.names) == [arrived.drop_id]
    big.before = failing("partition", 1, Broken("poisoned"))
    big.engine.run(arrived.drop_id)
    big.before = lambda _event: None

    assert big.deliver(message) == []
    assert big.known(arrived).state == "PARTIAL"
    redriven(big, arrived, 2)
    writes = big.store.count("write")
    assert big.deliver(message) == []

    assert big.store.count("write") == writes
    assert len(big.engine.names) == 2
    check_same(big, big.known(arrived), undivided)


def test_an_execution_that_could_not_be_started_is_started_by_the_next_delivery() -> None:
    """The message comes again, finds the drop RUNNING, and starts what it is named by."""
    big = team()
    arrived = big.put(KEY, TEXT)
    big.engine.refusals.append(Transient("not now"))
    message = {"Records": [notification(arrived)]}
    assert big.deliver(message) == ["m-0"]
    assert big.known(arrived).state == "RUNNING"

    assert big.deliver(message) == []
    assert list(big.engine.names) == [arrived.drop_id]


def test_every_task_twice_in_any_order_changes_nothing(undivided: tuple[DataTeam, Drop]) -> None:
    """Each task is called twice, and the parts of each map from the last to the first."""
    big = team()
    big.engine.order = lambda items: list(reversed(items))
    work = big.work

    def twice(event: Mapping[str, Any]) -> Any:
        work(event)
        return work(event)

    big.engine.invoke = twice

    check_same(big, big.finish(big.put(KEY, TEXT)), undivided)


def test_a_part_that_is_done_leaves_the_work_files_to_others() -> None:
    """A range whose marker stands is not read again: its bytes need not even be there."""
    big = team()
    arrived = big.put(KEY, TEXT)
    big.finish(arrived)
    reads: list[str] = []
    fetch = big.objects.stream
    big.objects.stream = lambda *a, **k: (reads.append(k["key"]), fetch(*a, **k))[1]  # type: ignore[method-assign, func-returns-value]

    event = {"task": "part", "number": 1, **big.engine.names[arrived.drop_id]}
    assert big.work({**event, "attempt": "again"}) == {"number": 1}
    assert reads == []


def test_what_does_not_add_up_never_ends_complete() -> None:
    """A part's rejects that are gone: the end is refused, and the drop stays where it is."""
    big = team()
    arrived = big.put(KEY, TEXT)
    lose = f"work/{arrived.drop_id}/rejects/ranges/"

    def before(event: Mapping[str, Any]) -> None:
        if event["task"] == "finish":
            for key in big.objects.keys(RESULTS):
                if key.startswith(lose):
                    big.objects.put(RESULTS, key=key, body=b"", content_type="text/csv")

    big.before = before
    big.handle(arrived)

    assert big.engine.run(arrived.drop_id) == "Broken"
    assert big.known(arrived).state == "RUNNING"
    assert f"results/{arrived.drop_id}/manifest.json" not in big.results()


def test_progress_is_seen_while_it_is_made() -> None:
    """After each part the counts so far can be read, and they never fall."""
    big = team()
    arrived = big.put(KEY, TEXT)
    seen: list[Drop] = []
    big.before = lambda _event: seen.append(big.known(arrived))

    found = big.finish(arrived)

    done = [drop.done for drop in seen]
    assert done == sorted(done)
    assert done[-1] == found.done == found.counts["records"]
    assert [each.counts.get("ranges_done") for each in seen[:3]] == [None, 0, 1]
    assert list(dict.fromkeys(drop.phase for drop in seen)) == [None, "reading", "folding"]


def test_the_dropped_file_is_left_alone() -> None:
    """Nothing is ever written where files are dropped."""
    big = team()
    big.finish(big.put(KEY, TEXT))

    assert big.objects.keys(DROPS) == [KEY]
