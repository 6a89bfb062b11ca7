"""``python -m tests.crash``: break every call of every flow, and find every planted bug."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, Namespace

from tests.crash.bugs import BUGS
from tests.crash.cases import CASES
from tests.crash.run import read_replay, run
from tests.crash.seeds import run_seed
from tests.crash.sweep import hunt, play, sweep

SAMPLED_PAIRS, SAMPLED_SEEDS = 60, 500
ALL_SEEDS = 2_000
MOST_SHOWN = 20


def main() -> int:
    """Run what was asked for; returns the exit code."""
    asked = _arguments()
    if asked.replay is not None:
        return _replay(asked.replay)
    begun = time.monotonic()
    swept = sweep(pairs=None if asked.full else SAMPLED_PAIRS, seed=asked.seed, only=asked.case)
    print(
        f"{len(asked.case or CASES)} cases, {swept.calls} calls, {swept.injections} injections; "
        f"lost {swept.lost}, in doubt {swept.in_doubt}; {time.monotonic() - begun:.0f} s"
    )
    for flow in dict.fromkeys(case.flow for case in CASES.values()):
        calls, singles, pairs = (swept.by_flow[flow, n] for n in ("calls", "singles", "pairs"))
        print(f"  {flow:<12} {calls:>4} calls {singles:>5} singles {pairs:>7} pairs")
    for line, broken in swept.violations[:MOST_SHOWN]:
        print(f"VIOLATION --replay '{line}'\n  {'; '.join(broken)}")
    found = hunt(BUGS)
    for name, where in found.items():
        if where is None:
            print(f"NOT CAUGHT {name}: {BUGS[name].sentence}")
        elif asked.bugs:
            print(f"caught {name}: {BUGS[name].sentence}\n  --replay '{where[0]}': {where[1][0]}")
    uncaught = sum(where is None for where in found.values())
    seeds = 0 if asked.case else ALL_SEEDS if asked.full else SAMPLED_SEEDS
    odd = play(range(seeds))
    for outcome in odd[:MOST_SHOWN]:
        print(f"VIOLATION --replay 'seed {outcome.seed}'\n  {'; '.join(outcome.violations)}")
    print(f"all in {time.monotonic() - begun:.0f} s")
    figures = {
        "calls": swept.calls,
        "injections": swept.injections,
        "violations": len(swept.violations) + len(odd),
        "planted": len(found),
        "caught": len(found) - uncaught,
        "seeds": seeds,
    }
    print(json.dumps(figures))
    return 1 if swept.violations or uncaught or odd else 0


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--full", action="store_true", help="all pairs, and ten times the seeds")
    parser.add_argument("--case", action="append", default=[], choices=sorted(CASES))
    parser.add_argument("--seed", type=int, default=0, help="chooses the sampled pairs")
    parser.add_argument("--bugs", action="store_true", help="say where each planted bug was found")
    parser.add_argument("--replay", help="one run again, as a violation names it")
    return parser.parse_args()


def _replay(line: str) -> int:
    if line.startswith("seed "):
        outcome = run_seed(int(line.removeprefix("seed ")))
        print("; ".join(outcome.violations) or "everything held")
        return 1 if outcome.violations else 0
    try:
        case_name, faults, bug_name = read_replay(line)
    except ValueError as error:
        print(error)
        return 2
    result = run(case_name, faults, bug_name)
    print(f"{result.calls} calls; {'; '.join(result.violations) or 'everything held'}")
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
