"""Storage on a bad day, over real sockets: what stalls, throttles or hangs up costs no checkout.

No assertion on time is tight: what is bounded is bounded with slack for a loaded machine, and
what is counted is requests.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.deadline import CHECKOUT_SECONDS, Deadline
from chalicelib.aws.items import item_of
from chalicelib.aws.store import DynamoStore
from chalicelib.core.catalogue import Product
from chalicelib.core.errors import Broken, DeadlineExceeded, Transient
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import FACTS, MESSAGE, PRODUCT
from chalicelib.core.storage import Conflict, Put, Table
from chalicelib.core.subject import customer
from tests.loopback import (
    THROTTLED,
    UNAVAILABLE,
    HangUp,
    Loopback,
    Reaction,
    Reply,
    Request,
    Stall,
    in_turn,
)

NOW = 1_764_000_000
ANN = customer("ann")
KEY = FACTS.key(ANN.key)
SAVE = Put(KEY, Facts(ANN))
TABLES: dict[Table, str] = {
    "profiles": "p", "decisions": "d", "effects": "e", "control": "c", "signals": "s",
}  # fmt: skip
FOUND = Reply({"Responses": {"p": [item_of(SAVE, version=3)]}, "UnprocessedKeys": {}})
NOTHING = Reply({"Responses": {}, "UnprocessedKeys": {}})
NAMED = {"pk": {"S": ANN.key}, "sk": {"S": "facts"}}
UNPROCESSED = Reply({"Responses": {}, "UnprocessedKeys": {"p": {"Keys": [NAMED]}}})
SLACK_SECONDS = 2.0


def _fast(server: Loopback) -> DynamoStore:
    """The store of a checkout: one attempt of the SDK."""
    clients = Clients(endpoint_url=server.url)
    clients.warm("dynamodb_fast")  # no deadline of these tests pays for it
    return DynamoStore(clients.dynamodb_fast, tables=TABLES, sleep=_no_sleep)


def _no_sleep(seconds: float) -> None:
    del seconds


def _checkout() -> Deadline:
    return Deadline.after(CHECKOUT_SECONDS)


def _generous() -> Deadline:
    """A deadline for tests of what a second attempt does, also on a machine that is loaded."""
    return Deadline.after(20)


@pytest.mark.parametrize(
    "bad", [Stall(), HangUp(), THROTTLED, UNAVAILABLE, UNPROCESSED, Reply()], ids=str
)
def test_a_read_is_tried_once_more(bad: Reaction) -> None:
    """One stall, hang-up, throttle, fault, unprocessed key or garbled answer is survived."""
    with Loopback(in_turn(bad, FOUND)) as server:
        found = _fast(server).read([KEY], now=NOW, deadline=_generous())

    assert found.version(KEY) == 3
    assert len(server.requests) == 2


@pytest.mark.parametrize("bad", [Stall(), HangUp(), THROTTLED, UNAVAILABLE, UNPROCESSED], ids=str)
def test_a_read_that_fails_twice_is_transient(bad: Reaction) -> None:
    """Storage that stays bad raises Transient after exactly two requests, whatever time is left."""
    with Loopback(in_turn(bad)) as server, pytest.raises(Transient):
        _fast(server).read([KEY], now=NOW, deadline=_generous())

    assert len(server.requests) == 2


def test_a_stalled_read_ends_with_the_deadline() -> None:
    """A checkout whose storage stalls gets its Transient after about 800 ms."""
    with Loopback(in_turn(Stall())) as server:
        store = _fast(server)
        started_at = time.monotonic()
        with pytest.raises(Transient):
            store.read([KEY], now=NOW, deadline=_checkout())

    assert time.monotonic() - started_at < CHECKOUT_SECONDS + SLACK_SECONDS


def test_nobody_listening_is_transient() -> None:
    """A refused connection raises Transient."""
    with Loopback(in_turn(FOUND)) as server:
        store = _fast(server)

    with pytest.raises(Transient):
        store.read([KEY], now=NOW, deadline=_checkout())


def test_no_time_left_is_no_request() -> None:
    """With too little time left, nothing is asked of storage at all."""
    with Loopback(in_turn(FOUND)) as server:
        store = _fast(server)
        for call in (
            lambda: store.read([KEY], now=NOW, deadline=Deadline.after(0.4)),
            lambda: store.write([SAVE], now=NOW, deadline=Deadline.after(0.2)),
        ):
            with pytest.raises(DeadlineExceeded):
                call()

    assert server.requests == []


@pytest.mark.parametrize(("seconds", "attempts"), [(0.0, 2), (0.32, 2), (0.4, 1)])
def test_a_second_attempt_needs_room_before_the_deadline(seconds: float, attempts: int) -> None:
    """A second attempt follows a read that stalled for 300 ms, and none that would end too late."""
    clock = _Clock()

    def slowly(_: Request) -> Reaction:
        clock.seconds += seconds
        return THROTTLED

    deadline = Deadline.after(CHECKOUT_SECONDS, clock=clock)
    with Loopback(slowly) as server, pytest.raises(Transient):
        _fast(server).read([KEY], now=NOW, deadline=deadline)

    assert len(server.requests) == attempts


def test_only_the_keys_that_are_missing_are_asked_for_again() -> None:
    """A second round names the unprocessed keys alone, and both rounds' things are found."""
    product = PRODUCT.key("A1")
    first = Reply({
        "Responses": {"s": [item_of(Put(product, Product("A1", "USD", 1)), version=1)]},
        "UnprocessedKeys": {"p": {"Keys": [NAMED]}},
    })  # fmt: skip

    with Loopback(in_turn(first, FOUND)) as server:
        found = _fast(server).read([KEY, product], now=NOW, deadline=_generous())

    assert (found.version(KEY), found.version(product)) == (3, 1)
    assert server.requests[1].json() == {
        "RequestItems": {"p": {"Keys": [NAMED], "ConsistentRead": True}}
    }


