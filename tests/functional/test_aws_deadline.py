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
from chalicelib.core.errors import DeadlineExceeded, Transient
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import FACTS, MESSAGE, PRODUCT
from chalicelib.core.storage import Put
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
from tests.stores import TABLES, fast_store

NOW = 1_764_000_000
ANN = customer("ann")
KEY = FACTS.key(ANN.key)
SAVE = Put(KEY, Facts(ANN))
FOUND = Reply({"Responses": {"p": [item_of(SAVE, version=3)]}, "UnprocessedKeys": {}})
NOTHING = Reply({"Responses": {}, "UnprocessedKeys": {}})
NAMED = {"pk": {"S": ANN.key}, "sk": {"S": "facts"}}
UNPROCESSED = Reply({"Responses": {}, "UnprocessedKeys": {"p": {"Keys": [NAMED]}}})
SLACK_SECONDS = 2.0


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
        found = fast_store(server).read([KEY], now=NOW, deadline=_generous())

    assert found.version(KEY) == 3
    assert len(server.requests) == 2


@pytest.mark.parametrize("bad", [Stall(), HangUp(), THROTTLED, UNAVAILABLE, UNPROCESSED], ids=str)
def test_a_read_that_fails_twice_is_transient(bad: Reaction) -> None:
    """Storage that stays bad raises Transient after exactly two requests, whatever time is left."""
    with Loopback(in_turn(bad)) as server, pytest.raises(Transient):
        fast_store(server).read([KEY], now=NOW, deadline=_generous())

    assert len(server.requests) == 2


def test_a_stalled_read_ends_with_the_deadline() -> None:
    """A checkout whose storage stalls gets its Transient after about 800 ms."""
    with Loopback(in_turn(Stall())) as server:
        store = fast_store(server)
        started_at = time.monotonic()
        with pytest.raises(Transient):
            store.read([KEY], now=NOW, deadline=_checkout())

    assert time.monotonic() - started_at < CHECKOUT_SECONDS + SLACK_SECONDS


def test_nobody_listening_is_transient() -> None:
    """A refused connection raises Transient."""
    with Loopback(in_turn(FOUND)) as server:
        store = fast_store(server)

    with pytest.raises(Transient):
        store.read([KEY], now=NOW, deadline=_checkout())


def test_no_time_left_is_no_request() -> None:
    """With too little time left, nothing is asked of storage at all."""
    with Loopback(in_turn(FOUND)) as server:
        store = fast_store(server)
        for call in (
            lambda: store.read([KEY], now=NOW, deadline=Deadline.after(0.4)),
            lambda: store.write([SAVE], now=NOW, deadline=Deadline.after(0.2)),
        ):
            with pytest.raises(DeadlineExceeded):
                call()

    assert server.requests == []


def test_a_write_starts_while_there_is_time_for_its_answer() -> None:
    """With 400 ms left no read starts, and a write does: it follows a read that has connected."""
    deadline = Deadline(0.4, clock=lambda: 0.0)
    with Loopback(in_turn(Reply())) as server:
        fast_store(server).write([SAVE], now=NOW, deadline=deadline)

    assert len(server.requests) == 1


@pytest.mark.parametrize(("seconds", "attempts"), [(0.0, 2), (0.32, 2), (0.4, 1)])
def test_a_second_attempt_needs_room_before_the_deadline(seconds: float, attempts: int) -> None:
    """A second attempt follows a read that stalled for 300 ms, and none that would end too late."""
    clock = _Clock()

    def slowly(_: Request) -> Reaction:
        clock.seconds += seconds
        return THROTTLED

    deadline = Deadline.after(CHECKOUT_SECONDS, clock=clock)
    with Loopback(slowly) as server, pytest.raises(Transient):
        fast_store(server).read([KEY], now=NOW, deadline=deadline)

    assert len(server.requests) == attempts


def test_only_the_keys_that_are_missing_are_asked_for_again() -> None:
    """A second round names the unprocessed keys alone, and both rounds' things are found."""
    product = PRODUCT.key("A1")
    first = Reply({
        "Responses": {"s": [item_of(Put(product, Product("A1", "USD", 1)), version=1)]},
        "UnprocessedKeys": {"p": {"Keys": [NAMED]}},
    })  # fmt: skip

    with Loopback(in_turn(first, FOUND)) as server:
        found = fast_store(server).read([KEY, product], now=NOW, deadline=_generous())

    assert (found.version(KEY), found.version(product)) == (3, 1)
    asked = server.requests[0].json()["RequestItems"]
    assert {name: table["ConsistentRead"] for name, table in asked.items()} == {
        "p": True,
        "s": True,
    }
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
        fast_store(server).write(writes, now=NOW, deadline=_generous())

    first, second = (request.json() for request in server.requests)
    assert first == second


def test_a_write_that_never_succeeds_is_transient() -> None:
    """A stalled write raises Transient within the deadline; its outcome is unknown."""
    with Loopback(in_turn(Stall())) as server:
        store = fast_store(server)
        started_at = time.monotonic()
        with pytest.raises(Transient):
            store.write([SAVE], now=NOW, deadline=_checkout())

    assert time.monotonic() - started_at < CHECKOUT_SECONDS + SLACK_SECONDS


class _Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds
