"""What a night's counting is billed as: by the size of entries that no answer shows."""

from __future__ import annotations

import doctest

import boto3

from chalicelib.aws.store import DynamoStore
from chalicelib.core.facts import Facts
from chalicelib.core.groups import segment_group
from chalicelib.core.instants import Instant
from chalicelib.core.kinds import FACTS
from chalicelib.core.storage import Put
from chalicelib.core.subject import customer
from ops.cost import counting
from ops.cost.indexes import template_indexes
from ops.cost.meter import Counts, Meter
from ops.template import read_template
from tests.stack import Stack

NOW = 1_795_000_000
INDEXES = template_indexes(read_template(), prefix="test")


def test_the_examples_are_true() -> None:
    """Ten million customers cost a cent a night."""
    assert doctest.testmod(counting).failed == 0


def test_the_index_is_the_template_s() -> None:
    """Its entries have the size that the template makes them have."""
    indexes = [each for table in INDEXES.values() for each in table]

    assert counting.BY_GROUP.keys in {each.keys for each in indexes if each.name == "by_group"}
    [found] = [each for each in indexes if each.name == "by_group"]
    assert set(found.projected) == set(counting.BY_GROUP.projected)


def test_a_query_that_counts_is_billed_for_what_it_counts(stack: Stack) -> None:
    """Two hundred entries of 65 bytes are 13 KB: four half units; nobody there is one."""
    client = boto3.client("dynamodb")
    store, meter = DynamoStore(lambda: client, tables=stack.tables), Meter(INDEXES)
    in_shard = [s for s in (customer(str(n)) for n in range(3_000)) if s.due_shard == 0][:200]
    for start in range(0, 200, 100):
        puts = [
            Put(FACTS.key(each.key), Facts(each, segment="hibernating", segment_at=Instant(NOW)))
            for each in in_shard[start : start + 100]
        ]
        store.write(puts, now=NOW)
    with meter.listening():
        meter.counts = counts = Counts()
        assert store.count_group(segment_group("hibernating", 0)) == 200
        assert store.count_group(segment_group("hibernating", 1)) == 0
        meter.counts = None

    assert counts.calls == {"dynamodb Query": 2}
    assert counts.units == {"dynamodb.read_unit": 2 + 0.5}
