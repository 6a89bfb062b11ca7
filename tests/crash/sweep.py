"""Singles, pairs and planted bugs, over as many processes as there are cores."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from random import Random

from chalicelib import telemetry
from tests.crash.bugs import BUGS
from tests.crash.cases import CASES, FLOWS, modes_of
from tests.crash.gate import Faults, Mode
from tests.crash.run import Result, nowhere, replay_line, run
from tests.crash.seeds import Outcome, run_seed

Place = tuple[int, Mode]
Say = Callable[[str], None]
PARTS = 10  # so often somebody is told how far it has come
Found = tuple[str, tuple[str, ...]] | None  # replay line and what was violated
# Calls that leave no trace, so that a lost answer and a call that was not made raise the same.
QUESTIONS = frozenset(
    {"read", "due", "overdue", "recent_decisions", "belongings", "head", "keys", "get", "list"}
)


@dataclass(slots=True)
class Swept:
    """What a sweep came to.

    Attributes:
        calls: numbered calls of the undisturbed runs.
        injections: runs that were broken.
        lost: permitted mails that were never taken and are not tried again.
        in_doubt: mails that were taken and of which the ledger does not know it.
        violations: replay line and what did not hold.
        by_flow: calls, singles and pairs of each flow.
        passed: the ports that were called in the run of each single.
        spared: pairs that were not played because another one is the same.
    """

    calls: int = 0
    injections: int = 0
    lost: int = 0
    in_doubt: int = 0
    violations: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    passed: dict[tuple[str, Place], tuple[str, ...]] = field(default_factory=dict)
    by_flow: Counter[tuple[str, str]] = field(default_factory=Counter)
    spared: int = 0

    def add(self, case_name: str, faults: Faults, result: Result) -> None:
        """Count one run."""
        self.injections += bool(faults)
        what = ("calls", "singles", "pairs")[len(faults)]
        self.by_flow[CASES[case_name].flow, what] += 1 if faults else result.calls
        self.lost += result.lost
        self.in_doubt += result.in_doubt
        if result.violations:
            self.violations.append((replay_line(case_name, faults), result.violations))

    def flows(self) -> dict[str, tuple[int, int, int]]:
        """Calls, singles and pairs of each flow."""
        return {
            flow: (
                self.by_flow[flow, "calls"],
                self.by_flow[flow, "singles"],
                self.by_flow[flow, "pairs"],
            )
            for flow in FLOWS
            if (flow, "calls") in self.by_flow
        }


def places_of(case_name: str, calls: int, *, after: int = 0) -> Iterator[Place]:
    """Every call of a case in every mode."""
    for number in range(after + 1, calls + 1):
        for mode in modes_of(case_name):
            yield number, mode


def sweep(
    *, pairs: int | None, seed: int, only: Sequence[str] = (), say: Say = lambda _text: None
) -> Swept:
    """All singles, and so many pairs of each case; None takes all, but for cases with a bound.

    Args:
        pairs: how many pairs of each case, chosen by the seed.
        seed: chooses them.
        only: names of cases; all of them when empty.
        say: is told how far it has come.
    """
    telemetry.configure(stage="crash", stream=nowhere())
    swept = Swept()
    names = list(only or CASES)
    with pool() as workers:
        singles: list[tuple[str, dict[int, Mode]]] = []
        lengths = dict(zip(names, workers.map(_length, names), strict=True))
        for name, (calls, result) in lengths.items():
            swept.calls += calls
            swept.add(name, {}, result)
            singles += [(name, {number: mode}) for number, mode in places_of(name, calls)]
        _collect(workers, singles, swept, lambda share: say(f"singles: {share}"))
        chosen = _pairs(swept, pairs, seed)
        _collect(workers, chosen, swept, lambda share: say(f"pairs: {share}"))
    return swept


def _length(case_name: str) -> tuple[int, Result]:
    result = run(case_name, {})
    return result.calls, result


def _pairs(swept: Swept, most: int | None, seed: int) -> list[tuple[str, dict[int, Mode]]]:
    """The call after a fault breaks as well: every later call of the run that it left.

    Pairs that are the same as another one are counted and not played.
    """
    chance = Random(seed)  # noqa: S311 - replays
    by_case: dict[str, list[tuple[str, dict[int, Mode]]]] = {}
    for (name, (number, mode)), passed in swept.passed.items():
        for again, how in places_of(name, len(passed), after=number):
            if _is_twin(passed[number - 1], mode) or _is_twin(passed[again - 1], how):
                spared = _bound(name, most) is None
                swept.spared += spared
                swept.by_flow[CASES[name].flow, "pairs"] += spared
            else:
                by_case.setdefault(name, []).append((name, {number: mode, again: how}))
    chosen: list[tuple[str, dict[int, Mode]]] = []
    for name, pairs in by_case.items():
        bound = _bound(name, most)
        if bound is not None and len(pairs) > bound:
            pairs = chance.sample(pairs, bound)
        chosen += pairs
    return chosen


def _bound(case_name: str, most: int | None) -> int | None:
    """How many pairs of a case are played; None for all."""
    bounds = [bound for bound in (most, CASES[case_name].most_pairs) if bound is not None]
    return min(bounds, default=None)


def _is_twin(port: str, mode: Mode) -> bool:
    """Whether a fault is the same as an "error": a question changes nothing, answered or not."""
    return mode == "lost" and port in QUESTIONS


def _collect(
    workers: ProcessPoolExecutor,
    jobs: Sequence[tuple[str, dict[int, Mode]]],
    swept: Swept,
    say: Say,
) -> None:
    results = workers.map(_run, jobs, chunksize=16)
    for done, (job, result) in enumerate(zip(jobs, results, strict=True), start=1):
        if done * PARTS // len(jobs) > (done - 1) * PARTS // len(jobs):
            say(f"{done:,} of {len(jobs):,}")
        name, faults = job
        swept.add(name, faults, result)
        if len(faults) == 1:
            (place,) = faults.items()
            swept.passed[name, place] = result.passed


def _run(job: tuple[str, dict[int, Mode]]) -> Result:
    return run(*job)


def play(seeds: range) -> list[Outcome]:
    """Play seeds; those that came to another end than the run in order."""
    with pool() as workers:
        return [each for each in workers.map(run_seed, seeds, chunksize=8) if each.violations]


def hunt(bug_names: Iterable[str]) -> dict[str, Found]:
    """Look for each planted bug; where it was found first, None where it was not."""
    names = list(bug_names)
    with pool() as workers:
        return dict(zip(names, workers.map(find, names), strict=True))


def find(bug_name: str) -> Found:
    """The first run that a planted bug spoils: a single, a death after a stall, a like pair."""
    for case_name in BUGS[bug_name].cases:
        calls = run(case_name, {}, bug_name).calls
        for faults in _attempts(case_name, calls):
            result = run(case_name, faults, bug_name)
            if result.violations:
                return replay_line(case_name, faults, bug_name), result.violations
    return None


def _attempts(case_name: str, calls: int) -> Iterator[dict[int, Mode]]:
    yield {}
    singles = list(places_of(case_name, calls))
    yield from ({number: mode} for number, mode in singles)
    # Others go on while a worker stalls, and then it dies: what they left is for the next one.
    yield from (
        {number: mode, number + 1: "crash"} for number, mode in singles if mode in ("stall", "meet")
    )
    # Of the others, faults that lie close together and are alike find most.
    like = [
        {number: mode, again: mode}
        for number, mode in singles
        for again in range(number + 1, calls + 12)
    ]
    yield from islice(sorted(like, key=lambda pair: next(iter(pair.values())) != "lost"), 300)


def pool() -> ProcessPoolExecutor:
    """As many workers as there are cores, each with what this process has loaded."""
    cores = len(os.sched_getaffinity(0))
    return ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("fork"))


def tally(swept: Swept) -> Counter[str]:
    """What was violated, and how often."""
    return Counter(what for _, broken in swept.violations for what in broken)
