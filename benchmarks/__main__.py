"""``python -m benchmarks``: measure, say it in tables, and end with one line of JSON."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

from benchmarks.floors import FLOORS, judge, left_out, read_floors
from benchmarks.sections import SECTIONS, rounded, told

# Every key that the closing line always has; what was not measured is null.
PROMISED = (
    "cold_start_ratio",
    "cold_start_ratio_as_packaged",
    "decision_p50_us",
    "decision_ratio",
    "aws_reads",
    "aws_writes",
    "csv_ratio",
    "parquet_ratio",
    "jsonl_ratio",
    "csv_rows_per_cpu_second",
    "console_ms",
)


def main() -> None:
    """Run the benchmarks that are asked for, and judge them where that is."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer repetitions: two minutes")
    parser.add_argument("--check", action="store_true", help="fail where a floor does not hold")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="this section alone")
    asked = parser.parse_args()
    names = asked.only or list(SECTIONS)
    figures: dict[str, Any] = dict.fromkeys(PROMISED)
    figures["peak_mb"] = dict.fromkeys(("1m", "4m", "10m"))
    for name in names:
        figures.update(_here(name, asked.short) if len(names) == 1 else _apart(name, asked.short))
    failed = asked.check and not _holds(figures, short=asked.short)
    print(json.dumps(figures, sort_keys=True))
    sys.exit(1 if failed else 0)


def _here(name: str, short: bool) -> dict[str, Any]:
    """The figures of a section, which is measured by this process."""
    section = SECTIONS[name](short=short)
    print(*told(section), sep="\n", flush=True)
    figures: dict[str, Any] = rounded(section.figures)
    return figures


def _apart(name: str, short: bool) -> dict[str, Any]:
    """The same by a process of its own: what one section loads is no burden to the next."""
    command = [sys.executable, "-m", "benchmarks", "--only", name, *(["--short"] if short else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - ours
    *lines, last = done.stdout.splitlines() or [""]
    print(*lines, sep="\n", flush=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[1:])} ended with {done.returncode}: {last}")
    return {key: value for key, value in json.loads(last).items() if _was_measured(value)}


def _was_measured(value: Any) -> bool:
    return any(map(_was_measured, value.values())) if isinstance(value, dict) else value is not None


def _holds(figures: dict[str, Any], *, short: bool) -> bool:
    floors = read_floors(FLOORS.read_text())
    breaches = list(judge(figures, floors, short=short))
    for breach in breaches:
        print(f"floor broken: {breach}")
    left = left_out(floors) if short else []
    if left:
        print(f"not asked in short: {', '.join(left)} (make bench asks)")
    return not breaches


if __name__ == "__main__":
    main()
