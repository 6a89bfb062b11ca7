"""Why parts of a big file failed: said where the operator looks, and never made up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from chalicelib.core.control import Drop, Failure, drop_from_json, to_json
from chalicelib.core.errors import Broken, Transient
from chalicelib.flows.big_failed import LONGEST_REASON, MOST_FAILURES, SILENT, reason_of
from chalicelib.flows.drop_notice import Arrived
from tests.big_drops import BigTeam
from tests.drops import RESULTS
from tests.functional.test_big_drop import orders
from tests.functional.test_big_drop_faults import redriven
from tests.functional.test_big_drop_kinds import FEATURES
from tests.gate import Died

KEY = "orders/a.csv"
TEXT = orders(60)


class Failing(BigTeam):
    """A team of which some tasks fail from within, as they would on AWS."""

    __slots__ = ("fails",)

    def __init__(self, **options: Any) -> None:
        super().__init__(above_bytes=2_000, **options)
        self.fails: Callable[[Mapping[str, Any]], BaseException | None] = lambda _event: None

    def work(self, event: Mapping[str, Any]) -> Any:
        """As the function does, whose storage breaks within the task that is to fail."""
        error = self.fails(event)
        if error is None:
            return BigTeam.work(self, event)
        # A task first looks whether it is a second try, then for the plan: that look breaks.
        looks = self.objects.list

        def broken(bucket: str, *, prefix: str) -> Any:
            if "/failed/" in prefix:
                return looks(bucket, prefix=prefix)
            raise error

        self.objects.list = broken  # type: ignore[method-assign]
        try:
            return BigTeam.work(self, event)
        finally:
            self.objects.list = looks  # type: ignore[method-assign]


def at(
    task: str, number: int, *errors: BaseException, rest: BaseException | None = None
) -> Callable[[Mapping[str, Any]], BaseException | None]:
    """A task that fails with these, try by try, and then with ``rest``."""
    left = list(errors)

    def fails(event: Mapping[str, Any]) -> BaseException | None:
        if (event["task"], event.get("number", 0)) != (task, number):
            return None
        return left.pop(0) if left else rest

    return fails


def ended(team: Failing) -> tuple[Arrived, Drop]:
    """The file, and how it ended."""
    arrived = team.put(KEY, TEXT)
    return arrived, team.finish(arrived)


@pytest.mark.parametrize(
    ("task", "number", "part"),
    [("part", 2, "range 2"), ("contest", 1, "contest 1"), ("partition", 3, "partition 3"),
     ("plan", 0, "plan"), ("join", 0, "join")],
)  # fmt: skip
def test_what_failed_says_why(task: str, number: int, part: str) -> None:
    """In the drop's item, its reason, and ``summary.json``, by class and by our own words."""
    team = Failing()
    team.fails = at(task, number, rest=Broken("the disk is full"))

    _, found = ended(team)

    assert found.state == "PARTIAL"
    assert found.failures[0] == Failure(part, "Broken: the disk is full")
    assert f"{part}: Broken: the disk is full" in str(found.reason)
    assert team.summary(found)["failures"] == [
        {"part": each.part, "reason": each.reason} for each in found.failures
    ]


def test_what_was_never_begun_is_not_said_to_have_failed() -> None:
    """Contests and partitions wait for every range: they are missing, and not at fault."""
    team = Failing()
    team.fails = at("part", 2, rest=Broken("the disk is full"))

    _, found = ended(team)

    assert [each.part for each in found.failures] == ["range 2"]
    assert "contest 1" in found.failed_parts


def test_a_join_that_fails_leaves_the_drop_partial() -> None:
    """Of a features file no part is missing then, and a redrive has only to join and to end."""
    team = Failing()
    team.fails = at("join", 0, rest=Broken("the disk is full"))
    arrived = team.put("features/a.csv", FEATURES)

    found = team.finish(arrived)

    assert (found.state, found.failed_parts) == ("PARTIAL", ("join",))
    assert found.failures == (Failure("join", "Broken: the disk is full"),)
    assert str(found.reason).startswith("what its ranges found could not be put together; join: ")
    team.fails = lambda _event: None
    assert redriven(team, arrived, 2) is None
    assert team.known(arrived).state == "COMPLETE"


