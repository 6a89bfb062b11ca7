"""``python -m tests.crash``: break every call of every flow, and find every planted bug."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence

from tests.crash.bugs import BUGS
from tests.crash.cases import CASES
from tests.crash.document import SWEEPS, Told, write
from tests.crash.run import read_replay, run
from tests.crash.seeds import Outcome, read_seed, run_seed
from tests.crash.sweep import Found, Swept, hunt, play, sweep

SAMPLED_PAIRS, SAMPLED_SEEDS = 60, 500
ALL_SEEDS = 2_000
MOST_SHOWN = 20


def main() -> int:
    """Run what was asked for; returns the exit code."""
    asked = _arguments()
    if asked.replay is not None:
        return _replay(asked.replay)
    begun = time.monotonic()
    pairs = None if asked.full else SAMPLED_PAIRS
    swept = sweep(pairs=pairs, seed=asked.seed, only=asked.case, say=_say)
    _tell_sweep(swept, len(asked.case or CASES), time.monotonic() - begun)
    found = hunt(BUGS)
    _tell_bugs(found, show=asked.bugs)
    seeds = 0 if asked.case else ALL_SEEDS if asked.full else SAMPLED_SEEDS
    odd = play(range(seeds))
    _tell_seeds(odd)
    seconds = time.monotonic() - begun
    print(f"all in {seconds:.0f} s")
    figures = _figures(swept, found, odd, seeds)
    if asked.write:
        write(_told(swept, figures, seconds), SWEEPS[asked.full])
    print(json.dumps(figures))
    return 1 if figures["violations"] or figures["caught"] < figures["planted"] else 0


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--full", action="store_true", help="all pairs, and four times the seeds")
    parser.add_argument("--case", action="append", default=[], choices=sorted(CASES))
    parser.add_argument("--seed", type=int, default=0, help="chooses the sampled pairs")
    parser.add_argument("--bugs", action="store_true", help="say where each planted bug was found")
    parser.add_argument("--write", action="store_true", help="figures into docs/reliability.md")
    parser.add_argument("--replay", help="one run again, as a violation names it")
    asked = parser.parse_args()
    if asked.write and asked.case:
        parser.error("--write is about all cases")
    return asked


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _tell_sweep(swept: Swept, cases: int, seconds: float) -> None:
    print(
        f"{cases} cases, {swept.calls} calls, {swept.injections} injections, "
        f"{swept.spared} pairs the same as others; "
        f"lost {swept.lost}, in doubt {swept.in_doubt}; {seconds:.0f} s"
    )
    for flow, (calls, singles, pairs) in swept.flows().items():
        print(f"  {flow:<12} {calls:>4} calls {singles:>5} singles {pairs:>7} pairs")
    for line, broken in swept.violations[:MOST_SHOWN]:
        print(f"VIOLATION --replay '{line}'\n  {'; '.join(broken)}")


def _tell_bugs(found: Mapping[str, Found], *, show: bool) -> None:
    for name, where in found.items():
        if where is None:
            print(f"NOT CAUGHT {name}: {BUGS[name].sentence}")
        elif show:
            print(f"caught {name}: {BUGS[name].sentence}\n  --replay '{where[0]}': {where[1][0]}")


def _tell_seeds(odd: Sequence[Outcome]) -> None:
    for outcome in odd[:MOST_SHOWN]:
        print(f"VIOLATION --replay '{outcome.line}'\n  {'; '.join(outcome.violations)}")


def _figures(
    swept: Swept, found: Mapping[str, Found], odd: Sequence[Outcome], seeds: int
) -> dict[str, int]:
    return {
        "calls": swept.calls,
        "injections": swept.injections,
        "violations": len(swept.violations) + len(odd),
        "planted": len(found),
        "caught": sum(where is not None for where in found.values()),
        "seeds": seeds,
    }


def _told(swept: Swept, figures: Mapping[str, int], seconds: float) -> Told:
    flows = swept.flows()
    _, singles, pairs = map(sum, zip(*flows.values(), strict=True))
    counted = (figures["calls"], singles, pairs, *list(figures.values())[1:])
    numbers = [f"{number:,}" for number in counted]
    both = f"{swept.lost:,} / {swept.in_doubt:,}"
    return Told([*numbers, both, f"{seconds:.0f}"], flows)


def _replay(line: str) -> int:
    try:
        if line.startswith("seed "):
            violations = run_seed(*read_seed(line)).violations
        else:
            result = run(*read_replay(line))
            violations = result.violations
            print(f"{result.calls} calls")
    except ValueError as error:
        print(error)
        return 2
    print("; ".join(violations) or "everything held")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
