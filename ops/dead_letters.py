"""The dead-letter queues of a stage: which there are, what is in them, and how to empty one.

A queue that the merge template gives a dead-letter queue is named after both, ``drops`` for
DropsQueue and DropsDeadLetters. The stream and the schedules have one each and no queue to go
back to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ops.template import Template, resources_of

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

_SUFFIX = "DeadLetters"
# Longer than a batch takes; what is not taken back stays hidden for so long.
HIDDEN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """One dead-letter queue.

    Attributes:
        name: what commands call it.
        logical_id: what the template calls it.
        source: the logical id of the queue that it belongs to; None where there is none.
    """

    name: str
    logical_id: str
    source: str | None


def dead_letter_queues(template: Template) -> list[DeadLetters]:
    """All dead-letter queues of the template, in its order."""
    queues = dict(resources_of(template, "AWS::SQS::Queue"))
    sources = {
        one["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0]: name
        for name, one in queues.items()
        if "RedrivePolicy" in one
    }
    return [
        DeadLetters(_spoken(name.removesuffix(_SUFFIX)), name, sources.get(name))
        for name in queues
        if name.endswith(_SUFFIX)
    ]


def count_messages(queues: SQSClient, url: str) -> int:
    """How many messages wait in a queue, hidden ones included; about, as SQS says it."""
    names: list[Any] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = queues.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def batches(
    queues: SQSClient, url: str, *, wait_seconds: int = 1
) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Messages, at most ten at a time, until the queue is empty; none is deleted.

    Each message comes once: one that was not deleted stays hidden for a minute.
    """
    seen: set[str] = set()
    while True:
        received: Any = queues.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=HIDDEN_SECONDS,
            MessageAttributeNames=["All"],
        )
        batch = [each for each in received.get("Messages", []) if each["MessageId"] not in seen]
        if not batch:
            return
        seen |= {each["MessageId"] for each in batch}
        yield batch


def delete(queues: SQSClient, url: str, messages: Sequence[Mapping[str, Any]]) -> None:
    """Delete messages that were received; one that is not deleted comes again, and does no harm."""
    entries: Any = [
        {"Id": str(index), "ReceiptHandle": each["ReceiptHandle"]}
        for index, each in enumerate(messages)
    ]
    if entries:
        queues.delete_message_batch(QueueUrl=url, Entries=entries)


def _spoken(name: str) -> str:
    """``MailEvents`` as one writes it in a command: ``mail-events``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
