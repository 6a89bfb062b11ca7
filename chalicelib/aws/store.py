"""Every read and write of Segue's five tables: one ``BatchGetItem``, one conditional write.

A write of one thing is a single conditional call; a write of several is one transaction. After a
lost reply the SDK or this store asks again, and the condition then fails on our own write: what
stands there is compared with what we wanted, and our own is a success. That is done only when an
earlier attempt is in doubt, so two callers that save the very same value do not both win.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.aws.batch import MOST_KEYS, Batch
from chalicelib.aws.deadline import READ_SECONDS, Deadline, within
from chalicelib.aws.errors import translate, translated
from chalicelib.aws.items import Item, Verb, action_of
from chalicelib.aws.refusals import settle, was_retried
from chalicelib.core.control import DROP_LIST
from chalicelib.core.kinds import DROP, EFFECT, FACTS, OWNED, RECORD
from chalicelib.core.storage import (
    Check,
    Found,
    Key,
    Kind,
    Stored,
    Table,
    Write,
)
from chalicelib.core.subject import Subject

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

MOST_WRITES = 100  # of one TransactWriteItems
MOST_BELONGINGS = 10_000  # as many keys as one look brings back at most


class DynamoStore:
    """Storage on DynamoDB; ``tests.fakes.MemoryStore`` passes the same contract suite."""

    def __init__(
        self,
        client: Callable[[], DynamoDBClient],
        *,
        tables: Mapping[Table, str],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the client to use and the name of each table.

        Calls with a deadline expect a client that tries once (``Clients.dynamodb_fast``);
        without one, a client that retries by itself (``Clients.dynamodb_patient``).
        """
        self._client = client
        self._tables = tables
        self._sleep = sleep

    def read(
        self, keys: Sequence[Key[Any]], *, now: int, deadline: Deadline | None = None
    ) -> Found:
        """Read things strongly consistently, 100 in each call.

        Raises Transient when storage does not answer in time, DeadlineExceeded when there is no
        time to ask, Broken when a stored thing is unreadable.
        """
        client = self._client()
        wanted = list(dict.fromkeys(keys))
        stored: dict[Key[Any], Stored[Any]] = {}
        for start in range(0, len(wanted), MOST_KEYS):
            batch = Batch(client, wanted[start : start + MOST_KEYS], tables=self._tables)
            batch.read(deadline, sleep=self._sleep)
            stored.update(batch.stored)
        return Found(stored, now=now)

    def write(self, writes: Sequence[Write], *, now: int, deadline: Deadline | None = None) -> None:
        """Write all of it or nothing; no writes are no call.

        Raises Conflict naming the writes whose condition did not hold or whose item another
        transaction held, Transient when storage did not answer (then the outcome is unknown),
        DeadlineExceeded when there is no time to ask, ValueError on more than 100 writes or two
        to one key.
        """
        check_writes(writes)
        actions = [
            action_of(write, table=self._tables[write.key.kind.table], now=now) for write in writes
        ]
        if not actions:
            return
        client = self._client()
        wanted = [request.get("Item") for _, request in actions]
        token = str(uuid.uuid4())  # so that a second attempt of a transaction applies it once

        def attempt(number: int) -> None:
            try:
                if len(actions) == 1 and not isinstance(writes[0], Check):
                    _write_one(client, *actions[0])
                else:
                    _write_all(client, actions, token=token)
            except ClientError as error:
                settle(error, writes, wanted, in_doubt=number > 1 or was_retried(error))
            except BotoCoreError as error:
                raise translate(error) from None

        within(deadline, attempt, first_needs_seconds=READ_SECONDS, sleep=self._sleep)

    def due(self, *, shard: int, now: int, limit: int) -> list[tuple[Subject, int]]:
        """Subjects of a shard whose ``review_at`` has come, with that moment, oldest first.

        Names also subjects whose facts have expired and that TTL has not yet removed: they read
        as absent, and whoever finds them so deletes them, or they come up for ever.
        """
        items = self._query(
            "profiles",
            limit=limit,
            IndexName="due",
            KeyConditionExpression="due_shard = :shard AND review_at <= :now",
            ExpressionAttributeValues={":shard": {"S": f"due#{shard:02}"}, ":now": {"N": str(now)}},
        )
        return [
            (Subject.from_key(item["pk"]["S"]), int(item["review_at"]["N"]))
            for item in items
            if item["sk"]["S"] == FACTS.name
        ]

    def recent_decisions(self, subject_key: str, *, limit: int) -> list[str]:
        """Ids of the latest decisions on a subject, newest first; some may have expired."""
        items = self._query(
            "decisions",
            limit=limit,
            IndexName="by_subject",
            KeyConditionExpression="subject = :subject",
            ExpressionAttributeValues={":subject": {"S": subject_key}},
            ScanIndexForward=False,
        )
        return [item["pk"]["S"].removeprefix(RECORD.prefix) for item in items]

    def belongings(
        self, subject_key: str, *, table: Literal["profiles", "effects"]
    ) -> list[Key[Any]]:
        """Keys of everything in a table that is a subject's, other than under their own name.

        The index follows the table with a delay, so it may miss what was stored just now and
        name what has just been given away.
        """
        items = self._query(
            table,
            limit=MOST_BELONGINGS,
            IndexName="by_owner",
            KeyConditionExpression="owned_by = :owner",
            ExpressionAttributeValues={":owner": {"S": subject_key}},
        )
        return [Key(OWNED[item["sk"]["S"]], item["pk"]["S"]) for item in items]

    def members(self, group: str, *, limit: int) -> list[tuple[Subject, int]]:
        """Who is in a group since when, the latest first; some may have left it or expired."""
        items = self._query(
            "profiles",
            limit=limit,
            IndexName="by_group",
            KeyConditionExpression="in_group = :group",
            ExpressionAttributeValues={":group": {"S": group}},
            ScanIndexForward=False,
        )
        return [(Subject.from_key(item["pk"]["S"]), int(item["grouped_at"]["N"])) for item in items]

    def count_group(self, group: str) -> int:
        """How many are in a group, counted page by page (a megabyte of keys each)."""
        client, request, found = self._client(), dict[str, Any](), 0
        while True:
            with translated():
                answer = client.query(
                    TableName=self._tables["profiles"],
                    IndexName="by_group",
                    KeyConditionExpression="in_group = :group",
                    ExpressionAttributeValues={":group": {"S": group}},
                    Select="COUNT",
                    **request,
                )
            found += answer["Count"]
            if "LastEvaluatedKey" not in answer:
                return found
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def overdue(self, kind: Kind[Any], *, shard: str, now: int, limit: int) -> list[str]:
        """Names of things of a kind that somebody should have looked at by now, oldest first.

        ``shard`` is a value of ``open_shard``. As ``due`` it names also what has expired.
        """
        items = self._query(
            kind.table,
            limit=limit,
            IndexName="open",
            KeyConditionExpression="open_shard = :shard AND look_at <= :now",
            ExpressionAttributeValues={":shard": {"S": shard}, ":now": {"N": str(now)}},
        )
        return [
            item["pk"]["S"].removeprefix(kind.prefix)
            for item in items
            if item["sk"]["S"] == kind.name
        ]

    def listed(self, *, under: str, before: str | None, limit: int) -> list[str]:
        """Positions of mails in one shard of the list, newest first, from before a position."""
        return self._positions(EFFECT.table, "mails", under, before=before, limit=limit)

    def recent_drops(self, *, before: str | None, limit: int) -> list[str]:
        """Positions of drops in their list, newest first, from before a position."""
        return self._positions(DROP.table, "drops", DROP_LIST, before=before, limit=limit)

    def _positions(
        self, table: Table, index: str, under: str, *, before: str | None, limit: int
    ) -> list[str]:
        condition, values = "listed_under = :under", {":under": {"S": under}}
        if before is not None:
            condition += " AND listed_at < :before"
            values[":before"] = {"S": before}
        items = self._query(
            table,
            limit=limit,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ScanIndexForward=False,
        )
        return [item["listed_at"]["S"] for item in items]

    def _query(self, table: Table, *, limit: int, **request: Any) -> list[Item]:
        client = self._client()
        items: list[Item] = []
        while len(items) < limit:
            with translated():
                answer = client.query(
                    TableName=self._tables[table], Limit=limit - len(items), **request
                )
            items += answer.get("Items", [])
            if "LastEvaluatedKey" not in answer:
                break
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return items


def check_writes(writes: Sequence[Write]) -> None:
    """Refuse what one transaction cannot hold; raises ValueError."""
    if len(writes) > MOST_WRITES:
        raise ValueError(f"{len(writes)} writes; one transaction holds {MOST_WRITES}")
    if len({write.key for write in writes}) < len(writes):
        raise ValueError("two writes to one key")


def _write_one(client: DynamoDBClient, verb: Verb, request: Mapping[str, Any]) -> None:
    match verb:
        case "Put":
            client.put_item(**request)
        case "Update":
            client.update_item(**request)
        case "Delete":
            client.delete_item(**request)
        case "ConditionCheck":
            raise ValueError("a check stands only in a transaction")


def _write_all(
    client: DynamoDBClient, actions: Sequence[tuple[Verb, Mapping[str, Any]]], *, token: str
) -> None:
    items: list[Any] = [{verb: request} for verb, request in actions]
    client.transact_write_items(TransactItems=items, ClientRequestToken=token)
