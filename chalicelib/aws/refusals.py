"""What DynamoDB means when it refuses a write: a lost race, contention, throttling, or ourselves.

The trap that this module closes: a conditional write is applied, its reply is lost, it is sent
again, and its own first copy makes the condition fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.aws.errors import code_of, translate
from chalicelib.aws.items import Item, same_save
from chalicelib.core.errors import Broken, SegueError, Throttled
from chalicelib.core.storage import AtVersion, Conflict, Put, Write

_FAILED = "ConditionalCheckFailed"
_CONTENTION = "TransactionConflict"
_THROTTLED = frozenset({"ProvisionedThroughputExceeded", "ThrottlingError"})


def was_retried(error: ClientError) -> bool:
    """Whether the SDK had asked before, so that an earlier reply may have been lost."""
    return int(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)) > 0


def settle(
    error: ClientError, writes: Sequence[Write], wanted: Sequence[Item | None], *, in_doubt: bool
) -> None:
    """Return when the refusal met our own earlier write; otherwise raise what it means.

    Args:
        error: the refusal.
        writes: what was to be written.
        wanted: the item of each conditional put among them, None for the others.
        in_doubt: whether an earlier attempt may have been applied.

    Raises Conflict, Throttled, Transient or Broken.
    """
    reasons = _reasons(error)
    failed = [
        write
        for write, reason in zip(writes, reasons, strict=False)
        if reason.get("Code") in (_FAILED, _CONTENTION)
    ]
    if not failed:
        raise _unconditional(error, reasons) from None
    if not (in_doubt and _is_ours(writes, wanted, reasons)):
        raise Conflict(failed) from None


def _reasons(error: ClientError) -> Sequence[Mapping[str, Any]]:
    """Why each write was refused, in order; empty when the refusal is of another kind."""
    response: Mapping[str, Any] = error.response
    match code_of(error):
        case "ConditionalCheckFailedException":
            return [{"Code": _FAILED, "Item": response.get("Item")}]
        case "TransactionConflictException":
            return [{"Code": _CONTENTION}]
        case "TransactionCanceledException":
            reasons: Sequence[Mapping[str, Any]] = response.get("CancellationReasons", [])
            return reasons
    return []


def _unconditional(error: ClientError, reasons: Sequence[Mapping[str, Any]]) -> SegueError:
    """What a refusal means that neither a condition nor contention explains."""
    causes = sorted({str(reason.get("Code") or "None") for reason in reasons} - {"None"})
    if not causes:
        return translate(error)
    text = f"{error.operation_name}: {', '.join(causes)}"
    return Throttled(text) if _THROTTLED.issuperset(causes) else Broken(text)


def _is_ours(
    writes: Sequence[Write],
    wanted: Sequence[Item | None],
    reasons: Sequence[Mapping[str, Any]],
) -> bool:
    """Whether every conditional put already stands exactly as we wanted it.

    A deletion leaves nothing to compare, so a write of deletions alone is never taken for ours.
    """
    matches = [
        item is not None and same_save(item, reason.get("Item"))
        for write, item, reason in zip(writes, wanted, reasons, strict=True)
        if isinstance(write, Put) and isinstance(write.condition, AtVersion)
    ]
    return bool(matches) and all(matches)
