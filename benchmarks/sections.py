"""Each benchmark as a section: what a person reads, and the figures of the closing line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import batch, cold_start, console, decision, events, over_http, with_aws
from benchmarks.cold_start import ColdStart
from benchmarks.console import PageCost
from benchmarks.over_http import Served


@dataclass(frozen=True, slots=True)
class Section:
    """What one benchmark has to say.

    Attributes:
        title: what was measured.
        rows: what is told of it, and how much it is.
        figures: what goes into the closing line.
    """

    title: str
    rows: tuple[tuple[str, str], ...]
    figures: Mapping[str, Any]


def files_scored(*, short: bool) -> Section:
    """A file to scored Parquet, beside pandas with scikit-learn and a bare parser."""
    decision.trained_pipeline()
    measured = batch.measure(short=short)
    peaks = measured.peak_mb
    rows = [
        (
            f"{cost.variant}, {cost.rows:,} rows",
            f"{cost.rows / cost.cpu_seconds:10,.0f} rows a CPU-second  {cost.peak_mb:5.0f} MB",
        )
        for cost in measured.costs
    ]
    rows += [(f"segue csv, {size} rows", f"{peak:5.0f} MB") for size, peak in peaks.items()]
    return Section(
        "A features file to scored Parquet, whole process, one thread",
        tuple(rows),
        {
            "csv_ratio": measured.csv_ratio,
            "parquet_ratio": measured.parquet_ratio,
            "jsonl_ratio": measured.jsonl_ratio,
            "csv_share_of_parsing": measured.csv_share_of_parse_only,
            "csv_share_of_copying": measured.csv_share_of_copying,
            "parquet_share_of_copying": measured.parquet_share_of_copying,
            "csv_ratio_whole": measured.csv_ratio_whole,
            "parquet_ratio_whole": measured.parquet_ratio_whole,
            "csv_ratio_threads": measured.csv_ratio_threads,
            "parquet_ratio_threads": measured.parquet_ratio_threads,
            "csv_ratio_six": measured.csv_ratio_six,
            "parquet_ratio_six": measured.parquet_ratio_six,
            "csv_rows_per_cpu_second": measured.csv_rows_per_cpu_second,
            "peak_mb": {**dict.fromkeys(("1m", "4m", "10m")), **peaks},
            "peak_growth": peaks["10m"] / peaks["1m"] - 1 if "10m" in peaks else None,
        },
    )


def cold_starts(*, short: bool) -> Section:
    """Cold start of the API path, beside the naive app and the bare parts."""
    measured = cold_start.measure(rounds=9 if short else 25)
    names = {
        "ours": "ours, as packaged: with bytecode",
        "ours_without_bytecode": "ours without bytecode",
        "authorizer": "ours, the authorizer",
        "parts_alone": "Chalice, pydantic and a botocore client alone",
        "naive": "the naive app with bytecode",
        "naive_without_bytecode": "the naive app as Chalice packages it",
    }
    figures = {
        "cold_start_ratio": measured.ratio("naive", "ours"),
        "cold_start_ratio_as_packaged": measured.ratio("naive_without_bytecode", "ours"),
        "cold_start_over_parts": measured.ratio("ours", "parts_alone"),
        "cold_start_ms": measured.cpu_ms("ours"),
        "cold_start_mb": measured.peak_mb("ours"),
    }
    rows = tuple((names[name], _start(measured, name)) for name in names)
    return Section("Cold start until ready, CPU time and memory of a fresh process", rows, figures)


def decisions(*, short: bool) -> Section:
    """``POST /v1/decisions`` without AWS, beside the naive handler."""
    measured = decision.measure(decisions=1500 if short else 6000)
    return Section(
        "POST /v1/decisions, whole handler without AWS, CPU time of one call",
        (
            ("ours, customers of the sample", f"p50 {measured.decision_p50_us:7.0f} µs"),
            ("", f"p99 {measured.decision_p99_us:7.0f} µs"),
            ("ours, strangers", f"p50 {measured.stranger_p50_us:7.0f} µs"),
            ("the naive handler", f"p50 {measured.naive_p50_us:7.0f} µs"),
            ("a Chalice handler of nothing", f"p50 {measured.nothing_p50_us:7.0f} µs"),
        ),
        {
            "decision_p50_us": measured.decision_p50_us,
            "decision_ratio": measured.decision_ratio,
        },
    )


def decisions_with_aws(*, short: bool) -> Section:
    """The same with its two AWS calls, beside the bare calls."""
    measured = with_aws.measure(decisions=1000 if short else 3000)
    return Section(
        "POST /v1/decisions with its AWS calls on loopback, CPU time of our process",
        (
            ("the whole handler", f"p50 {measured.handler_p50_us:7.0f} µs"),
            ("the same calls by plain boto3", f"p50 {measured.bare_p50_us:7.0f} µs"),
            ("calls of one decision", f"{measured.reads:g} read, {measured.writes:g} write"),
        ),
        {
            "aws_overhead": measured.overhead,
            "aws_reads": measured.reads,
            "aws_writes": measured.writes,
        },
    )


def decisions_over_http(*, short: bool) -> Section:
    """Decisions over loopback HTTP, beside FastAPI; for information."""
    measured = over_http.measure(requests=1000 if short else 5000)
    return Section(
        f"POST /v1/decisions over loopback HTTP: one client, then {over_http.MANY} at once",
        (
            ("ours, storage in memory", _served(measured.ours)),
            ("ours, with its AWS calls", _served(measured.ours_with_aws)),
            ("FastAPI, uvicorn, scikit-learn", _served(measured.fastapi)),
        ),
        {
            "http_p99_ms": measured.ours_with_aws.p99_ms,
            "http_cpu_ratio": measured.fastapi.cpu_ms / measured.ours.cpu_ms,
        },
    )


def events_folded(*, short: bool) -> Section:
    """Events through the whole flow, and the pure fold alone."""
    measured = events.measure(batches=20 if short else 100)
    return Section(
        f"POST /v1/events without AWS, batches of {events.BATCH}",
        (
            ("whole handler", f"{measured.handled_per_cpu_second:9,.0f} events a CPU-second"),
            ("the fold alone", f"{measured.folded_per_cpu_second:9,.0f} events a CPU-second"),
            ("calls of one batch", f"{measured.reads:g} read, {measured.writes:.1f} writes"),
        ),
        {
            "events_per_cpu_second": measured.handled_per_cpu_second,
            "folds_per_cpu_second": measured.folded_per_cpu_second,
        },
    )


def console_pages(*, short: bool) -> Section:
    """Pages of the operator's console, on 10,000 customers."""
    pages = console.measure(rounds=20 if short else 100)
    room_ms = min(page.room_ms for page in pages)
    slowest = max(pages, key=lambda page: page.cpu_p95_ms)
    return Section(
        f"Pages of the console on {console.CUSTOMERS:,} customers, DynamoDB answering at once",
        (
            *((_without_ids(page.path), _page(page)) for page in pages),
            (f"{console.MOST_MS} ms are reached", f"at {room_ms:.1f} ms for each call to AWS"),
        ),
        {
            "console_ms": slowest.cpu_p95_ms,
            "console_calls": max(page.calls for page in pages),
            "console_room_ms": room_ms,
        },
    )


