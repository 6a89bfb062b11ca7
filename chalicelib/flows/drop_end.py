"""The end of a drop: its files listed, its summary left behind, its record closed, and told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from chalicelib.core.control import Drop, DropState, Failure
from chalicelib.core.rules import Rules
from chalicelib.flows.drop_log import DropLog
from chalicelib.flows.drop_manifest import ResultFile, manifest_json
from chalicelib.flows.drop_report import Tally, summary_json
from chalicelib.telemetry import emit_metrics


class Results(Protocol):
    """Where results are put."""

    def put(self, bucket: str, *, key: str, body: bytes, content_type: str) -> None:
        """Bytes into an object."""
        ...


@dataclass(frozen=True, slots=True)
class Ending:
    """How a drop ends.

    Attributes:
        state: COMPLETE, PARTIAL or REJECTED.
        reason: why it is not COMPLETE.
        tally: what became of its records and customers.
        files: its results, where it is COMPLETE.
        more: what ``summary.json`` says besides.
        failed_parts: where it is PARTIAL, the first parts that failed.
        failures: why those of them failed that were worked on.
    """

    state: DropState
    reason: str | None
    tally: Tally
    files: Iterable[ResultFile] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    failed_parts: Sequence[str] = ()
    failures: Sequence[Failure] = ()


def end_drop(
    ending: Ending,
    log: DropLog,
    *,
    objects: Results,
    results_bucket: str,
    drops_bucket: str,
    rules: Rules,
    seconds: float,
) -> Drop:
    """Leave summary and manifest behind, then say that the drop is done; in this order.

    Raises FinishedElsewhere when another worker ended it meanwhile.
    """
    tally, folder = ending.tally, f"results/{log.drop.drop_id}"
    correlation_id = f"drop-{log.drop.drop_id}"
    counts = {**tally.counts(), **ending.more.get("parts", {})}
    words: Any = {
        "state": ending.state,
        "reason": ending.reason,
        "failed_parts": ending.failed_parts,
        "failures": ending.failures,
    }
    said = log.moved(counts, **words)
    summary = summary_json(
        said,
        bucket=drops_bucket,
        rules=rules,
        tally=tally,
        correlation_id=correlation_id,
        seconds=seconds,
        more=ending.more,
    )
    bodies = {"summary.json": summary}
    if ending.state == "COMPLETE":
        bodies["manifest.json"] = manifest_json(said.drop_id, ending.files)
    for name, body in bodies.items():
        objects.put(
            results_bucket, key=f"{folder}/{name}", body=body, content_type="application/json"
        )
    if ending.state == "COMPLETE":
        # Before the drop is closed: what is closed is never taken up again.
        log.tell_newest()
    drop = log.save(counts, **words)
    _tell(drop, tally, correlation_id, seconds=seconds)
    return drop


def _tell(drop: Drop, tally: Tally, correlation_id: str, *, seconds: float) -> None:
    emit_metrics(
        "drop_finished",
        {
            "Rejects": tally.rejected + (drop.state == "REJECTED"),  # the file counts as one
            "Decisions": tally.decisions,
            "Fallbacks": tally.fallbacks,
        },
        dimensions={"placement": "batch"},
        drop_id=drop.drop_id,
        state=drop.state,
        records=tally.records,
        folded=tally.folded,
        duplicate=tally.duplicate,
        erased=tally.erased or None,
        customers=tally.customers,
        scored=tally.scored,
        effects=tally.effects.total(),
        seconds=round(seconds, 3),
        reason=drop.reason,
        correlation_id=correlation_id,
    )
    for segment, count in sorted(tally.segments.items()):
        emit_metrics(
            "segment_scored",
            {"Segments": count},
            dimensions={"segment": segment},
            correlation_id=correlation_id,
        )
