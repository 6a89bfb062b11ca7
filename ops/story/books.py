"""What Segue wrote down, counted: effects by kind and state, codes, records, dead letters.

Counting scans whole tables, which no flow ever does; it is for a demo and for tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.aws.items import stored_of
from chalicelib.core.effects import SENT, TERMINAL, Effect
from chalicelib.core.kinds import COUPON, EFFECT, RECORD

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_sqs import SQSClient

REMINDER = "cart-reminder"  # the template
DEAD_LETTERS = (
    "DropsDeadLetters",
    "EffectsDeadLetters",
    "MailEventsDeadLetters",
    "StreamDeadLetters",
    "ScheduleDeadLetters",
)


@dataclass(frozen=True, slots=True)
class Books:
    """The state of the ledger at one moment.

    Attributes:
        effects: every effect.
        coupons: codes that are stored.
        records: decision records.
    """

    effects: tuple[Effect, ...]
    coupons: int
    records: int

    @property
    def by_state(self) -> Mapping[tuple[str, str], int]:
        """How many effects of each kind stand in each state."""
        return Counter((effect.kind, effect.state) for effect in self.effects)

    @property
    def mails_accepted(self) -> int:
        """Mails that the provider took, whatever became of them then."""
        return sum(self.by_state.get(("mail", state), 0) for state in SENT)

    @property
    def reminders(self) -> int:
        """Mails about a checkout left alone, which only silence sets off."""
        return sum(
            effect.kind == "mail"
            and effect.state in SENT
            and effect.payload["template"] == REMINDER
            for effect in self.effects
        )

    @property
    def open(self) -> int:
        """Effects on which somebody still has to act."""
        return sum(effect.state not in TERMINAL for effect in self.effects)

    def reasons(self, kind: str) -> Mapping[str, int]:
        """Why effects of a kind were not performed."""
        return Counter(
            effect.reason or effect.state
            for effect in self.effects
            if effect.kind == kind and effect.state not in SENT
        )


def read_books(client: DynamoDBClient, outputs: Mapping[str, str]) -> Books:
    """Count what stands in the tables that the stack's outputs name."""
    effects: list[Effect] = []
    coupons = 0
    for item in _items(client, outputs["EffectsTable"]):
        kind, partition = item["sk"]["S"], item["pk"]["S"]
        if kind == EFFECT.name:
            key = EFFECT.key(partition.removeprefix(EFFECT.prefix))
            effects.append(stored_of(key, item).value)
        elif kind == COUPON.name:
            coupons += 1
    records = sum(
        page["Count"]
        for page in client.get_paginator("scan").paginate(
            TableName=outputs["DecisionsTable"],
            Select="COUNT",
            FilterExpression="sk = :kind",
            ExpressionAttributeValues={":kind": {"S": RECORD.name}},
        )
    )
    return Books(tuple(effects), coupons, records)


def waiting(client: SQSClient, queue_url: str) -> int:
    """Messages in a queue, those in a worker's hands included."""
    attributes = client.get_queue_attributes(
        QueueUrl=queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"]) + int(
        attributes["ApproximateNumberOfMessagesNotVisible"]
    )


def dead_letters(client: SQSClient, outputs: Mapping[str, str]) -> Mapping[str, int]:
    """Messages in each dead-letter queue of the stack."""
    return {name: waiting(client, outputs[name]) for name in DEAD_LETTERS}


def _items(client: DynamoDBClient, table: str) -> Iterator[Any]:
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        yield from page["Items"]
