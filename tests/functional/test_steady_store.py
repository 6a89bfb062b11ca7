"""A drop's writes: at a stated rate, and made again when storage is too busy for them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.items import key_of
from chalicelib.aws.store import DynamoStore
from chalicelib.core.errors import Throttled, Transient
from chalicelib.core.facts import Facts
from chalicelib.core.kinds import FACTS, PRODUCT
from chalicelib.core.ports import Store
from chalicelib.core.storage import Conflict, Put, Write
from chalicelib.core.subject import customer
from chalicelib.core.write_rate import MOST_AT_ONCE, MOST_ATTEMPTS
from chalicelib.flows.drop_work import DropLimits
from chalicelib.flows.steady_store import SteadyStore, Timing
from tests.drops import DataTeam, order_row, orders_csv
from tests.fakes import MemoryStore
from tests.loopback import Loopback, Reply, in_turn
from tests.makers import NOW
from tests.stores import TABLES, no_sleep

ONE_BY_ONE = DropLimits(customers_at_once=20, parallel_writes=1)
BUSY = Throttled("TransactWriteItems: ThrottlingError")


@dataclass
class Time:
    """Time that passes only while somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.now += seconds

    @property
    def timing(self) -> Timing:
        """As the store is given it; chance is always the same."""
        return Timing(lambda: self.now, self.sleep, lambda: 0.5)


@dataclass
class Timed(MemoryStore):
    """A store that keeps when how many items were written."""

    time: Time

    def __post_init__(self) -> None:
        super().__init__()
        self.written: list[tuple[float, int]] = []

    def write(self, writes: Any, **options: Any) -> None:
        """As ``MemoryStore.write``."""
        self.written.append((self.time.now, len(writes)))
        super().write(writes, **options)


def steady(store: Store, time: Time, *, per_second: float = 1_000_000) -> SteadyStore:
    """The store as a drop sees it; hardly held back unless asked for."""
    return SteadyStore(store, items_per_second=per_second, timing=time.timing)


def saves(*names: str) -> list[Write]:
    """Writes of so many customers."""
    return [Put(FACTS.key(customer(name).key), Facts(customer(name))) for name in names]


def test_a_drop_keeps_to_the_rate_whatever_it_writes() -> None:
    """Customers, progress and catalogue: in no span more than the rate and one transaction."""
    time = Time()
    store = Timed(time)
    team = DataTeam(store=store, shared=steady(store, time, per_second=50), limits=ONE_BY_ONE)
    rows = [order_row(f"o-{n}", f"c-{n:03}", days_ago=100) for n in range(60)]
    articles = "".join(f"A{n:03},20.00,15.00,USD\n" for n in range(120))

    team.drop("orders/a.csv", orders_csv(*rows))
    team.drop("catalog/all.csv", "sku,base_price,floor_price,currency\n" + articles)

    total = sum(items for _, items in store.written)
    assert total > 3 * MOST_AT_ONCE
    assert time.now == pytest.approx((total - MOST_AT_ONCE) / 50)
    for nth, (since, _) in enumerate(store.written):
        for last in range(nth, len(store.written)):
            items = sum(items for _, items in store.written[nth : last + 1])
            assert items <= MOST_AT_ONCE + 50 * (store.written[last][0] - since) + 1e-6


def test_threads_share_one_rate() -> None:
    """Eight writers at one moment are promised one turn after the other."""
    slept: list[float] = []
    timing = Timing(clock=lambda: 0.0, sleep=slept.append, chance=lambda: 0.5)
    store = SteadyStore(MemoryStore(), items_per_second=10, timing=timing)

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda n: store.write(saves(f"c-{n}"), now=NOW), range(200)))

    assert sorted(slept) == pytest.approx([n / 10 for n in range(1, 101)])


def test_what_storage_was_too_busy_for_is_written_again() -> None:
    """After waits that double, each by chance a part of its bound."""
    time, store = Time(), MemoryStore()
    store.fail_writes(BUSY, BUSY, BUSY)

    steady(store, time).write(saves("ann"), now=NOW)

    assert store.count("write") == 4
    assert time.slept == [0.05, 0.1, 0.2]
    assert set(store.all("facts")) == {"c#ann"}


def test_what_storage_was_too_busy_for_is_read_again() -> None:
    """Keys that stay unprocessed do not cost the whole attempt at a file."""
    time, store = Time(), MemoryStore()
    store.write(saves("ann"), now=NOW)
    store.fail_reads(BUSY)

    found = steady(store, time).read([FACTS.key("c#ann")], now=NOW)

    assert found.value(FACTS.key("c#ann")) == Facts(customer("ann"))
    assert store.count("read") == 2


def test_it_is_given_up_after_so_many_attempts() -> None:
    """Then the error rises and the message comes again."""
    time, store = Time(), MemoryStore()
    store.fail_writes(*[BUSY] * MOST_ATTEMPTS)

    with pytest.raises(Throttled):
        steady(store, time).write(saves("ann"), now=NOW)

    assert store.count("write") == MOST_ATTEMPTS
    assert sum(time.slept) < 45