def test_without_a_deadline_unprocessed_keys_are_asked_for_patiently() -> None:
    """A flow that nobody waits for asks six times with growing pauses, then it is Transient."""
    pauses: list[float] = []
    with Loopback(in_turn(UNPROCESSED)) as server:
        client = Clients(endpoint_url=server.url).dynamodb_patient
        store = DynamoStore(client, tables=TABLES, sleep=pauses.append)

        with pytest.raises(Transient):
            store.read([KEY], now=NOW)

    assert len(server.requests) == 6
    assert pauses == sorted(pauses)
    assert len(pauses) == 5


@pytest.mark.parametrize("bad", [HangUp(), THROTTLED, UNAVAILABLE], ids=str)
@pytest.mark.parametrize("writes", [[SAVE], [SAVE, Put(MESSAGE.key("m"), {"a": 1})]], ids=len)
def test_a_write_is_tried_once_more(bad: Reaction, writes: Sequence[Put[Any]]) -> None:
    """A write survives one failure, alone or as a transaction, and sends the same again.

    Both attempts of a transaction carry one token, so that DynamoDB applies it once.
    """
    with Loopback(in_turn(bad, Reply())) as server:
        _fast(server).write(writes, now=NOW, deadline=_generous())

    first, second = (request.json() for request in server.requests)
    assert first == second


def test_a_write_that_never_succeeds_is_transient() -> None:
    """A stalled write raises Transient within the deadline; its outcome is unknown."""
    with Loopback(in_turn(Stall())) as server:
        store = _fast(server)
        started_at = time.monotonic()
        with pytest.raises(Transient):
            store.write([SAVE], now=NOW, deadline=_checkout())

    assert time.monotonic() - started_at < CHECKOUT_SECONDS + SLACK_SECONDS


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
        _fast(server).write(writes, now=NOW, deadline=_generous())
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
        _fast(server).write([SAVE], now=NOW, deadline=_checkout())

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
        (_canceled("None", "ThrottlingError"), Transient),
        (_canceled("ProvisionedThroughputExceeded", "None"), Transient),
        (_canceled("ValidationError", "None"), Broken),
        (Reply(status=400, error="TransactionInProgressException"), Transient),
        (Reply(status=400, error="ValidationException"), Broken),
        (Reply(status=400, error="AccessDeniedException"), Broken),
        (Reply(status=400, error="ResourceNotFoundException"), Broken),
    ],
)
def test_each_refusal_of_a_transaction_means_one_thing(
    reply: Reply, outcome: tuple[Put[Any], ...] | type[Exception]
) -> None:
    """Contention is a Conflict with its writes, throttling Transient, a mistake of ours Broken."""
    expected = Conflict if isinstance(outcome, tuple) else outcome
    with Loopback(in_turn(reply)) as server, pytest.raises(expected) as raised:
        _fast(server).write([SAVE, OTHER], now=NOW)

    if isinstance(outcome, tuple):
        assert isinstance(raised.value, Conflict)
        assert raised.value.failed == outcome
    else:
        assert not isinstance(raised.value, Conflict)


def test_contention_on_one_item_is_a_conflict() -> None:
    """A single write into an item that a transaction holds is a Conflict naming it."""
    held = Reply(status=400, error="TransactionConflictException")

    with Loopback(in_turn(held)) as server, pytest.raises(Conflict) as conflict:
        _fast(server).write([SAVE], now=NOW)

    assert conflict.value.failed == (SAVE,)


def test_an_unreadable_item_is_broken() -> None:
    """A stored thing that nobody can read is Broken and names its kind alone."""
    garbled = {**item_of(SAVE, version=1), "body": {"S": "{"}}

    with (
        Loopback(in_turn(Reply({"Responses": {"p": [garbled]}}))) as server,
        pytest.raises(Broken, match="stored facts is unreadable") as raised,
    ):
        _fast(server).read([KEY], now=NOW)

    assert "ann" not in str(raised.value)


class _Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds
