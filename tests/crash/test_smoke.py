"""The harness itself: it numbers calls, replays, finds what is planted, and finds nothing else."""

from __future__ import annotations

import pytest

from tests.crash.bugs import BUGS
from tests.crash.cases import CASES, by_flow
from tests.crash.gate import MODES
from tests.crash.run import read_replay, replay_line, run
from tests.crash.sweep import find, places_of

FLOWS = ("decide", "event", "silence", "drop", "act", "feedback", "redeem", "sweep",
         "unsubscribe", "erase")  # fmt: skip


def test_every_flow_has_a_case() -> None:
    """All ten flows are swept, and a run in which nothing breaks holds."""
    assert set(by_flow()) == set(FLOWS)
    for flow in FLOWS:
        assert run(by_flow()[flow][0].name, {}).violations == ()


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
    assert read_replay(replay_line("act", faults, "a bug")) == ("act", faults, "a bug")
    for line in ("nothing", "nowhere [1:crash]", "act [1:magic]"):
        with pytest.raises(ValueError, match=r"no .* is called"):
            read_replay(line)
