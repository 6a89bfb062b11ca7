"""From the tables' streams to the decision log in S3, and to the counts of the hour.

Every new decision record becomes one line of ``log/decisions/date=…/``, in the object that the
first record of its batch names: a batch that comes again writes the same object again. Then the
hours that the batch speaks of are counted, each in one item that remembers which batches it has
counted. New effects, mails that the provider took, codes that were used and messages that were
accepted are counted in the same way, and are no lines. Neither checkouts nor events wait for it,
and nothing is written for its sake where they happen.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from chalicelib.aws.items import stored_of
from chalicelib.core.canonical import canonical_json, short_hash
from chalicelib.core.errors import SegueError, Transient
from chalicelib.core.kinds import EFFECT, LIVE_OFFER, MESSAGE, RECORD, ROLLUP
from chalicelib.core.log_line import Line, line_of
from chalicelib.core.ports import Store
from chalicelib.core.rollup import (
    KEPT_SECONDS,
    Batch,
    Counted,
    Rollup,
    Tick,
    add,
    hour_of,
    minute_of,
    name_of,
    names_of_effect,
    names_of_line,
    names_of_mail,
    names_of_use,
)
from chalicelib.core.storage import AtVersion, Conflict, Key, Kind, Put
from chalicelib.flows.wordless import wordless
from chalicelib.telemetry import log_event

DECISIONS = "log/decisions"
MOST_ROUNDS = 8
# What a file brought is no event that a shop has just sent.
_OF_A_FILE = f"{MESSAGE.prefix}file-"
BatchAnswer = dict[str, list[dict[str, str]]]


class LogBucket(Protocol):
    """Takes whole objects."""

    def put(self, bucket: str, *, key: str, body: bytes, content_type: str) -> None:
        """Store bytes as an object, over what stood there."""
        ...


@dataclass(frozen=True, slots=True)
class ChroniclePorts:
    """What writing the log needs.

    Attributes:
        store: where the counts lie.
        objects: where the log lies.
        bucket: its bucket.
        secret: makes pseudonyms.
        currency: the model's, in which it was shown amounts.
    """

    store: Store
    objects: LogBucket
    bucket: str
    secret: bytes
    currency: str


@dataclass(slots=True)
class _Said:
    """What a batch says: lines by date, what is to be counted, and what nobody could read."""

    lines: dict[str, list[Line]] = field(default_factory=dict)
    counted: list[Counted] = field(default_factory=list)
    unreadable: int = 0


@wordless
def from_stream(event: Mapping[str, Any], *, ports: ChroniclePorts, now: int) -> BatchAnswer:
    """Log and count what stream records say was stored.

    A record that cannot be read is named in the log and left out: it stands in its table as it is,
    and would be as unreadable the next time.

    Returns:
        Lambda's partial batch answer, which names nothing: a batch succeeds as a whole.

    Raises:
        Transient: bucket or table did not take it; the stream delivers the whole batch again.
    """
    records: Sequence[Mapping[str, Any]] = event["Records"]
    said = _read(records, ports)
    if said.counted:
        numbers = [int(each["dynamodb"]["SequenceNumber"]) for each in records]
        batch = Batch(min(numbers), max(numbers))
        for date, lines in said.lines.items():
            _log(date, lines, batch, ports)
        _count(said.counted, batch, ports, now)
    log_event(
        "chronicled",
        decisions=sum(map(len, said.lines.values())),
        records=len(records),
        failed=said.unreadable,
    )
    return {"batchItemFailures": []}


def _read(records: Iterable[Mapping[str, Any]], ports: ChroniclePorts) -> _Said:
    said = _Said()
    for record in records:
        change = record["dynamodb"]
        number = int(change["SequenceNumber"])
        try:
            if record["eventName"] == "INSERT":
                _take_new(change, number, said, ports)
            elif record["eventName"] == "MODIFY":
                _take_changed(change, number, said)
        except (SegueError, KeyError, TypeError, ValueError) as error:
            said.unreadable += 1
            log_event("record_unreadable", event_id=str(number), error=type(error).__name__)
    return said


def _take_new(change: Mapping[str, Any], number: int, said: _Said, ports: ChroniclePorts) -> None:
    match change["Keys"]["sk"]["S"]:
        case RECORD.name:
            stored = stored_of(Key(RECORD, change["Keys"]["pk"]["S"]), _image(change))
            line = line_of(stored.value, secret=ports.secret, currency=ports.currency)
            if line is not None:
                said.lines.setdefault(line["at"][:10], []).append(line)
                names = names_of_line(line)
                said.counted.append(
                    _counted(number, line["decided_at"], RECORD, names, "decisions")
                )
        case EFFECT.name:
            effect = _body(change)
            names = names_of_effect(effect)
            said.counted.append(_counted(number, effect["planned_at"], EFFECT, names))
        case MESSAGE.name if not change["Keys"]["pk"]["S"].startswith(_OF_A_FILE):
            at = _stored_at(change)
            said.counted.append(_counted(number, at, MESSAGE, ("events",), "events"))


def _take_changed(change: Mapping[str, Any], number: int, said: _Said) -> None:
    """Count what a change tells of; most changes tell of nothing that is counted."""
    stored_at = _stored_at(change)
    match change["Keys"]["sk"]["S"]:
        case EFFECT.name:
            effect = _body(change)
            if names := names_of_mail(effect, stored_at=stored_at):
                said.counted.append(_counted(number, effect["changed_at"], EFFECT, names, "mails"))
        case LIVE_OFFER.name:
            live = _body(change)
            if names := names_of_use(live, stored_at=stored_at):
                at = live["redeemed_at"]
                said.counted.append(_counted(number, at, LIVE_OFFER, names, "redemptions"))


def _counted(
    number: int, at: int, kind: Kind[Any], names: tuple[str, ...], tick: Tick | None = None
) -> Counted:
    return Counted(number, name_of(hour_of(at), kind.table), names, tick, minute_of(at))


def _stored_at(change: Mapping[str, Any]) -> int:
    return int(change["ApproximateCreationDateTime"])


def _body(change: Mapping[str, Any]) -> Mapping[str, Any]:
    body: Mapping[str, Any] = json.loads(change["NewImage"]["body"]["S"])
    return body


def _image(change: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The item as storage has it: what Lambda hands over is JSON, and bytes are base64 in it."""
    image: Mapping[str, Mapping[str, Any]] = change["NewImage"]
    body = base64.b64decode(image["body"]["B"], validate=True)
    return {**image, "body": {"B": body}}


