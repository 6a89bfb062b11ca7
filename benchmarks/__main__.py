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
    print("POST /v1/decisions, whole handler without AWS, CPU time of one call")
    print(f"  ours, customers of the sample   p50 {decision.decision_p50_us:7.0f} µs")
    print(f"                                  p99 {decision.decision_p99_us:7.0f} µs")
    print(f"  ours, strangers                 p50 {decision.stranger_p50_us:7.0f} µs")
    print(f"  the naive handler               p50 {decision.naive_p50_us:7.0f} µs")
    print(f"  a Chalice handler of nothing    p50 {decision.nothing_p50_us:7.0f} µs")
    print(f"  calls to storage    {decision.aws_reads:g} read, {decision.aws_writes:g} write")
    figures: dict[str, object] = dict.fromkeys(NOT_YET_MEASURED)
    figures["peak_mb"] = dict.fromkeys(("1m", "4m", "10m"))
    figures["decision_p50_us"] = round(decision.decision_p50_us, 1)
    figures["decision_ratio"] = round(decision.decision_ratio, 1)
    figures["aws_reads"] = decision.aws_reads
    figures["aws_writes"] = decision.aws_writes
    print(json.dumps(figures, sort_keys=True))


if __name__ == "__main__":
    main()
