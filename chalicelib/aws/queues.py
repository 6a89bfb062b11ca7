"""Messages onto one queue, ten at a time; what a consumer makes of them is not known here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.aws.errors import translated
from chalicelib.core.canonical import canonical_json
from chalicelib.core.errors import Broken, Transient

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient
    from types_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

MOST_MESSAGES = 10  # of one SendMessageBatch
# SQS takes 1 MiB in a batch since 2025; local stacks and older partitions still take 256 KiB.
MOST_BYTES = 262_144
_PAUSES_SECONDS = (0.1, 0.4)


class SqsQueue:
    """One queue by its URL."""

    def __init__(
        self,
        client: Callable[[], SQSClient],
        *,
        url: str,
        delay_seconds: int = 0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the client to use and the queue to send to.

        Consumers see each message ``delay_seconds`` later, at most 900; nothing is delayed
        by default.
        """
        self._client = client
        self._url = url
        self._delay_seconds = delay_seconds
        self._sleep = sleep

    def send(
        self, bodies: Sequence[Mapping[str, Any]], *, delay_seconds: int | None = None
    ) -> None:
        """Send every body as canonical JSON, at least once, with this delay or the queue's own.

        Raises Transient when some could not be sent after three tries; the others may have been.
        Raises Broken when SQS says that a message is our fault, ValueError when one is too large.
        """
        for batch in _batches([canonical_json(body).decode() for body in bodies]):
            self._send_batch(batch, self._delay_seconds if delay_seconds is None else delay_seconds)

    def _send_batch(self, texts: Sequence[str], delay_seconds: int) -> None:
        pending: list[SendMessageBatchRequestEntryTypeDef] = [
            {
                "Id": str(index),
                "MessageBody": text,
                "DelaySeconds": delay_seconds,
            }
            for index, text in enumerate(texts)
        ]
        for pause_seconds in (*_PAUSES_SECONDS, None):
            with translated():
                answer = self._client().send_message_batch(QueueUrl=self._url, Entries=pending)
            failed = {entry["Id"]: entry for entry in answer.get("Failed", [])}
            if not failed:
                return
            faults = sorted({e["Code"] for e in failed.values() if e.get("SenderFault")})
            if faults:
                raise Broken(f"SendMessageBatch: {', '.join(faults)}")
            pending = [entry for entry in pending if entry["Id"] in failed]
            if pause_seconds is not None:
                self._sleep(pause_seconds)
        raise Transient(f"SendMessageBatch: {len(pending)} messages were not taken")


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """Cut into batches that SQS takes by number and by size."""
    batch: list[str] = []
    room = MOST_BYTES
    for text in texts:
        size = len(text.encode())
        if size > MOST_BYTES:
            raise ValueError(f"a message of {size} bytes; a queue takes {MOST_BYTES}")
        if size > room or len(batch) == MOST_MESSAGES:
            yield batch
            batch, room = [], MOST_BYTES
        batch.append(text)
        room -= size
    if batch:
        yield batch
