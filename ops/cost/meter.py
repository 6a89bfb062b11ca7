"""Listens to every call that this process makes to moto, and counts what AWS would bill.

What stands in a table before and after a write is looked up in moto itself, so that units and
index entries come from the very items, as ``chalicelib.aws.items`` has encoded them.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest
from moto.core.common_types import TYPE_RESPONSE
from moto.core.models import DEFAULT_ACCOUNT_ID, botocore_stubber
from moto.dynamodb.models import dynamodb_backends

from ops.cost.calls import Call, Saved, Units, units_of
from ops.cost.quantities import added
from ops.cost.units import Index, Item, item_bytes, stored_bytes
from ops.session import LOCAL_ENVIRONMENT

Indexes = Mapping[str, Sequence[Index]]
REGION = LOCAL_ENVIRONMENT["AWS_DEFAULT_REGION"]
_KEY = ("pk", "sk")
_VERBS = {"PutItem": "Put", "UpdateItem": "Update", "DeleteItem": "Delete"}


@dataclass(slots=True)
class Counts:
    """What some work called for.

    Attributes:
        units: what is billed, by price id.
        calls: how many calls of each kind, as ``dynamodb PutItem``.
        item_bytes: the sizes of items as written, by kind.
        byte_seconds: storage until the items expire by themselves.
        kept_bytes: storage of items that never do.
        grown_bytes: by how much storage has grown, whatever becomes of it later.
        kind_units: write units by the kind of item, index entries included.
        tables: every table that was asked.
        aside_ns: CPU time of the listening and of moto, which no function would spend.
    """

    units: Units = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    item_bytes: dict[str, list[int]] = field(default_factory=dict)
    byte_seconds: float = 0.0
    kept_bytes: int = 0
    grown_bytes: int = 0
    kind_units: Counter[str] = field(default_factory=Counter)
    tables: set[str] = field(default_factory=set)
    aside_ns: int = 0


class Meter:
    """Counts into ``counts``, which whoever measures sets for each piece of work; None is deaf."""

    def __init__(self, indexes: Indexes) -> None:
        """Take the indexes of each table by its physical name."""
        self.counts: Counts | None = None
        self._indexes = indexes
        self._turn = threading.RLock()

    @contextmanager
    def listening(self) -> Iterator[Meter]:
        """Listen for the length of a block, within ``moto_in_turns``."""
        process = botocore_stubber.process_request

        def listen(request: AWSPreparedRequest) -> TYPE_RESPONSE | None:
            with self._turn:
                counts = self.counts
                if counts is None:
                    return process(request)
                begun = time.thread_time_ns()
                call = _call_of(request)
                before = [_standing(*place) for place in _places(call)]
                answer = process(request)
                self._count(counts, call, before, answer)
                counts.aside_ns += time.thread_time_ns() - begun
                return answer

        botocore_stubber.process_request = listen  # type: ignore[method-assign]
        try:
            yield self
        finally:
            botocore_stubber.process_request = process  # type: ignore[method-assign]

    def _count(
        self, counts: Counts, asked: Call, before: Sequence[Item | None], answer: Any
    ) -> None:
        status, _, body = answer
        places = _places(asked)
        saved = [
            Saved(table, was, _standing(table, key))
            for (table, key), was in zip(places, before, strict=True)
        ]
        call = Call(
            asked.service,
            asked.operation,
            asked.request,
            _decoded(body) if asked.service == "dynamodb" else {},
            asked.sent_bytes,
            ok=int(status) < 300,
            saved=saved,
        )
        counts.units = added(counts.units, units_of(call, self._indexes))
        counts.calls[f"{call.service} {call.operation}"] += 1
        counts.tables |= _tables(call)
        for each in saved:
            self._stored(counts, each, units_of(_alone(call, each), self._indexes))

    def _stored(self, counts: Counts, saved: Saved, units: Units) -> None:
        indexes = self._indexes.get(saved.table, ())
        standing = saved.after or saved.before
        if standing is not None:
            counts.kind_units[standing["sk"]["S"]] += int(units.get("dynamodb.write_unit", 0))
        if saved.after is None or saved.after == saved.before:
            return
        kind = saved.after["sk"]["S"]
        counts.item_bytes.setdefault(kind, []).append(item_bytes(saved.after))
        grown = stored_bytes(saved.after, indexes) - stored_bytes(saved.before, indexes)
        counts.grown_bytes += grown
        if "expires_at" in saved.after:
            lasts = int(saved.after["expires_at"]["N"]) - time.time()
            counts.byte_seconds += max(0, grown) * max(0.0, lasts)
        else:
            counts.kept_bytes += grown


def _alone(call: Call, saved: Saved) -> Call:
    """The same call, were this its only item."""
    return Call(call.service, call.operation, {}, {}, call.sent_bytes, call.ok, [saved])


def _call_of(request: AWSPreparedRequest) -> Call:
    url = urlsplit(request.url)
    service = _service_of(url.netloc)
    body = request.body if isinstance(request.body, bytes) else b""
    target: Any = request.headers.get("X-Amz-Target", "")  # bytes, whatever its type says
    target = target.decode() if isinstance(target, bytes) else target
    if not target:
        sent = int(request.headers.get("Content-Length") or len(body))
        listing = service == "s3" and "list-type=" in url.query
        return Call(service, "LIST" if listing else request.method, sent_bytes=sent)
    return Call(service, target.rpartition(".")[2], _decoded(body), sent_bytes=len(body))


def _service_of(host: str) -> str:
    """The service that a host name of AWS's names; buckets stand before S3's."""
    labels = host.split(".")
    return "s3" if "s3" in labels else labels[0]


def _places(call: Call) -> list[tuple[str, Any]]:
    """Table and key of every item that a call writes or checks."""
    if call.service != "dynamodb":
        return []
    if call.operation in _VERBS:
        return [_place(call.request)]
    if call.operation == "TransactWriteItems":
        return [_place(one) for each in call.request["TransactItems"] for one in each.values()]
    return []


def _tables(call: Call) -> set[str]:
    """The tables of a call, indexes under their table's name."""
    if call.service != "dynamodb":
        return set()
    if "RequestItems" in call.request:
        return set(call.request["RequestItems"])
    if "TableName" in call.request:
        return {call.request["TableName"]}
    return {table for table, _ in _places(call)}


def _place(action: Mapping[str, Any]) -> tuple[str, Any]:
    named = action.get("Key") or action["Item"]
    return action["TableName"], {name: named[name] for name in _KEY}


def _standing(table: str, key: Any) -> Item | None:
    found = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].get_item(table, key)
    return None if found is None else dict(found.to_json()["Attributes"])


def _decoded(body: Any) -> Mapping[str, Any]:
    text = body.decode() if isinstance(body, bytes) else body
    decoded: Mapping[str, Any] = json.loads(text) if text else {}
    return decoded
