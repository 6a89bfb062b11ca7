"""What botocore raises, said in the words of Segue's one error tree.

Nothing above ``aws`` ever sees a botocore exception. Texts name the operation, the code and the
request id, never the message: AWS and botocore echo parameters in it, addresses among them. For
the same reason the original exception is not chained.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from chalicelib.core.errors import Broken, NotFound, Replaced, SegueError, Throttled, Transient

# Too busy, whatever the status is: nothing was done.
_THROTTLING_CODES = frozenset({
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttling",
    "ThrottledException",
    "ThrottlingException",
    "TooManyRequestsException",
})  # fmt: skip
# Worth another try although the status is 4xx.
_TRANSIENT_CODES = frozenset({
    "ConcurrentModificationException",
    "ExpiredToken",  # credentials are renewed under us
    "ExpiredTokenException",
    "OperationAborted",
    "PriorRequestNotComplete",
    "ReplicatedWriteConflictException",
    "RequestTimeout",
    "RequestTimeoutException",
    "TransactionConflictException",
    "TransactionInProgressException",
})  # fmt: skip
_REPLACED_CODES = frozenset({"412", "PreconditionFailed"})  # it is not what it was
_ABSENT_CODES = frozenset({"404", "NoSuchKey", "NoSuchVersion"})
# Nobody answered, or what came was cut short or damaged.
_ON_THE_WIRE = (
    BotoConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)
_TOO_MANY_REQUESTS = 429
_SERVER_FAULT = 500
# SQS's query-compatible protocol and SSM's KMS errors carry a prefix before the code proper.
_PREFIXES = ("AWS.SimpleQueueService.", "com.amazonaws.", "KMS.")


def code_of(error: ClientError) -> str:
    """The error code as AWS names it, without protocol prefixes."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    for prefix in _PREFIXES:
        code = code.removeprefix(prefix)
    return code


def status_of(error: ClientError) -> int:
    """The HTTP status that came with the error, 0 when there was none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def translate(error: ClientError | BotoCoreError) -> SegueError:
    """Say a botocore exception in our own tree; each class of it has codes of its own."""
    if isinstance(error, ClientError):
        return _answered(error)
    if isinstance(error, _ON_THE_WIRE):
        return Transient(type(error).__name__)
    return Broken(type(error).__name__)


def _answered(error: ClientError) -> SegueError:
    code, status = code_of(error), status_of(error)
    request_id = error.response.get("ResponseMetadata", {}).get("RequestId", "unknown")
    text = f"{error.operation_name}: {code} (request {request_id})"
    if code in _THROTTLING_CODES or status == _TOO_MANY_REQUESTS:
        return Throttled(text)
    if code in _TRANSIENT_CODES or status >= _SERVER_FAULT:
        return Transient(text)
    if code in _REPLACED_CODES:
        return Replaced.of(error.operation_name, f"found another object ({code})")
    if code in _ABSENT_CODES:
        return NotFound.of(error.operation_name, f"found nothing ({code})")
    return Broken(text)


@contextmanager
def translated() -> Iterator[None]:
    """Let nothing but our own errors out of the block."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise translate(error) from None
