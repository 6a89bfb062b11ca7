"""The fault sweep over codes: whatever breaks at whichever call, money and codes agree.

Every call that a request makes to storage is a place where the process can die, or where the call
can fail or be applied and its reply lost. The caller then asks again, with or without an
Idempotency-Key, and must get what one undisturbed call would have given: one use, its money once.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.core.coupons import state_of
from chalicelib.core.errors import KeyReused, Refused, Transient
from chalicelib.core.rules import Rules
from chalicelib.core.storage import Conflict
from chalicelib.flows.code_moves import expire_lapsed
from chalicelib.flows.events import EventPorts
from chalicelib.flows.events import from_request as fold
from chalicelib.flows.once import LEASE_SECONDS, once
from chalicelib.flows.redeem import OfferCall, Operation, from_request
from tests.coupon_makers import (
    BUYER,
    CODE,
    budget_of,
    check_books,
    coupon,
    issue,
    limited,
    stored_coupon,
)
from tests.fakes import SIGNING_KEYS, MemoryStore
from tests.gate import Died, Gate
from tests.gated_store import GatedStore
from tests.makers import NOW, order_event, rules_with

BUDGET = 200
RULES: Rules = rules_with(actions=limited("winback-10", budget_minor=BUDGET))
FAULTS = ("dies before", "dies after", "fails before", "reply lost", "conflicts")
LOCK = 900


@dataclass(frozen=True)
class Case:
    """A request, what stands before it, and what must stand after it."""

    before: tuple[Operation, ...]
    ask: Callable[[Any], object]
    state: str
    money: tuple[int, int]


def call(operation: Operation, *, key: str | None = None, amount: int = 150) -> OfferCall:
    """What a shop asks for order o-1; the amount needs more than one shard of the budget."""
    repeat_of = None if key is None else ("caller", "route", key)
    return OfferCall(operation, CODE, BUYER, "o-1", amount, "USD", repeat_of)


def asking(operation: Operation, *, key: str | None = None, now: int = NOW) -> Callable[[Any], Any]:
    """A request of the interface."""
    return lambda store: (
        from_request(call(operation, key=key), store=store, rules=RULES, now=now).body
    )


def telling(name: str, **said: Any) -> Callable[[Any], Any]:
    """A request with news of order o-1."""
    message = order_event(f"Order {name}", "o-1", user="c-1", message_id=name, **said)
    return lambda store: fold(
        message,
        ports=EventPorts(store),
        rules=RULES,
        keys=SIGNING_KEYS,
        now=NOW,
        correlation_id="r-1",
    )


CASES: Mapping[str, Case] = {
    "reserve": Case((), asking("reserve"), "reserved", (150, 0)),
    "reserve with a key": Case((), asking("reserve", key="k"), "reserved", (150, 0)),
    "redeem": Case(("reserve",), asking("redeem"), "redeemed", (0, 150)),
    "redeem at once": Case((), asking("redeem", key="k"), "redeemed", (0, 150)),
    "release": Case(("reserve",), asking("release"), "live", (0, 0)),
    "a lock that ended": Case(
        ("reserve",), lambda store: expire_lapsed(CODE, store=store, now=NOW + LOCK), "live", (0, 0)
    ),
    "an order": Case(
        ("reserve",),
        telling("Completed", total=9, coupon=CODE, discount=1),
        "redeemed",
        (0, 100),
    ),
    "a cancellation": Case(("redeem",), telling("Cancelled"), "rolled_back", (0, 0)),
    "a refund": Case(("redeem",), telling("Refunded"), "rolled_back", (0, 0)),
}


def prepared(case: Case) -> MemoryStore:
    """A store in which what comes before has happened."""
    store = MemoryStore()
    issue(store, coupon())
    for operation in case.before:
        asking(operation)(store)
    store.calls.clear()
    return store


def faulty(store: MemoryStore, kind: str, at: int) -> GatedStore:
    """The store with one call that breaks."""

    def before(number: int, port: str) -> None:
        if number == at and kind == "dies before":
            raise Died
        if number == at and kind == "fails before":
            raise Transient("not done")
        if number == at and kind == "conflicts" and port == "write":
            raise Conflict([])

    def after(number: int, _port: str) -> None:
        if number == at and kind == "dies after":
            raise Died
        if number == at and kind == "reply lost":
            raise Transient("reply lost")

    return GatedStore(Gate(before=before, after=after), store)


def calls_of(case: Case) -> int:
    """How many calls a request makes when nothing breaks."""
    store = prepared(case)
    case.ask(store)
    return len(store.calls)


def check(store: MemoryStore, case: Case) -> None:
    """What must stand."""
    assert state_of(stored_coupon(store), now=NOW) == case.state
    assert budget_of(store) == case.money
    check_books(store, budget_minor=BUDGET, now=NOW)


@pytest.mark.parametrize("name", CASES)
def test_one_fault_at_any_call(name: str) -> None:
    """The books are right after the fault, and the repeat ends where one call would have ended."""
    case = CASES[name]
    for kind, at in itertools.product(FAULTS, range(1, calls_of(case) + 1)):
        store = prepared(case)

        with contextlib.suppress(Died, Transient):
            case.ask(faulty(store, kind, at))
        check_books(store, budget_minor=BUDGET, now=NOW)
        case.ask(store)

        check(store, case)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.sweep
def test_two_faults_at_any_two_calls(name: str) -> None:
    """The repeat may break as well, at any call."""
    case = CASES[name]
    places = list(itertools.product(FAULTS, range(1, calls_of(case) + 1)))
    for first, second in itertools.product(places, places):
        store = prepared(case)
        for place in (first, second):
            with contextlib.suppress(Died, Transient):
                case.ask(faulty(store, *place))
        case.ask(store)

        check(store, case)


@pytest.mark.parametrize("name", CASES)
def test_the_same_request_between_any_two_calls(name: str) -> None:
    """Twice at once is once: both are answered, and the second has no effect of its own."""
    case = CASES[name]
    for at in range(1, calls_of(case) + 1):
        store = prepared(case)

        def intrude(number: int, _port: str, *, at: int = at, store: MemoryStore = store) -> None:
            if number == at:
                case.ask(store)

        case.ask(GatedStore(Gate(before=intrude), store))

        check(store, case)


def test_two_carts_at_once_are_one_reservation() -> None:
    """Whichever is second, at whichever call, is refused by name and holds nothing."""
    case = CASES["reserve"]
    for at in range(1, calls_of(case) + 1):
        store = prepared(case)

        def intrude(number: int, _port: str, *, at: int = at, store: MemoryStore = store) -> None:
            if number == at:
                other = OfferCall("reserve", CODE, BUYER, "o-2", 20, "USD")
                from_request(other, store=store, rules=RULES, now=NOW)

        with pytest.raises(Refused, match="code_reserved_elsewhere"):
            case.ask(GatedStore(Gate(before=intrude), store))
        assert budget_of(store) == (20, 0)


# --- an Idempotency-Key over several writes -----------------------------------------------------


class Job:
    """Work of several writes, of which it is known how often it ran."""

    def __init__(self, store: Any) -> None:
        self.runs, self._store = 0, store

    def __call__(self, *, now: int = NOW, owner: str = "w-1", body: str = "b") -> Mapping[str, Any]:
        """Ask for it under the one key."""
        return once(
            self._run,
            repeat_of=("caller", "route", "k"),
            request_hash=body,
            store=self._store,
            now=now,
            owner=owner,
        )

    def _run(self) -> Mapping[str, Any]:
        self.runs += 1
        return {"accepted": self.runs}


def test_work_is_done_once_and_answered_alike() -> None:
    """A repeat gets the answer without the work; another body is refused."""
    job = Job(MemoryStore())

    assert [job(), job(owner="w-2")] == [{"accepted": 1}] * 2
    with pytest.raises(KeyReused):
        job(body="other")


def test_meanwhile_a_second_call_is_refused() -> None:
    """Until the first is answered, or must be dead; then the next one does the work."""
    store = MemoryStore()
    first = Job(GatedStore(Gate(after=dies_after(2)), store))
    with pytest.raises(Died):
        first()
    second = Job(store)

    with pytest.raises(Refused, match="in_flight"):
        second(owner="w-2", now=NOW + LEASE_SECONDS - 1)
    assert second.runs == 0
    assert second(owner="w-2", now=NOW + LEASE_SECONDS) == {"accepted": 1}


def dies_after(call_number: int) -> Callable[[int, str], None]:
    """A process that is gone after so many calls."""

    def after(number: int, _port: str) -> None:
        if number == call_number:
            raise Died

    return after


@pytest.mark.parametrize("kind", FAULTS)
def test_a_key_survives_a_fault_at_any_call(kind: str) -> None:
    """Once the claim must be dead, a repeat is answered, whatever broke at whichever call."""
    for at in (1, 2, 3):
        store = MemoryStore()
        with contextlib.suppress(Died, Transient):
            Job(faulty(store, kind, at))(owner="w-1")

        later = Job(store)
        answer = later(owner="w-2", now=NOW + LEASE_SECONDS)

        assert answer == {"accepted": 1}
        assert later(owner="w-3", now=NOW + LEASE_SECONDS) == answer


def test_two_calls_at_once_do_the_work_once() -> None:
    """The second, between any two calls of the first, is refused or given the answer."""
    for at in (1, 2, 3):
        store = MemoryStore()
        second = Job(store)

        def intrude(number: int, _port: str, *, at: int = at, second: Job = second) -> None:
            if number == at:
                with contextlib.suppress(Refused):
                    second(owner="w-2")

        first = Job(GatedStore(Gate(before=intrude), store))
        first(owner="w-1")

        assert first.runs + second.runs == 1


def test_an_order_told_while_its_cart_takes_the_last_of_the_budget() -> None:
    """The order redeems what its own cart has just reserved, between whichever two calls."""
    case = CASES["an order"]
    for at in range(1, 6):
        store = MemoryStore()
        issue(store, coupon())

        def intrude(number: int, _port: str, *, at: int = at, store: MemoryStore = store) -> None:
            if number == at:
                reserve_all = call("reserve", amount=BUDGET)
                from_request(reserve_all, store=store, rules=RULES, now=NOW)

        with contextlib.suppress(Refused):  # where the order was faster
            case.ask(GatedStore(Gate(before=intrude), store))

        check(store, case)
