"""``python -m benchmarks``: measure, say it in a table, and end with one line of JSON."""

from __future__ import annotations

import json

from benchmarks.decision import measure

# Every key of the closing line; what no benchmark measures yet is null.
NOT_YET_MEASURED = (
    "cold_start_ratio",
    "cold_start_ratio_as_packaged",
    "csv_ratio",
    "parquet_ratio",
    "jsonl_ratio",
    "csv_rows_per_cpu_second",
)


def main() -> None:
    """Run every benchmark there is."""
    decision = measure()
    ours, naive = decision.decision_p50_us, decision.naive_p50_us
    print("POST /v1/decisions, whole handler without AWS, CPU time of one call")
    print(f"  ours    p50 {ours:7.0f} µs   p99 {decision.decision_p99_us:7.0f} µs")
    print(f"  naive   p50 {naive:7.0f} µs   {decision.decision_ratio:.1f} times as much")
    print(f"  calls   {decision.aws_reads:g} read, {decision.aws_writes:g} write")
    figures: dict[str, object] = dict.fromkeys(NOT_YET_MEASURED)
    figures["peak_mb"] = dict.fromkeys(("1m", "4m", "10m"))
    figures["decision_p50_us"] = round(decision.decision_p50_us, 1)
    figures["decision_ratio"] = round(decision.decision_ratio, 1)
    figures["aws_reads"] = decision.aws_reads
    figures["aws_writes"] = decision.aws_writes
    print(json.dumps(figures, sort_keys=True))


if __name__ == "__main__":
    main()