SECTIONS: Mapping[str, Callable[..., Section]] = {
    "batch": files_scored,
    "cold": cold_starts,
    "decision": decisions,
    "aws": decisions_with_aws,
    "http": decisions_over_http,
    "events": events_folded,
    "console": console_pages,
}


def told(section: Section) -> Iterator[str]:
    """The lines of a section."""
    yield section.title
    width = max(len(name) for name, _ in section.rows)
    for name, value in section.rows:
        yield f"  {name:{width}}  {value}"


def rounded(value: Any) -> Any:
    """A figure with as many digits as it deserves."""
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    return round(value, 3 if value < 10 else 1) if isinstance(value, float) else value


def _start(measured: ColdStart, name: str) -> str:
    return f"{measured.cpu_ms(name):6.0f} ms  {measured.peak_mb(name):4.0f} MB"


def _served(served: Served) -> str:
    return (
        f"p50 {served.p50_ms:6.2f} ms   p99 {served.p99_ms:6.0f} ms   "
        f"{served.per_second:6.0f} a second   {served.cpu_ms:5.2f} ms CPU each"
    )


def _page(page: PageCost) -> str:
    return (
        f"CPU p50 {page.cpu_p50_ms:5.1f} ms  p95 {page.cpu_p95_ms:5.1f} ms   "
        f"clock p50 {page.p50_ms:5.1f} ms  p95 {page.p95_ms:5.1f} ms   "
        f"{page.calls:2} calls  {page.kilobytes:5.1f} kB"
    )


def _without_ids(path: str) -> str:
    return "/".join(f"{step[:12]}…" if len(step) > 20 else step for step in path.split("/"))