@pytest.mark.parametrize("error", [Transient("nobody knows"), Conflict(saves("ann"))])
def test_only_what_was_certainly_not_done_is_done_again(error: Exception) -> None:
    """A lost reply and a lost race need another look first, which is the drop's business."""
    store = MemoryStore()
    store.fail_writes(error)

    with pytest.raises(type(error)):
        steady(store, Time()).write(saves("ann"), now=NOW)

    assert store.count("write") == 1


def test_a_second_attempt_takes_its_turn_anew() -> None:
    """What storage refused was a load on it all the same."""
    time = Time()
    store = Timed(time)
    store.fail_writes(BUSY)

    steady(store, time, per_second=1).write(saves(*(f"c-{n}" for n in range(100))), now=NOW)

    assert [at for at, _ in store.written] == [0, 100]


@pytest.mark.parametrize("every", [2, 3, 5])
def test_a_busy_storage_loses_and_doubles_nothing(every: int) -> None:
    """A file that is refused again and again leaves what it would have left in peace."""
    rows = [order_row(f"o-{n}", f"c-{n % 40:03}", days_ago=100 + n) for n in range(120)]
    calm = DataTeam()
    expected = calm.drop("orders/a.csv", orders_csv(*rows))
    time, store = Time(), MemoryStore()
    busy = DataTeam(store=store, shared=steady(store, time), limits=ONE_BY_ONE)
    store.fail_writes(*(BUSY if n % every == 0 else None for n in range(400)))
    store.fail_reads(*(BUSY if n % 7 == 0 else None for n in range(400)))

    drop = busy.drop("orders/a.csv", orders_csv(*rows))

    assert time.slept
    assert (drop.state, drop.counts) == ("COMPLETE", expected.counts)
    for kind in ("facts", "order", "effect", "coupon", "record"):
        assert store.all(kind) == calm.store.all(kind), kind


def test_who_meets_other_writers_comes_back_after_a_while() -> None:
    """A round in which everybody lost is followed by a wait; articles wait each by themselves."""
    attempts: list[int] = []
    team = DataTeam(back_off=attempts.append)
    team.store.fail_writes(None, None, None, *[Conflict([Put(PRODUCT.key("MUG"), None)])] * 3)

    drop = team.drop("catalog/a.csv", "sku,base_price,floor_price,currency\nMUG,2,1,USD\n")

    assert drop.state == "COMPLETE"
    assert attempts == [1, 2, 3]


def test_customers_who_lose_every_race_wait_between_rounds() -> None:
    """And are given up in the end, as before."""
    attempts: list[int] = []
    team = DataTeam(back_off=attempts.append)
    lost = Conflict(saves("c-1"))
    team.store.fail_writes(None, None, None, *[lost] * 30)

    with pytest.raises(Transient, match="contended"):
        team.drop("orders/a.csv", orders_csv(order_row("o-1", "c-1", days_ago=9)))

    assert attempts == [1, 2, 3, 4, 5]


# --- as DynamoDB says it ------------------------------------------------------------------------

CANCELLED = Reply(
    {"CancellationReasons": [{"Code": "None"}, {"Code": "ThrottlingError"}]},
    status=400,
    error="TransactionCanceledException",
)
KEY = FACTS.key("c#ann")
UNPROCESSED = Reply({"Responses": {}, "UnprocessedKeys": {"p": {"Keys": [key_of(KEY)]}}})


def over(server: Loopback, time: Time) -> SteadyStore:
    """The store of a drop, connected to a server of our own; the SDK's client is the real one."""
    client = Clients(endpoint_url=server.url).dynamodb_patient
    return steady(DynamoStore(client, tables=TABLES, sleep=no_sleep), time)


def test_a_transaction_that_was_cancelled_for_a_busy_partition_is_sent_again() -> None:
    """The SDK does not; each attempt is a transaction of its own, and the last one is applied."""
    time = Time()
    with Loopback(in_turn(CANCELLED, CANCELLED, Reply())) as server:
        over(server, time).write(saves("ann", "bob"), now=NOW)

    tokens = [request.json()["ClientRequestToken"] for request in server.requests]
    assert len(set(tokens)) == 3
    assert time.slept == [0.05, 0.1]


def test_a_transaction_that_met_another_one_is_no_busy_storage() -> None:
    """Whoever lost reads anew; sending the same again would lose again."""
    met = Reply(
        {"CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "ThrottlingError"}]},
        status=400,
        error="TransactionCanceledException",
    )
    with Loopback(in_turn(met)) as server, pytest.raises(Conflict):
        over(server, Time()).write(saves("ann", "bob"), now=NOW)

    assert len(server.requests) == 1


def test_keys_that_stay_unprocessed_are_asked_for_again_after_a_wait() -> None:
    """Six rounds without an answer are one attempt of a drop."""
    time = Time()
    found = Reply({"Responses": {"p": []}, "UnprocessedKeys": {}})
    with Loopback(in_turn(*[UNPROCESSED] * 6, found)) as server:
        assert over(server, time).read([KEY], now=NOW).value(KEY) is None

    assert len(server.requests) == 7
    assert time.slept == [0.05]