def test_a_partition_says_that_it_waits_for_a_contest() -> None:
    """It was begun, and its own words name what is missing."""
    team = Failing()
    team.fails = at("contest", 1, rest=Broken("the disk is full"))

    _, found = ended(team)

    reasons = {each.part: each.reason for each in found.failures}
    assert reasons["contest 1"] == "Broken: the disk is full"
    assert reasons["partition 1"] == "Broken: a contest of this drop is not settled"


def test_a_part_that_was_killed_is_said_to_have_ended_without_a_word() -> None:
    """A time-out, a lack of memory or a crash: nobody was left to say so."""
    team = Failing()
    team.fails = at("part", 2, rest=Died())

    _, found = ended(team)

    assert found.failures == (Failure("range 2", SILENT),)


def test_the_last_try_counts() -> None:
    """A word of an earlier try does not pass for that of one that was killed."""
    team = Failing()
    team.fails = at("part", 2, Transient("not now"), rest=Died())

    _, found = ended(team)

    assert found.failures == (Failure("range 2", f"{SILENT}; an earlier try: Transient: not now"),)


def test_a_try_that_succeeds_takes_the_word_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A join that went well at last is not to blame for what is missing after it."""
    team = Failing()
    join = at("join", 0, Transient("not now"))
    contests = at("contest", 1, rest=Died())
    team.fails = lambda event: join(event) or contests(event)

    _, found = ended(team)

    assert found.failures[0] == Failure("contest 1", SILENT)


def test_a_redrive_tells_of_its_own_failures() -> None:
    """What an earlier attempt said is no reason for what fails now."""
    team = Failing()
    team.fails = at("partition", 3, rest=Broken("the disk is full"))
    arrived, _ = ended(team)
    team.fails = at("partition", 3, rest=Died())

    assert redriven(team, arrived, 2) == "PartialDrop"
    assert team.known(arrived).failures == (Failure("partition 3", SILENT),)

    team.fails = lambda _event: None
    assert redriven(team, arrived, 3) is None
    done = team.known(arrived)
    assert (done.state, done.failures, done.reason) == ("COMPLETE", (), None)


def test_an_unexpected_error_is_told_by_class_and_place() -> None:
    """Its text may quote a row, a name, an address."""
    team = Failing()
    team.fails = at("part", 2, rest=ValueError("ann@example.com is not wanted"))

    _, found = ended(team)

    [failure] = found.failures
    assert failure.reason.startswith("ValueError at test_big_drop_reasons.py:")
    assert "ann@" not in str(to_json(found))
    assert all(b"ann@" not in team.objects.body(RESULTS, k) for k in team.objects.keys(RESULTS))


def test_the_failure_itself_goes_on_where_it_cannot_be_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Storage that takes no word either: the engine still learns the first error."""
    team = Failing()
    arrived = team.put(KEY, TEXT)
    team.handle(arrived)
    put, refused = team.objects.put, Counter[str]()

    def no_words(bucket: str, *, key: str, **what: Any) -> None:
        if "/failed/" in key:
            refused[key] += 1
            raise Transient("nor this")
        put(bucket, key=key, **what)

    team.objects.put = no_words  # type: ignore[method-assign]
    team.fails = at("plan", 0, rest=Broken("the disk is full"))
    event = {"task": "plan", "attempt": "a", **team.engine.names[arrived.drop_id]}

    with pytest.raises(Broken, match="the disk is full"):
        team.work(event)

    assert refused.total() == 1
    assert '"part_failure_untold"' in capsys.readouterr().out


def test_what_is_told_is_bounded() -> None:
    """Twenty parts and two hundred characters each: the drop's item stays a small one."""
    team = Failing(sized_by=200)
    team.fails = lambda event: Broken("x" * 999) if event["task"] == "part" else None

    _, found = ended(team)

    assert len(found.failures) == MOST_FAILURES < len(team.summary(found)["missing"]["ranges"])
    assert {len(each.reason) for each in found.failures} == {LONGEST_REASON}
    assert len(str(to_json(found))) < 8_000
    assert drop_from_json(to_json(found)) == found


def test_a_reason_without_a_place_is_a_reason() -> None:
    """An error that was never raised has none."""
    assert reason_of(KeyError("c-1")) == "KeyError at an unknown place"
