"""The fault sweep's singles, repeated on the local stack's DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.aws.clients import Clients
from chalicelib.aws.store import DynamoStore
from ops.stack import running
from tests.crash.cases import CASES
from tests.crash.run import replay_line, run
from tests.crash.sweep import places_of
from tests.crash.twin import RealTables, TwinStore
from tests.stack import create_tables, whole

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealTables]:
    """Tables on a stack of their own."""
    directory: Path = tmp_path_factory.mktemp("crash")
    with running(directory) as stack:
        clients = Clients(endpoint_url=stack.endpoint_url)
        client = whole(clients.dynamodb_patient())
        names = create_tables(client)
        yield RealTables(client, names, DynamoStore(clients.dynamodb_patient, tables=names))


@pytest.mark.parametrize("name", CASES)
def test_every_single_fault_on_a_real_dynamodb(tables: RealTables, name: str) -> None:
    """Each numbered call in each mode: memory and DynamoDB agree call by call, nothing breaks."""
    calls = run(name, {}).calls
    for number, mode in places_of(name, calls):
        store = TwinStore(tables)

        result = run(name, {number: mode}, store=store)

        assert result.violations == (), replay_line(name, {number: mode})
        store.compare_all(now=0)
        assert store.disagreements == []
