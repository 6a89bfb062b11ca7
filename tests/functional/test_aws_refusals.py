"""What a refused write means: a lost race, contention, throttling, or our own lost reply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.deadline import Deadline
from chalicelib.aws.items import item_of
from chalicelib.aws.store import DynamoStore
from chalicelib.core.errors import Broken, Throttled, Transient
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import FACTS, MESSAGE
from chalicelib.core.storage import Conflict, Put
from chalicelib.core.subject import customer
from tests.loopback import HangUp, Loopback, Reaction, Reply, Request, in_turn
from tests.stores import TABLES, fast_store

NOW = 1_764_000_000
ANN = customer("ann")
KEY = FACTS.key(ANN.key)
SAVE = Put(KEY, Facts(ANN))


class _Table:
    """A table of one item whose first reply is lost, and that checks conditions by version."""

    def __init__(self) -> None:
        self.item: dict[str, Any] | None = None
        self.stolen: dict[str, Any] | None = None

    def react(self, request: Request) -> Reaction:
        body = request.json()
        puts = (
            [body]
            if request.operation == "PutItem"
            else [item["Put"] for item in body["TransactItems"]]
        )
        if self.item is None:
            self.item = self.stolen or puts[0]["Item"]
            return HangUp()
        if request.operation == "PutItem":
            return Reply({"Item": self.item}, status=400, error="ConditionalCheckFailedException")
        failed = {"Code": "ConditionalCheckFailed", "Item": self.item}
        return Reply(
            {"CancellationReasons": [failed, *[{"Code": "None"}] * (len(puts) - 1)]},
            status=400,
            error="TransactionCanceledException",
        )


def _write_over(table: _Table, writes: Sequence[Put[Any]]) -> Loopback:
    with Loopback(table.react) as server:
        fast_store(server).write(writes, now=NOW, deadline=Deadline.after(20))
    return server


def test_our_own_write_whose_reply_was_lost_is_a_success() -> None:
    """The reply is lost, the second attempt meets our own item: that is success, not Conflict."""
    server = _write_over(_Table(), [SAVE])

    assert [request.operation for request in server.requests] == ["PutItem", "PutItem"]


def test_another_writers_item_is_a_conflict_even_after_a_lost_reply() -> None:
    """If what stands there differs from what we wanted, another won while we were in doubt."""
    table = _Table()
    table.stolen = item_of(Put(KEY, Facts(ANN, segment="loyal")), version=1)

    with pytest.raises(Conflict) as conflict:
        _write_over(table, [SAVE])

    assert conflict.value.failed == (SAVE,)


def test_a_transaction_is_ours_only_if_all_of_it_is() -> None:
    """A transaction in doubt of which only one put stands as we wanted is a Conflict."""
    other = Put(MESSAGE.key("m"), {"source": "events"})

    with pytest.raises(Conflict) as conflict:
        _write_over(_Table(), [SAVE, other])

    assert conflict.value.failed == (SAVE,)


def test_an_equal_item_of_another_writer_is_a_conflict_when_nothing_was_lost() -> None:
    """A condition that fails at the first attempt met somebody else, equal bytes or not."""
    refused = Reply(
        {"Item": item_of(SAVE, version=1)}, status=400, error="ConditionalCheckFailedException"
    )

    with Loopback(in_turn(refused)) as server, pytest.raises(Conflict):
        fast_store(server).write([SAVE], now=NOW, deadline=Deadline.after(20))

    assert len(server.requests) == 1


def test_the_sdks_own_retry_counts_as_doubt() -> None:
    """Without a deadline the SDK retries; our own item behind it is a success all the same."""
    with Loopback(_Table().react) as server:
        client = Clients(endpoint_url=server.url).dynamodb_patient
        DynamoStore(client, tables=TABLES).write([SAVE], now=NOW)

    assert len(server.requests) == 2


def _canceled(*codes: str) -> Reply:
    reasons = [{"Code": code} for code in codes]
    return Reply({"CancellationReasons": reasons}, status=400, error="TransactionCanceledException")


OTHER = Put(MESSAGE.key("m"), {"source": "events"})


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (_canceled("None", "TransactionConflict"), (OTHER,)),
        (_canceled("ConditionalCheckFailed", "TransactionConflict"), (SAVE, OTHER)),
        (_canceled("None", "ThrottlingError"), Throttled),
        (_canceled("ProvisionedThroughputExceeded", "None"), Throttled),
        (_canceled("ValidationError", "None"), Broken),
        (Reply(status=400, error="ThrottlingException"), Throttled),
        (Reply(status=400, error="ProvisionedThroughputExceededException"), Throttled),
        (Reply(status=400, error="TransactionInProgressException"), Transient),
        (Reply(status=400, error="ValidationException"), Broken),
        (Reply(status=400, error="AccessDeniedException"), Broken),
        (Reply(status=400, error="ResourceNotFoundException"), Broken),
    ],
)
def test_each_refusal_of_a_transaction_means_one_thing(
    reply: Reply, outcome: tuple[Put[Any], ...] | type[Exception]
) -> None:
    """Contention is a Conflict with its writes, throttling Throttled, a mistake of ours Broken."""
    expected = Conflict if isinstance(outcome, tuple) else outcome
    with Loopback(in_turn(reply)) as server, pytest.raises(expected) as raised:
        fast_store(server).write([SAVE, OTHER], now=NOW)

    if isinstance(outcome, tuple):
        assert isinstance(raised.value, Conflict)
        assert raised.value.failed == outcome
    else:
        assert type(raised.value) is outcome


def test_contention_on_one_item_is_a_conflict() -> None:
    """A single write into an item that a transaction holds is a Conflict naming it."""
    held = Reply(status=400, error="TransactionConflictException")

    with Loopback(in_turn(held)) as server, pytest.raises(Conflict) as conflict:
        fast_store(server).write([SAVE], now=NOW)

    assert conflict.value.failed == (SAVE,)


def test_an_unreadable_item_is_broken() -> None:
    """A stored thing that nobody can read is Broken and names its kind alone."""
    garbled = {**item_of(SAVE, version=1), "body": {"S": "{"}}

    with (
        Loopback(in_turn(Reply({"Responses": {"p": [garbled]}}))) as server,
        pytest.raises(Broken, match="stored facts is unreadable") as raised,
    ):
        fast_store(server).read([KEY], now=NOW)

    assert "ann" not in str(raised.value)
