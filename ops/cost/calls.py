"""What one call to AWS is billed as, read from the request, the answer and the items concerned.

Every function returns units by the ids of ``ops/prices.toml``. An operation that is not known here
is an error: a call that nobody counts would look free.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.core.errors import SegueError
from ops.cost.counting import entry_bytes
from ops.cost.units import Index, Item, index_units, item_bytes, read_units, save_units, write_units

KB64 = 65_536
GB = 1_000_000_000
Units = dict[str, float]
Json = Mapping[str, Any]


class CallUnknown(SegueError):
    """A call to AWS of which nobody has said how it is billed."""


@dataclass(frozen=True, slots=True)
class Saved:
    """One item that a call wrote, or checked.

    Attributes:
        table: the physical name.
        before: what stood there; None for nothing.
        after: what stands there now.
    """

    table: str
    before: Item | None
    after: Item | None


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as the wire saw it.

    Attributes:
        service: ``dynamodb``, ``sqs``, ``s3`` …
        operation: DynamoDB's and other JSON services' operation, S3's HTTP method or ``LIST``.
        request: the body, decoded where it is JSON.
        answer: the answer's body, the same.
        sent_bytes: the size of the body.
        ok: whether it was answered with a 2xx.
        saved: the items of a write.
    """

    service: str
    operation: str
    request: Json = field(default_factory=dict)
    answer: Json = field(default_factory=dict)
    sent_bytes: int = 0
    ok: bool = True
    saved: Sequence[Saved] = ()


def units_of(call: Call, indexes: Mapping[str, Sequence[Index]]) -> Units:
    """What a call is billed as; raises CallUnknown.

    ``indexes`` are the indexes of each table by its physical name.
    """
    match call.service:
        case "dynamodb":
            return _dynamodb(call, indexes)
        case "s3":
            return _s3(call)
        case _:
            return _other(call)


def _s3(call: Call) -> Units:
    match call.operation:
        case "GET" | "HEAD":
            return {"s3.get": 1}
        case "PUT" | "POST" | "LIST":
            return {"s3.put": 1}
        case "DELETE":
            return {}
    raise _unknown(call)


def _other(call: Call) -> Units:
    match call.service, call.operation:
        case "sqs", "SendMessage" | "SendMessageBatch":
            return {"sqs.request": chunks(call.sent_bytes)}
        case "email", "POST":
            return {"ses.mail": 1, "transfer.out_gb": call.sent_bytes / GB}
        case "events", "PutEvents":
            entries = call.request["Entries"]
            return {"events.custom": sum(chunks(len(json.dumps(each))) for each in entries)}
        case "ssm", "GetParameter":
            # A SecureString under the key that AWS manages: each read is one Decrypt.
            return {"ssm.request": 1, "kms.request": 1}
    raise _unknown(call)


def _unknown(call: Call) -> CallUnknown:
    return CallUnknown(f"{call.service} {call.operation}: nobody has said how it is billed")


def chunks(size_bytes: int) -> int:
    """Requests of a message service, which counts 64 KB each."""
    return max(1, -(-size_bytes // KB64))


def _dynamodb(call: Call, indexes: Mapping[str, Sequence[Index]]) -> Units:
    match call.operation:
        case "BatchGetItem":
            return {"dynamodb.read_unit": _batch_units(call)}
        case "Query":
            found = _found_bytes(call)
            consistent = bool(call.request.get("ConsistentRead", False))
            return {"dynamodb.read_unit": read_units(found, consistent=consistent)}
        case "PutItem" | "UpdateItem" | "DeleteItem":
            return {"dynamodb.write_unit": _saved_units(call, indexes, transactional=False)}
        case "TransactWriteItems":
            return {"dynamodb.write_unit": _saved_units(call, indexes, transactional=True)}
    raise _unknown(call)


def _found_bytes(call: Call) -> int:
    """What a query has read; one that counts reads as much, and shows none of it."""
    if call.request.get("Select") == "COUNT":
        counted: int = call.answer["Count"]
        return counted * entry_bytes()
    return sum(item_bytes(item) for item in call.answer.get("Items", ()))


def _batch_units(call: Call) -> float:
    """Each item is rounded up by itself, and one that is not there costs as much as a small one."""
    units = 0.0
    for table, asked in call.request["RequestItems"].items():
        consistent = bool(asked.get("ConsistentRead", False))
        found = call.answer.get("Responses", {}).get(table, ())
        sizes = [item_bytes(item) for item in found]
        sizes += [0] * (len(asked["Keys"]) - len(sizes))
        units += sum(read_units(size, consistent=consistent) for size in sizes)
    return units


def _saved_units(call: Call, indexes: Mapping[str, Sequence[Index]], *, transactional: bool) -> int:
    """A write that was refused is billed by what stood there, and changes no index."""
    units = 0
    for each in call.saved:
        if not call.ok:
            size = item_bytes(each.before) if each.before else 0
            units += write_units(size, transactional=transactional)
            continue
        units += save_units(each.before, each.after, transactional=transactional)
        units += index_units(each.before, each.after, indexes.get(each.table, ()))
    return units
