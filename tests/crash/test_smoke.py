"""The harness itself: it numbers calls, replays, finds what is planted, and finds nothing else."""

from __future__ import annotations

import pytest

from tests.crash.bugs import BUGS
from tests.crash.cases import CASES, FLOWS
from tests.crash.gate import MODES
from tests.crash.run import read_replay, replay_line, run
from tests.crash.seeds import read_seed, run_seed, seed_line
from tests.crash.sweep import QUESTIONS, find, places_of


def test_every_flow_has_a_case() -> None:
    """All ten flows are swept, and a run in which nothing breaks holds."""
    assert len(FLOWS) == 10
    assert {case.flow for case in CASES.values()} == set(FLOWS)
    for flow in FLOWS:
        assert run(flow, {}).violations == ()


def test_one_fault_at_any_call_of_an_unsubscription() -> None:
    """One flow's singles, in every mode: no violation."""
    calls = run("unsubscribe", {}).calls

    for number, mode in places_of("unsubscribe", calls):
        assert run("unsubscribe", {number: mode}).violations == ()


@pytest.mark.parametrize("name", ["unsubscription taken for stored", "cap not asked"])
def test_a_planted_bug_is_found_and_replays(name: str) -> None:
    """What found a bug finds it again from its line, and without the bug everything holds."""
    found = find(name)

    assert found is not None
    line, violations = found
    case_name, faults, bug_name = read_replay(line)
    assert run(case_name, faults, bug_name).violations == violations
    assert run(case_name, faults).violations == ()


def test_bugs_are_named_and_looked_for_somewhere() -> None:
    """At least thirty, each with a sentence and the cases that are about it."""
    assert len(BUGS) >= 30
    for bug in BUGS.values():
        assert bug.sentence.endswith(".")
        assert bug.cases
        assert set(bug.cases) <= CASES.keys()
        assert bug.plant is not None or bug.stand is not None


def test_a_replay_line_reads_back() -> None:
    """A line names case, places and bug; what it does not understand is refused."""
    faults = dict(enumerate(MODES, start=1))
    bug = next(iter(BUGS))
    assert read_replay(replay_line("act", faults, bug)) == ("act", faults, bug)
    for line in ("nothing", "nowhere [1:crash]", "act [1:magic]", "act [1:crash] with no bug"):
        with pytest.raises(ValueError, match=r"no .* is called"):
            read_replay(line)
    assert read_seed(seed_line(17, bug)) == (17, bug)
    for line in ("seed", "seed x", "seed 1 with no bug"):
        with pytest.raises(ValueError, match=r"no run is called"):
            read_seed(line)


def test_a_failing_seed_is_printed_and_replays() -> None:
    """The line of a seed that a planted bug spoilt spoils it again, and holds without the bug."""
    spoilt = run_seed(0, "money not moved")

    assert spoilt.line == "seed 0 with money not moved"
    assert spoilt.violations
    assert run_seed(*read_seed(spoilt.line)) == spoilt
    assert run_seed(0).violations == ()


def test_a_question_lost_is_a_question_not_asked() -> None:
    """Why pairs leave out one of the two: whatever calls them, both leave the same behind."""
    passed = run("decide", {}).passed

    asked = [number for number, port in enumerate(passed, start=1) if port in QUESTIONS]
    assert asked
    for number in asked:
        assert run("decide", {number: "lost"}) == run("decide", {number: "error"})
