"""What the outside sees of a running function: one JSON line for each thing that happened.

A line is a log record and, when it carries metrics, also CloudWatch's embedded metric format, so
a request costs one write to standard output and no call. Two rules hold by construction: only the
fields below are ever written (ids, counts, hashes, states; never an address, a name or a customer
id), and a metric's dimensions are few and closed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal, TextIO

from pydantic_core import to_json

NAMESPACE = "Segue"
SERVICE = "segue"
LONGEST_VALUE = 256
# Only a line longer than this is looked through for values that are too long.
LONGEST_LINE = 1024
MOST_VALUES = 20
Unit = Literal["Count", "Milliseconds"]

FIELDS = frozenset({
    # what it was about
    "correlation_id", "causation_id", "request_id", "decision_id", "effect_id", "drop_id",
    "message_id", "event_id", "key_id", "provider_id", "worker",
    # what happened
    "route", "method", "status", "error", "reason", "reasons", "fields", "state", "kind",
    "action", "actions", "trigger", "segment", "placement", "tier", "mode", "table", "operation",
    "event_name", "detail_type", "template", "purpose", "prefix", "format", "column",
    "experiment", "arm",
    # which documents decided
    "policy", "model", "engine", "jurisdictions", "version", "function",
    # whether
    "degraded", "fallback", "repeated", "ok", "sending", "pricing",
    # how many and how long
    "records", "folded", "duplicate", "duplicates", "rejected", "accepted", "erased", "customers",
    "scored", "unscored", "products", "decisions", "effects", "mails", "offers", "lines",
    "transitions", "abandoned", "due", "shard", "relayed", "failed", "count", "attempts",
    "rounds", "bytes", "latency_ms", "seconds",
    # where in our own code, never what the data was
    "traceback",
})  # fmt: skip

# Every metric, its unit and the dimension that it has besides service and stage.
METRICS: Mapping[str, tuple[Unit, str | None]] = {
    "Decisions": ("Count", "placement"),
    "Fallbacks": ("Count", None),
    "Degraded": ("Count", None),
    "Segments": ("Count", "segment"),
    "EffectsByState": ("Count", "state"),
    "EffectsRefused": ("Count", "reason"),
    "Rejects": ("Count", None),
    "LatencyMs": ("Milliseconds", None),
    "ModelRejected": ("Count", None),
    "LearningRejected": ("Count", None),
    "PolicyRejected": ("Count", None),
    "PriceRulesFailed": ("Count", None),
    "Exposures": ("Count", "placement"),
    "ReviewsRequested": ("Count", None),
    "OfferMoves": ("Count", "operation"),
    "OfferRefusals": ("Count", "reason"),
    "MailEvents": ("Count", "kind"),
    "MailEventsRefused": ("Count", "reason"),
    "SampleRatioMismatch": ("Count", None),
    "ModelDrift": ("Count", None),
    "StaleData": ("Count", None),
}
_BASE = ("service", "stage")
_PLAIN = frozenset({str, int, float, bool})


@dataclass(slots=True)
class _Output:
    """Where lines go; set once by the composition root."""

    stage: str = "unset"
    stream: TextIO | None = None
    clock: Callable[[], float] = time.time


_output = _Output()


def _encode(line: dict[str, Any]) -> str:
    text = to_json(line).decode()
    if len(text) > LONGEST_LINE:
        text = to_json({field: _short(value) for field, value in line.items()}).decode()
    return text


def configure(
    *, stage: str, stream: TextIO | None = None, clock: Callable[[], float] = time.time
) -> None:
    """Name the stage for every later line; ``stream`` defaults to standard output."""
    _output.stage, _output.stream, _output.clock = stage, stream, clock


def log_event(name: str, **fields: Any) -> None:
    """Write one line; fields outside the allow-list are left out, and their names are said."""
    _write(_encode(_line(name, fields)))


def emit_metrics(
    name: str,
    metrics: Mapping[str, float],
    *,
    dimensions: Mapping[str, str] | None = None,
    **fields: Any,
) -> None:
    """Write one line that CloudWatch also counts.

    Args:
        name: the event.
        metrics: values by metric name; each must stand in ``METRICS``.
        dimensions: ``segment``, ``state``, ``placement`` and so on, where a metric has one.
        fields: as for ``log_event``.

    Raises:
        ValueError: a metric is unknown, or its dimension was not given.
    """
    directives = _directives(tuple(metrics), tuple(dimensions or ()))
    line = _line(name, fields)
    line["service"] = SERVICE
    line.update(dimensions or {})
    line.update(metrics)
    # The directives are the same text every time: encoding them anew would double the cost.
    moment = int(_output.clock() * 1000)
    _write(
        f'{_encode(line)[:-1]},"_aws":{{"Timestamp":{moment},"CloudWatchMetrics":{directives}}}}}'
    )


@cache
def _directives(metrics: tuple[str, ...], dimensions: tuple[str, ...]) -> str:
    """One directive for each set of dimensions, encoded; there are a handful of combinations."""
    by_dimension: dict[str | None, list[dict[str, str]]] = {}
    for metric in metrics:
        if metric not in METRICS:
            raise ValueError(f"{metric} is no metric of Segue")
        unit, dimension = METRICS[metric]
        if dimension is not None and dimension not in dimensions:
            raise ValueError(f"{metric} needs the dimension {dimension}")
        by_dimension.setdefault(dimension, []).append({"Name": metric, "Unit": unit})
    return to_json(
        [
            {
                "Namespace": NAMESPACE,
                "Dimensions": [_BASE if dimension is None else (*_BASE, dimension)],
                "Metrics": listed,
            }
            for dimension, listed in by_dimension.items()
        ]
    ).decode()


def _line(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    line: dict[str, Any] = {"event": name, "stage": _output.stage}
    left_out = _not_allowed(tuple(fields))
    if left_out:
        line["left_out"] = left_out
        fields = {field: value for field, value in fields.items() if field in FIELDS}
    line |= {field: value for field, value in fields.items() if value is not None}
    if not _PLAIN.issuperset(map(type, line.values())):
        line = {field: _scalar(value) for field, value in line.items()}
    return line


@lru_cache(maxsize=256)
def _not_allowed(fields: tuple[str, ...]) -> list[str]:
    """The names that no line may hold; callers use a few dozen sets of fields."""
    return sorted(set(fields) - FIELDS)


def _scalar(value: Any) -> Any:
    """Scalars, and short lists of them; a mapping could hold anything, so it is not written."""
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Sequence):
        return [_scalar(each) for each in value[:MOST_VALUES]]
    return f"<{type(value).__name__}>"


def _short(value: Any) -> Any:
    if isinstance(value, list):
        return [_short(each) for each in value]
    return value[:LONGEST_VALUE] if isinstance(value, str) else value


def _write(line: str) -> None:
    # One write for the whole line: threads of a local server must not interleave.
    (_output.stream or sys.stdout).write(line + "\n")
