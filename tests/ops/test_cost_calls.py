"""How calls are billed, and that the meter counts what really went over the wire."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from chalicelib.aws.store import DynamoStore
from chalicelib.core.control import Switches
from chalicelib.core.effects import Effect
from chalicelib.core.kinds import EFFECT, RECORD, SWITCH
from chalicelib.core.storage import WHATEVER, AtVersion, Check, Conflict, Present, Put
from ops.cost.calls import Call, CallUnknown, units_of
from ops.cost.indexes import template_indexes
from ops.cost.meter import Counts, Meter
from ops.template import read_template
from tests.stack import Stack

NOW = 1_795_000_000
INDEXES = template_indexes(read_template(), prefix="test")


def measured(stack: Stack, work: Any) -> Counts:
    """What a piece of work on the store calls for."""
    client = boto3.client("dynamodb")
    meter = Meter(INDEXES)
    with meter.listening():
        meter.counts = counts = Counts()
        work(DynamoStore(lambda: client, tables=stack.tables))
        meter.counts = None
        client.list_tables()  # nobody counts, so nobody has to know it
    return counts


def record(decision_id: str, *, filling: str = "") -> Put[Any]:
    """A record of a decision; what fills it does not compress away."""
    body = {"subject": "c#1", "decided_at": NOW, "filling": filling}
    return Put(RECORD.key(decision_id), body, condition=AtVersion(0), expires_at=NOW + 60)


def effect(effect_id: str) -> Effect:
    """A planned effect."""
    return Effect(effect_id, "mail", "winback-10", "c#1", "d_1", "r-1", planned_at=NOW)


def test_a_decision_that_plans_nothing_is_one_put_and_one_index_entry(stack: Stack) -> None:
    """A record below 1 KB: one unit for the table, one for ``by_subject``."""
    counts = measured(stack, lambda store: store.write([record("d_1")], now=NOW))

    assert counts.calls == {"dynamodb PutItem": 1}
    assert counts.units == {"dynamodb.write_unit": 2}
    assert counts.kind_units == {"record": 2}
    [size] = counts.item_bytes["record"]
    assert 0 < size < 1024
    assert counts.grown_bytes > size + 2 * 100  # the entry beside the item, overhead with each


def test_a_transaction_doubles_the_table_and_not_its_indexes(stack: Stack) -> None:
    """Record 2 + 1; effect 2, and one entry each of ``by_owner``, ``open`` and ``mails``."""
    writes = [record("d_1"), Put(EFFECT.key("e1"), effect("e1"), condition=AtVersion(0))]
    counts = measured(stack, lambda store: store.write(writes, now=NOW))

    assert counts.calls == {"dynamodb TransactWriteItems": 1}
    assert counts.kind_units == {"record": 2 + 1, "effect": 2 + 3}


def test_reads_are_billed_for_each_key_also_where_nothing_stands(stack: Stack) -> None:
    """Three keys, one of which is there: three units."""

    def work(store: DynamoStore) -> None:
        store.read([RECORD.key(name) for name in ("d_1", "d_2", "d_3")], now=NOW)

    measured(stack, lambda store: store.write([record("d_1")], now=NOW))
    counts = measured(stack, work)

    assert counts.calls == {"dynamodb BatchGetItem": 1}
    assert counts.units == {"dynamodb.read_unit": 3}
    assert counts.tables == {stack.tables["decisions"]}


def test_a_refused_write_is_billed_as_well(stack: Stack) -> None:
    """A put whose condition breaks costs a unit and no index entry; a transaction twice each."""
    again = record("d_1")

    def refused(*writes: Any) -> Counts:
        def work(store: DynamoStore) -> None:
            with pytest.raises(Conflict):
                store.write(list(writes), now=NOW)

        return measured(stack, work)

    measured(stack, lambda store: store.write([again], now=NOW))

    assert refused(record("d_1", filling="other")).units == {"dynamodb.write_unit": 1}
    assert refused(record("d_1", filling="other"), Check(SWITCH.key("0"), Present())).units == {
        "dynamodb.write_unit": 4
    }


def test_an_unconditional_save_is_an_update(stack: Stack) -> None:
    """One unit, and nothing that never expires counts as expiring."""
    counts = measured(
        stack,
        lambda store: store.write([Put(SWITCH.key("0"), Switches(), condition=WHATEVER)], now=NOW),
    )

    assert counts.calls == {"dynamodb UpdateItem": 1}
    assert counts.units == {"dynamodb.write_unit": 1}
    assert counts.kept_bytes == counts.item_bytes["switch"][0] + 100
    assert counts.byte_seconds == 0


def test_a_query_of_an_index_is_half_a_unit_when_it_finds_nothing(stack: Stack) -> None:
    """Indexes are read eventually consistently, and nothing found is still asked."""
    counts = measured(stack, lambda store: store.due(shard=0, now=NOW, limit=10))

    assert counts.units == {"dynamodb.read_unit": 0.5}


@pytest.mark.parametrize(
    ("call", "units"),
    [
        (Call("sqs", "SendMessageBatch", sent_bytes=1), {"sqs.request": 1}),
        (Call("sqs", "SendMessageBatch", sent_bytes=65_537), {"sqs.request": 2}),
        (Call("s3", "GET"), {"s3.get": 1}),
        (Call("s3", "PUT"), {"s3.put": 1}),
        (Call("s3", "DELETE"), {}),
        (Call("email", "POST", sent_bytes=2_000), {"ses.mail": 1, "transfer.out_gb": 2e-6}),
        (Call("events", "PutEvents", {"Entries": [{}, {}]}), {"events.custom": 2}),
        (Call("ssm", "GetParameter"), {"ssm.request": 1, "kms.request": 1}),
    ],
)
def test_other_services(call: Call, units: dict[str, float]) -> None:
    """Requests by 64 KB, mails with their bytes, events each."""
    assert units_of(call, {}) == units


@pytest.mark.parametrize("call", [Call("dynamodb", "Scan"), Call("s3", "PATCH"), Call("iam", "X")])
def test_a_call_that_nobody_has_priced_is_an_error(call: Call) -> None:
    """It is named, and never taken for free."""
    with pytest.raises(CallUnknown, match=f"{call.service} {call.operation}"):
        units_of(call, {})
