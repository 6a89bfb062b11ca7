"""Files dropped into S3: one at a time, from the queue's message to results that add up.

A message may name several objects, come twice, or come again after a crash. A drop is named by
bucket, key and version (or ETag), so what is finished is never done again, and what was begun is
taken up: every row knows the drop that folded it. What cannot be used as a whole ends REJECTED with
a reason; a message that nobody understands is left to the dead-letter queue.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from chalicelib.aws.objects import ObjectInfo
from chalicelib.core.control import Drop
from chalicelib.core.errors import BadInput, NotFound, SegueError
from chalicelib.core.instants import parse_instant
from chalicelib.core.kinds import DROP
from chalicelib.core.rules import Rules
from chalicelib.core.storage import WHATEVER, Put
from chalicelib.core.tokens import SigningKeys
from chalicelib.files.records import Rejects
from chalicelib.files.unpack import FileRefused
from chalicelib.flows.drop_notice import Arrived, read_notification
from chalicelib.flows.drop_report import Tally, rejects_csv, summary_json
from chalicelib.flows.drop_work import DropPorts, Work
from chalicelib.telemetry import emit_metrics, log_event


def from_messages(
    event: Mapping[str, Any], *, ports: DropPorts, rules: Rules, keys: SigningKeys, now: int
) -> dict[str, list[dict[str, str]]]:
    """Handle an SQS event; every message that could not be handled is reported by its id."""
    failures = []
    for message in event["Records"]:
        message_id = message["messageId"]
        try:
            for arrived in read_notification(message["body"]):
                handle(arrived, ports=ports, rules=rules, keys=keys, now=now)
        except SegueError as error:
            log_event("drop_failed", message_id=message_id, error=type(error).__name__)
            failures.append({"itemIdentifier": message_id})
    return {"batchItemFailures": failures}


def handle(
    arrived: Arrived, *, ports: DropPorts, rules: Rules, keys: SigningKeys, now: int
) -> Drop:
    """Handle one object; what is finished is not done again.

    Raises Transient where a later delivery may succeed, Broken when counts do not add up.
    """
    drop_key = DROP.key(arrived.drop_id)
    known = ports.store.read([drop_key], now=now).stored(drop_key)
    if known is not None and known.value.state != "RUNNING":
        return known.value
    started = time.monotonic()  # how long it took, for the summary; decides nothing
    try:
        info = ports.objects.head(arrived.bucket, key=arrived.key, version_id=arrived.version_id)
    except NotFound:
        info = None
    drop = Drop(
        drop_id=arrived.drop_id,
        key=arrived.key,
        state="RUNNING",
        as_of=now,
        started_at=now if known is None else known.value.started_at,
        changed_at=now,
    )
    tally = Tally()
    rejects = Rejects()
    work = Work(arrived, ports, rules, keys, now, tally, rejects)
    try:
        if info is None:
            raise FileRefused.of("file", "was gone before it could be read; drop it again")
        drop = replace(drop, as_of=_as_of(info))
        ports.store.write([Put(drop_key, drop, WHATEVER)], now=now)
        with tempfile.TemporaryDirectory(dir=ports.workdir) as folder:
            work.run(drop, Path(folder))
        tally.check()
        drop = replace(drop, state="COMPLETE", counts=tally.counts())
    except FileRefused as refusal:
        drop = replace(drop, state="REJECTED", reason=str(refusal))
    _finish(drop, work, seconds=time.monotonic() - started)
    return drop


def _as_of(info: ObjectInfo) -> int:
    """When the file speaks: its ``as-of`` metadata, else when it was uploaded."""
    stated = info.metadata.get("as-of")
    if stated is None:
        return info.last_modified
    try:
        return parse_instant(stated, field="as-of")
    except BadInput as error:
        raise FileRefused(*error.errors) from None


def _finish(drop: Drop, work: Work, *, seconds: float) -> None:
    """Leave rejects and summary behind, then say that the drop is done; in this order."""
    ports, tally = work.ports, work.tally
    folder = f"results/{drop.drop_id}"
    if drop.state == "COMPLETE":
        ports.objects.put(
            ports.results_bucket,
            key=f"{folder}/rejects.csv",
            body=rejects_csv(work.rejects.found),
            content_type="text/csv",
        )
    ports.objects.put(
        ports.results_bucket,
        key=f"{folder}/summary.json",
        body=summary_json(
            drop,
            bucket=work.arrived.bucket,
            rules=work.rules,
            tally=tally,
            correlation_id=work.correlation_id,
            seconds=seconds,
        ),
        content_type="application/json",
    )
    ports.store.write([Put(DROP.key(drop.drop_id), drop, WHATEVER)], now=work.now)
    emit_metrics(
        "drop_finished",
        {"Rejects": tally.rejected, "Decisions": tally.decisions},
        dimensions={"placement": "batch"},
        drop_id=drop.drop_id,
        state=drop.state,
        records=tally.records,
        folded=tally.folded,
        duplicate=tally.duplicate,
        customers=tally.customers,
        scored=tally.scored,
        effects=tally.effects.total(),
        seconds=round(seconds, 3),
        correlation_id=work.correlation_id,
    )
    for segment, count in sorted(tally.segments.items()):
        emit_metrics(
            "segment_scored",
            {"Segments": count},
            dimensions={"segment": segment},
            correlation_id=work.correlation_id,
        )
