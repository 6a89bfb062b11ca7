"""The sweep's storage beside DynamoDB on moto: call by call the same, whatever breaks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.store import DynamoStore
from ops.moto_in_turns import moto_in_turns
from tests.crash.run import run
from tests.crash.sweep import places_of
from tests.crash.twin import RealTables, TwinStore
from tests.stack import create_tables, whole
from tests.stores import no_sleep


@pytest.fixture
def tables(clients: Clients) -> Iterator[RealTables]:
    """Tables on moto."""
    with moto_in_turns():
        client = whole(clients.dynamodb_patient())
        names = create_tables(client)
        store = DynamoStore(clients.dynamodb_patient, tables=names, sleep=no_sleep)
        yield RealTables(client, names, store)


def test_memory_and_dynamodb_agree_on_a_broken_run(tables: RealTables) -> None:
    """One flow's singles on both at once: every answer is the same, and everything holds."""
    for number, mode in places_of("act, events together", 6):
        store = TwinStore(tables)

        result = run("act, events together", {number: mode}, store=store)

        assert result.violations == ()
        store.compare_all(now=0)
        assert store.disagreements == []
    assert tables.calls > 100