def _log(date: str, lines: Sequence[Line], batch: Batch, ports: ChroniclePorts) -> None:
    """Write one object; the same lines give the same bytes.

    Numbers of one shard never repeat; the decision tells apart what two shards may have numbered
    alike, or the later object would take the place of the other.
    """
    named = f"{batch.first}-{short_hash(lines[0]['decision_id'], digits=8)}"
    text = b"".join(canonical_json(line) + b"\n" for line in lines)
    ports.objects.put(
        ports.bucket,
        key=f"{DECISIONS}/date={date}/{named}.jsonl.gz",
        body=gzip.compress(text, mtime=0),
        content_type="application/gzip",
    )


def _count(counted: Iterable[Counted], batch: Batch, ports: ChroniclePorts, now: int) -> None:
    by_item: dict[str, list[Counted]] = {}
    for each in counted:
        by_item.setdefault(each.item, []).append(each)
    for item, theirs in sorted(by_item.items()):
        _count_item(ROLLUP.key(item), theirs, batch, ports.store, now)


def _count_item(
    key: Key[Rollup], counted: Sequence[Counted], batch: Batch, store: Store, now: int
) -> None:
    for _ in range(MOST_ROUNDS):
        found = store.read([key], now=now)
        known = found.value(key) or Rollup()
        more = add(known, counted, batch=batch)
        if more == known:
            return
        expires_at = now + KEPT_SECONDS
        try:
            return store.write([Put(key, more, AtVersion(found.version(key)), expires_at)], now=now)
        except Conflict:
            continue  # another shard counted meanwhile, or our own reply was lost
    raise Transient("others keep counting the same hour")
