"""One ``BatchGetItem`` and the rounds that it takes: storage may answer for some keys only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chalicelib.aws.deadline import Deadline, within
from chalicelib.aws.errors import translated
from chalicelib.aws.items import Item, key_of, stored_of
from chalicelib.core.errors import Throttled, Transient
from chalicelib.core.storage import Key, Stored, Table

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

MOST_KEYS = 100  # of one BatchGetItem
# Between rounds when nobody waits. Six rounds of at most 16 MB also hold 100 of the largest items.
_PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8)


class Unprocessed(Throttled):
    """Storage answered, but not for every key."""


class Batch:
    """At most 100 keys, asked for until each was answered; what came is in ``stored``."""

    def __init__(
        self,
        client: DynamoDBClient,
        keys: Sequence[Key[Any]],
        *,
        tables: Mapping[Table, str],
    ) -> None:
        """Prepare the request; nothing is asked yet."""
        self.stored: dict[Key[Any], Stored[Any]] = {}
        self._client = client
        self._by_name = {(key.partition, key.kind.name): key for key in keys}
        self._pending: dict[str, Any] = {}
        for key in keys:
            table = tables[key.kind.table]
            asked = self._pending.setdefault(table, {"Keys": [], "ConsistentRead": True})
            asked["Keys"].append(key_of(key))

    def ask(self) -> None:
        """Ask for what is still missing; raises Unprocessed when some of it stays missing."""
        with translated():
            answer = self._client.batch_get_item(RequestItems=self._pending)
        if "Responses" not in answer:
            raise Transient("BatchGetItem: unreadable answer")
        for items in answer["Responses"].values():
            self._take(items)
        self._pending = {
            table: {"Keys": left["Keys"], "ConsistentRead": True}
            for table, left in answer.get("UnprocessedKeys", {}).items()
        }
        if self._pending:
            raise Unprocessed("BatchGetItem: keys were left unprocessed")

    def read(self, deadline: Deadline | None, *, sleep: Callable[[float], None]) -> None:
        """Ask until every key is answered: at most twice within a deadline, else six times.

        Raises Unprocessed when that was not enough, and what ``ask`` raises.
        """
        if deadline is not None:
            return within(deadline, lambda _: self.ask(), sleep=sleep)
        for pause_seconds in _PAUSES_SECONDS:
            try:
                return self.ask()
            except Unprocessed:
                sleep(pause_seconds)
        return self.ask()

    def _take(self, items: Sequence[Item]) -> None:
        for item in items:
            key = self._by_name[item["pk"]["S"], item["sk"]["S"]]
            self.stored[key] = stored_of(key, item)
