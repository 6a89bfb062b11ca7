"""The plan for very many customers: hours, dollars, and the quota that is met first."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.flows.big_sizes import Sizes
from ops.cost.plan import CustomerWork, Wanted, plan, table_units
from ops.cost.prices import read_prices

PRICES = read_prices()
WORK = CustomerWork(
    customer_write_units={"profiles": 4.0, "decisions": 2.0},
    order_write_units=3.0,
    customer_read_units=5.0,
    order_read_units=1.0,
    order_cpu_ms=1.0,
    customer_wait_ms=8.0,
    other_units={"events.custom": 0.25},
    mails=0.5,
    row_bytes=25.0,
    stored_bytes=4_000.0,
    orders=2.0,
)
WANTED = Wanted(
    customers=1_000_000,
    orders_per_customer=2,
    parts_at_once=10,
    write_rate=1_000,
    retried_share=0.0,
)
PLANS = st.builds(
    Wanted,
    customers=st.integers(1, 10**9),
    orders_per_customer=st.floats(0.1, 50),
    parts_at_once=st.integers(1, 5_000),
    write_rate=st.floats(1, 10**7),
)


def test_the_write_rate_sets_the_pace_when_functions_are_faster() -> None:
    """Ten units of a customer in profiles, 1,000 a second: 100 customers a second, by hand."""
    made = plan(WANTED, WORK, PRICES)

    assert table_units(WORK, 2) == {"profiles": 10.0, "decisions": 2.0}
    assert made.customers_a_second == pytest.approx(100)
    assert made.write_hours == pytest.approx(1_000_000 / 100 / 3600)
    assert made.held_by == "the write rate of profiles"
    # A customer takes 2 ms of computing and 8 ms of waiting, eight calls at once: 3 ms.
    assert made.fed_parts == 1
    # 50 MB in parts of 8 MB; 10 million items at 50 a second, each function for 450 seconds.
    assert (made.parts, made.partitions) == (7, 445)


def test_functions_set_the_pace_when_the_table_is_faster() -> None:
    """One function at 3 ms a customer makes 333 a second."""
    made = plan(replace(WANTED, parts_at_once=1, write_rate=1e6), WORK, PRICES)

    assert made.customers_a_second == pytest.approx(1 / 0.003)
    assert made.held_by == "the functions"


def test_the_bill_by_hand() -> None:
    """Units, reads, seconds, objects and transitions of the small plan."""
    made = plan(WANTED, WORK, PRICES)
    spent = {line.price_id: line.quantity for line in made.bill.lines}

    assert spent["dynamodb.write_unit"] == pytest.approx(12_000_000)
    assert spent["dynamodb.read_unit"] == pytest.approx(7_000_000)
    assert spent["events.custom"] == pytest.approx(250_000)
    # Seven parts, 64 contests of orders and 445 partitions; each lists five times.
    assert spent["lambda.request"] == pytest.approx(516)
    assert spent["s3.put"] == pytest.approx(7 * 3 + 64 * 2 + 445 * 3 + 516 * 5)
    assert spent["states.transition"] == pytest.approx(2 * 516 + 12)
    # Ten functions for as long as writing takes; two million rows cut, and three PUTs for a part.
    assert spent["lambda.gb_second.x86_64"] == pytest.approx(2 * (10 * 10_000 + 20 + 7 * 0.09))
    assert made.mails == 500_000
    assert made.mail_days == 10
    assert made.stored_gb == pytest.approx(4)


def test_the_tightest_quota_comes_first() -> None:
    """Of all quotas the one of which the largest part is needed."""
    small = plan(WANTED, WORK, PRICES)
    writing = plan(replace(WANTED, write_rate=80_000, parts_at_once=1_000), WORK, PRICES)
    slow = plan(replace(WANTED, customers=100_000_000), WORK, PRICES)

    assert {use.quota.id for use in small.uses} == set(PRICES.quotas) - {"ses.mails_a_day"}
    assert small.uses == tuple(sorted(small.uses, key=lambda use: -use.share))
    assert writing.first_quota.quota.id == "dynamodb.table_write_units"
    assert writing.first_quota.share == pytest.approx(2)
    assert slow.first_quota.quota.id == "lambda.timeout_seconds"


@given(PLANS)
def test_a_plan_divides_a_file_as_the_flow_does(wanted: Wanted) -> None:
    """The same sizes, at the rate that each function is left of the table's."""
    made = plan(wanted, WORK, PRICES)
    size_bytes = ceil(wanted.customers * wanted.orders_per_customer * WORK.row_bytes)
    rate = wanted.write_rate / 2 / wanted.parts_at_once

    assert made.partitions == Sizes(items_per_second=rate).partitions(size_bytes)
    assert made.parts * Sizes().range_bytes(size_bytes) >= size_bytes


@given(PLANS)
def test_more_rate_and_more_functions_are_never_slower(wanted: Wanted) -> None:
    """Twice as much of either takes no more hours of writing."""
    made = plan(wanted, WORK, PRICES)
    faster = replace(wanted, write_rate=wanted.write_rate * 2)
    wider = replace(wanted, parts_at_once=wanted.parts_at_once * 2)

    assert plan(faster, WORK, PRICES).write_hours <= made.write_hours * (1 + 1e-9)
    assert plan(wider, WORK, PRICES).write_hours <= made.write_hours * (1 + 1e-9)
    assert made.bill.dollars > 0


@given(PLANS)
def test_no_table_is_written_faster_than_the_rate(wanted: Wanted) -> None:
    """The busiest table takes at most what it was given, and that is what the quota must give."""
    made = plan(wanted, WORK, PRICES)
    busiest = max(table_units(WORK, wanted.orders_per_customer).values())

    assert made.customers_a_second * busiest <= wanted.write_rate * (1 + 1e-9)
    needs = {use.quota.id: use.needs for use in made.uses}
    assert needs["dynamodb.table_write_units"] == pytest.approx(made.customers_a_second * busiest)


@pytest.mark.parametrize("name", ["customers", "orders_per_customer", "parts_at_once"])
def test_nothing_cannot_be_planned(name: str) -> None:
    """The error names the field."""
    nothing: dict[str, Any] = {name: 0}

    with pytest.raises(ValueError, match=name):
        replace(WANTED, **nothing)
