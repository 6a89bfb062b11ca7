"""A plan for a very big orders file: hours, dollars, and the quota that is met first. Pure.

The file is cut into parts; each part's rows are sorted into partitions by customer; each partition
folds its customers and writes their profiles. Parts and partitions are children of a Distributed
Map, so many at once. Writing is held below a stated rate of write units a second on each table:
functions wait for their turn, and are billed while they wait.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.flows.big_documents import MOST_CONTESTS
from chalicelib.flows.big_sizes import Sizes
from ops.cost.assumptions import cpu_share
from ops.cost.bill import Bill, bill_of
from ops.cost.prices import PriceTable, Quota
from ops.cost.quantities import Quantities, added, scaled

HOUR_SECONDS = 3600
# States that one child enters: its own start and the task.
TRANSITIONS_OF_A_CHILD = 2
TRANSITIONS_OF_THE_REST = 12
CALLS_AT_ONCE = 8
COPIES_ON_DISK = 3
# What a part leaves: rows, claims on orders, and that it is done.
PUTS_OF_A_PART = 3
PUTS_OF_A_PARTITION = 3
# What a child lists: words of an earlier try, the plan, whether it is done itself; and twice, in
# pages of a thousand, which parts are done. A listing is billed like a PUT.
LISTS_OF_A_CHILD = 3
LISTS_OF_WHAT_IS_DONE = 2
LISTED_AT_ONCE = 1_000
# A new stage's rate is given in items; each takes about two write units with its indexes.
UNITS_OF_AN_ITEM = 2


@dataclass(frozen=True, slots=True)
class CustomerWork:
    """What one customer of an orders file takes, measured.

    Attributes:
        customer_write_units: by table, without the orders.
        order_write_units: of one order, in the profiles table.
        customer_read_units: without the orders.
        order_read_units: of one order.
        order_cpu_ms: computing for one row, the customer's share included.
        customer_wait_ms: waiting for storage, calls after each other.
        other_units: what else is billed for a customer: bus events, requests of queues, logs …
        mails: how many mails are planned.
        row_bytes: the length of a row.
        stored_bytes: by how much storage grows.
        orders: how many orders the customers had of whom this was measured.
    """

    customer_write_units: Mapping[str, float]
    order_write_units: float
    customer_read_units: float
    order_read_units: float
    order_cpu_ms: float
    customer_wait_ms: float
    other_units: Quantities
    mails: float
    row_bytes: float
    stored_bytes: float
    orders: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is planned for.

    Attributes:
        customers: how many.
        orders_per_customer: how many rows each has in the file.
        parts_at_once: children of the map that run at the same time.
        write_rate: write units a second that each table is given.
        above_bytes: where a file is a big one, from which the size of its parts follows.
        memory_mb: of the function.
        rows_cut_per_cpu_second: rows that a part reads and sorts.
        put_wait_ms: how long one PUT to S3 is waited for.
        retried_share: work that is done a second time.
        architecture: whose GB-second is billed.
    """

    customers: int = 100_000_000
    orders_per_customer: float = 3.0
    parts_at_once: int = 16
    write_rate: float = 36_000.0
    above_bytes: int = 64_000_000
    memory_mb: int = 2048
    rows_cut_per_cpu_second: float = 100_000.0
    put_wait_ms: float = 30.0
    retried_share: float = 0.01
    architecture: str = "x86_64"

    def __post_init__(self) -> None:
        """Refuse what cannot be planned; raises ValueError naming the field."""
        for name in (
            "customers",
            "orders_per_customer",
            "parts_at_once",
            "write_rate",
            "above_bytes",
            "rows_cut_per_cpu_second",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0")

    @property
    def sizes(self) -> Sizes:
        """As a stage has them whose parts share this rate (``wiring.big_parts``)."""
        items_per_second = self.write_rate / UNITS_OF_AN_ITEM / self.parts_at_once
        return Sizes(self.above_bytes, items_per_second=items_per_second)


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """How much of a quota the plan needs; a share above 1 needs a raised quota first."""

    quota: Quota
    needs: float

    @property
    def share(self) -> float:
        """The part of the default quota."""
        return self.needs / self.quota.most


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan.

    Attributes:
        wanted: what it is for.
        parts: children that read the file.
        partitions: children that fold and write.
        part_hours: until the file is cut and sorted.
        write_hours: until every profile is written.
        customers_a_second: while they are written.
        held_by: what sets that pace: the write rate of a table, or the functions.
        fed_parts: the most children that the write rate feeds; more of them only wait.
        bill: of the pass, mails left out.
        mails: how many mails it plans.
        mail_days: how long SES's default quota takes for them.
        stored_gb: by how much storage grows.
        uses: every quota, the tightest first; SES's, which mails alone meet, is not among them.
    """

    wanted: Wanted
    parts: int
    partitions: int
    part_hours: float
    write_hours: float
    customers_a_second: float
    held_by: str
    fed_parts: int
    bill: Bill
    mails: float
    mail_days: float
    stored_gb: float
    uses: tuple[QuotaUse, ...]

    @property
    def hours(self) -> float:
        """From the first part to the last profile."""
        return self.part_hours + self.write_hours

    @property
    def first_quota(self) -> QuotaUse:
        """The quota of which the plan takes the largest part."""
        return self.uses[0]


def table_units(work: CustomerWork, orders: float) -> dict[str, float]:
    """Write units of one customer by table."""
    return added(work.customer_write_units, {"profiles": work.order_write_units * orders})


@dataclass(frozen=True, slots=True)
class _Pace:
    """How fast the two phases go.

    Attributes:
        size_bytes: of the file.
        parts: children that read.
        partitions: children that write.
        part_seconds: how long one part takes.
        busiest: the table that takes most units, and how many of one customer.
        customer_seconds: what one function needs for one customer when nothing holds it.
        customers_a_second: the pace of writing.
        by_functions: whether functions set it, and not the table.
    """

    size_bytes: int
    parts: int
    partitions: int
    part_seconds: float
    busiest: tuple[str, float]
    customer_seconds: float
    customers_a_second: float
    by_functions: bool


def plan(wanted: Wanted, work: CustomerWork, prices: PriceTable) -> Plan:
    """Plan a pass over so many customers."""
    pace = _pace(wanted, work)
    waves = math.ceil(pace.parts / wanted.parts_at_once)
    write_seconds = wanted.customers / pace.customers_a_second
    mails = wanted.customers * work.mails
    uses = [
        QuotaUse(prices.quotas[name], need) for name, need in _needs(wanted, work, pace).items()
    ]
    table, units = pace.busiest
    return Plan(
        wanted=wanted,
        parts=pace.parts,
        partitions=pace.partitions,
        part_hours=waves * pace.part_seconds / HOUR_SECONDS,
        write_hours=write_seconds / HOUR_SECONDS,
        customers_a_second=pace.customers_a_second,
        held_by="the functions" if pace.by_functions else f"the write rate of {table}",
        fed_parts=math.ceil(wanted.write_rate / units * pace.customer_seconds),
        bill=bill_of(
            f"{wanted.customers:,} customers",
            _units(wanted, work, pace, write_seconds=write_seconds),
            prices,
        ),
        mails=mails,
        mail_days=mails / prices.quotas["ses.mails_a_day"].most,
        stored_gb=wanted.customers * work.stored_bytes / 1e9,
        uses=tuple(sorted(uses, key=lambda use: -use.share)),
    )


def _pace(wanted: Wanted, work: CustomerWork) -> _Pace:
    rows, share = wanted.customers * wanted.orders_per_customer, cpu_share(wanted.memory_mb)
    size_bytes = math.ceil(rows * work.row_bytes)
    parts = math.ceil(size_bytes / wanted.sizes.range_bytes(size_bytes))
    partitions = wanted.sizes.partitions(size_bytes)
    cutting_seconds = rows / parts / wanted.rows_cut_per_cpu_second / share
    putting_seconds = PUTS_OF_A_PART * wanted.put_wait_ms / 1000
    by_table = table_units(work, wanted.orders_per_customer)
    busiest = max(by_table, key=lambda table: by_table[table])
    computing_ms = wanted.orders_per_customer * work.order_cpu_ms / share
    customer_seconds = (computing_ms + work.customer_wait_ms / CALLS_AT_ONCE) / 1000
    by_functions = wanted.parts_at_once / customer_seconds
    by_table_rate = wanted.write_rate / by_table[busiest]
    return _Pace(
        size_bytes=size_bytes,
        parts=parts,
        partitions=partitions,
        part_seconds=cutting_seconds + putting_seconds,
        busiest=(busiest, by_table[busiest]),
        customer_seconds=customer_seconds,
        customers_a_second=min(by_functions, by_table_rate),
        by_functions=by_functions < by_table_rate,
    )


def _needs(wanted: Wanted, work: CustomerWork, pace: _Pace) -> dict[str, float]:
    """What the pass needs of each quota while it runs."""
    orders, rate = wanted.orders_per_customer, pace.customers_a_second
    at_once = min(wanted.parts_at_once, pace.partitions)
    partition_seconds = wanted.customers / pace.partitions * at_once / rate
    child_bytes = pace.size_bytes / min(pace.parts, pace.partitions)
    return {
        "lambda.concurrency": float(wanted.parts_at_once),
        "lambda.timeout_seconds": max(pace.part_seconds, partition_seconds),
        "lambda.ephemeral_mb": COPIES_ON_DISK * child_bytes / 1e6,
        "dynamodb.table_write_units": rate * pace.busiest[1],
        "dynamodb.table_read_units": rate
        * (work.customer_read_units + work.order_read_units * orders),
        "states.map_children": float(wanted.parts_at_once),
        "s3.puts_a_second": min(pace.parts, wanted.parts_at_once)
        * PUTS_OF_A_PART
        / pace.part_seconds,
    }


def _units(
    wanted: Wanted, work: CustomerWork, pace: _Pace, *, write_seconds: float
) -> dict[str, float]:
    """What the pass is billed as."""
    orders, again = wanted.orders_per_customer, 1 + wanted.retried_share
    contests = min(pace.partitions, MOST_CONTESTS)
    children = (pace.parts + contests + pace.partitions) * again
    listings = math.ceil(children / LISTED_AT_ONCE)
    written = sum(table_units(work, orders).values())
    read = work.customer_read_units + work.order_read_units * orders
    at_once = min(wanted.parts_at_once, pace.partitions)
    seconds = (pace.parts * pace.part_seconds + at_once * write_seconds) * again
    return added(
        scaled(work.other_units, wanted.customers),
        {
            "dynamodb.write_unit": wanted.customers * written * again,
            "dynamodb.read_unit": wanted.customers * read * again,
            "lambda.request": children,
            f"lambda.gb_second.{wanted.architecture}": seconds * wanted.memory_mb / 1024,
            "s3.put": (pace.parts * PUTS_OF_A_PART + contests * 2) * again
            + pace.partitions * PUTS_OF_A_PARTITION
            + children * (LISTS_OF_A_CHILD + LISTS_OF_WHAT_IS_DONE * listings),
            "s3.get": pace.parts * (pace.partitions + contests) * again
            + contests * pace.partitions
            + pace.parts,
            "states.transition": children * TRANSITIONS_OF_A_CHILD + TRANSITIONS_OF_THE_REST,
        },
    )
